"""Releases as zips and folders: what counts as a member, and what is refused before it is read."""

from __future__ import annotations

import contextlib
import random
import struct
import zipfile
from pathlib import Path

import pytest
from invented import RF2, zipped

from conceptmap.errors import InputError, ReaderError
from conceptmap.readers import archive as archives
from conceptmap.readers.archive import Archive, Member, open_archive, stream
from conceptmap.readers.obo import read_obo


def content(archive: Archive, name: str) -> bytes:
    member = archive.named(name)
    assert member is not None
    return b"".join(stream(archive, member))


def test_a_zip_and_its_folder_hold_the_same_members(tmp_path: Path) -> None:
    folder, packed = open_archive(RF2), open_archive(zipped(RF2, tmp_path / "release.zip"))
    assert [f"{RF2.name}/{member.path}" for member in folder.members] == [member.path for member in packed.members]
    name = "sct2_Concept_Snapshot_INT_20250101.txt"
    assert content(folder, name) == content(packed, name)


def test_a_single_file_is_a_release_of_one_member(tmp_path: Path) -> None:
    (tmp_path / "one.obo").write_bytes(b"format-version: 1.2\n")
    archive = open_archive(tmp_path / "one.obo")
    assert archive.members == (Member("one.obo", 20),)
    assert content(archive, "ONE.OBO") == b"format-version: 1.2\n"


def test_what_operating_systems_leave_behind_is_no_member(tmp_path: Path) -> None:
    left = {".DS_Store": b"x", "__MACOSX/a/._b.txt": b"x", "a/.git/config": b"x", "a/b.txt": b"kept"}
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as packed:
        for name, data in left.items():
            packed.writestr(name, data)
    assert [member.path for member in open_archive(tmp_path / "mac.zip").members] == ["a/b.txt"]


def test_nothing_is_extracted(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "up.zip", "w") as packed:
        packed.writestr("../../escaped.txt", b"data")
    archive = open_archive(tmp_path / "up.zip")
    assert content(archive, "escaped.txt") == b"data"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["up.zip"]


def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros.txt", bytes(8 * 2**20))
    with pytest.raises(ReaderError, match=r"zeros\.txt unpacks to \d+ times its size: expected at most 200 times"):
        content(open_archive(tmp_path / "bomb.zip"), "zeros.txt")


def test_a_member_over_the_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 100)
    with pytest.raises(ReaderError, match="is too large"):
        content(open_archive(zipped(RF2, tmp_path / "a.zip")), "sct2_Concept_Snapshot_INT_20250101.txt")


def test_what_is_read_at_once_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "large.obo").write_bytes(b"format-version: 1.2\n" + b"x" * 999)
    monkeypatch.setattr(archives, "MAX_WHOLE", 1_000)
    with pytest.raises(ReaderError, match=r"large\.obo is too large: expected at most 1,000 bytes"):
        read_obo(tmp_path / "large.obo")


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.txt", b"0123456789" * 50)
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 500), struct.pack("<I", 40)))
    with pytest.raises(ReaderError, match=r"a\.txt is damaged"):
        content(open_archive(path), "a.txt")


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr("a.txt", b"0123456789" * 50)
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780", 1))
    with pytest.raises(ReaderError, match=r"a\.txt is damaged .*download the release again"):
        content(open_archive(path), "a.txt")


@pytest.mark.parametrize("mark", [b"\0", b"\x1b", b"\n"])
def test_a_name_with_control_characters_is_refused(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "named.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a#b.obo", b"format-version: 1.2\n")
    path.write_bytes(path.read_bytes().replace(b"a#b", b"a" + mark + b"b"))
    with pytest.raises(ReaderError, match="holds a file whose name has control characters"):
        open_archive(path)


def test_whatever_byte_of_a_zip_is_changed_only_our_errors_come_out(tmp_path: Path) -> None:
    path = tmp_path / "whole.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.txt", b"0123456789" * 50)
        packed.writestr("b/c.txt", b"x")
    whole, rng = path.read_bytes(), random.Random(4)
    for _ in range(600):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] = rng.randrange(256)
        path.write_bytes(damaged)
        with contextlib.suppress(ReaderError):
            archive = open_archive(path)
            for member in archive.members:
                b"".join(stream(archive, member))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a.txt", b"0123456789")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ReaderError, match="is encrypted"):
        content(open_archive(path), "a.txt")


def test_no_release_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no release at"):
        open_archive(tmp_path / "absent.zip")
    with pytest.raises(ReaderError, match="holds no files"):
        open_archive(tmp_path)


def test_two_files_of_one_name_are_no_guess(tmp_path: Path) -> None:
    for year, data in (("2024AA", b"a\n"), ("2025AA", b"ab\n")):
        (tmp_path / year).mkdir()
        (tmp_path / year / "MRCONSO.RRF").write_bytes(data)
    with pytest.raises(ReaderError, match=r"several files named MRCONSO\.RRF: got 2024AA/MRCONSO\.RRF, 2025AA"):
        open_archive(tmp_path).named("MRCONSO.RRF")
