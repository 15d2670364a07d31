"""Releases with faults that strict reading names and lenient reading leaves out, with a warning."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from invented import UMLS, copied, spoiled

import conceptmap as cm
from conceptmap.cli import main
from conceptmap.errors import ReaderError
from conceptmap.readers.obo import read_obo


def stanza(code: str, name: str, *lines: str) -> str:
    return "\n".join([f"[Term]\nid: X:{code}\nname: {name}", *lines]) + "\n\n"


def written(path: Path, *stanzas: str) -> Path:
    path.write_text("format-version: 1.4\n\n" + "".join(stanzas))
    return path


def test_a_term_whose_id_is_refused_is_left_out_whole(tmp_path: Path) -> None:
    lost = stanza("2", "gout", "is_a: X:9").removeprefix("[Term]\n")
    file = written(tmp_path / "x.obo", stanza("1", "fever"), lost, stanza("3", "cough", "is_a: X:1"))
    with pytest.raises(ReaderError, match="line 7: id cannot be read"):
        read_obo(file)
    with pytest.warns(UserWarning, match="line 7"):
        found = read_obo(file, strict=False)
    assert dict(found.concepts.select("code", "name").iter_rows()) == {"X:1": "fever", "X:3": "cough"}
    assert found.edges.rows() == [("X:1", "X:3")]


def test_a_file_packed_with_gzip_is_the_file(tmp_path: Path) -> None:
    plain = written(tmp_path / "x.obo", stanza("1", "fever"), stanza("2", "gout", "is_a: X:1"))
    packed = tmp_path / "x.obo.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for read in (read_obo, cm.load_ontology):
        assert read(packed).concepts.equals(read(plain).concepts)
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(ReaderError, match="damaged"):
        cm.load_ontology(packed)
    packed.write_bytes(gzip.compress(b"[Term]\n" + b" " * (1 << 28)))
    with pytest.raises(ReaderError, match="unpacks to too much"):
        cm.load_ontology(packed)


def test_a_cycle_is_named_and_cut_where_it_is_said_to_close(tmp_path: Path) -> None:
    ring = [stanza("2", "b", "is_a: X:1", "is_a: X:4"), stanza("3", "c", "is_a: X:2"), stanza("4", "d", "is_a: X:3")]
    file = written(tmp_path / "x.obo", stanza("1", "a"), *ring, stanza("5", "e", "is_a: X:5"))
    said = r"line 7: X:2 is_a X:4 closes the cycle X:2 → X:3 → X:4 → X:2"
    with pytest.raises(ReaderError, match=said):
        read_obo(file)
    with pytest.warns(UserWarning, match=said):
        found = read_obo(file, strict=False)
    assert sorted(found.edges.rows()) == [("X:1", "X:2"), ("X:2", "X:3"), ("X:3", "X:4")]


def test_a_folder_of_the_umls_without_a_version_gets_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release = copied(UMLS, tmp_path).rename(tmp_path / "mine")
    for file in [*release.rglob("release.dat"), *release.rglob("MRDOC.RRF")]:
        file.unlink()
    for folder in [folder for folder in release.rglob("2025AA") if folder.is_dir()]:
        folder.rename(folder.with_name("META"))
    command = ["build", str(release), "-o", str(tmp_path / "index"), "--encoder", "none"]
    assert main(command) == 2
    assert "--release 2025AA" in capsys.readouterr().err
    assert main([*command, "--release", "2031AB"]) == 0
    assert "umls 2031AB" in capsys.readouterr().err


def test_lenient_reading_warns_of_what_it_leaves_out(tmp_path: Path) -> None:
    release = copied(UMLS, tmp_path)
    spoiled(release, "MRCONSO", b"|Lumenel disorder|", b"|Lumenel|disorder|")
    with pytest.raises(ReaderError):
        cm.load_ontology(release)
    with pytest.warns(UserWarning, match=r"left out 1 lines that cannot be read \(line \d+: "):
        cm.load_ontology(release, strict=False)
