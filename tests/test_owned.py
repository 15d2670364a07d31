"""What is somebody else's stays: whatever lies in an output folder, and whatever its run.json says."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import time
import unicodedata
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_mapper import mapper

from conceptmap import files
from conceptmap.batch import Run, Settings, code_notes
from conceptmap.batch.folder import PREFIX, ShardFolder
from conceptmap.batch.owned import is_output
from conceptmap.batch.publishing import STAGING, Place
from conceptmap.batch.runfile import run_text
from conceptmap.cli import main
from conceptmap.errors import InputError
from conceptmap.export import brat
from conceptmap.export.file_names import FILE_NAME, FileNames, file_name, note_id_of
from conceptmap.notes.notes import Notes, read_notes

EVERYTHING = Settings(
    formats=("csv", "parquet", "jsonl", "xlsx", "wide", "omop", "fhir", "brat", "html"),
    candidates=2,
    date="2024-01-31",
)
REFUSED = "that no run of this program wrote, or that were changed since"


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    path = tmp_path_factory.mktemp("notes") / "notes.csv"
    frame = pl.DataFrame({"note_id": ["n1", "N1", "n2"], "text": ["Known hypertension.", "fever", "headache"]})
    frame.with_columns(person_id=pl.lit("p1")).write_csv(path)
    return read_notes(path)


def run(notes: Notes, out: Path, asked: Settings | None = None, **options: Any) -> Run:
    return code_notes(notes, mapper(), out, asked or Settings(), **options)


def contents(folder: Path) -> dict[str, bytes]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items()}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def first_version(out: Path, *, key: str = "0" * 64) -> None:
    """Make a finished folder what the versions before ``format`` and ``sha256`` left."""
    facts = json.loads((out / "run.json").read_text())
    del facts["format"], facts["sha256"]
    listed = facts["files"].pop("brat_notes.csv", None)
    if listed is not None:
        (out / "brat_notes.csv").unlink()
        del facts["files"]["brat/annotation.conf"]
        digests = {path.name: sha256(path.read_bytes()) for path in sorted((out / "brat").iterdir())}
        facts["files"]["brat"] = sha256(json.dumps(digests).encode())
    (out / "run.json").write_text(json.dumps(facts | {"key": key}, ensure_ascii=False, indent=2) + "\n")


# -- a run.json that lies ---------------------------------------------------------------------------------------------

NAMES = ["..", "", ".", "/", "thesis.txt", "sub", "sub/deep.txt", "../beside.txt", "nul\0", "x" * 300]
NAMES += ["codes.csv/..", "brat/../thesis.txt"]


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_a_run_file_names_is_not_believed(marked: bool, overwrite: bool, notes: Notes, tmp_path: Path) -> None:
    """The digests are right, so that only the list of names stands between these files and their end."""
    out = tmp_path / "home" / "out"
    run(notes, out)
    (out / "sub").mkdir()
    mine = {"thesis.txt": b"thesis", "sub/deep.txt": b"deep", "../beside.txt": b"beside"}
    for name, content in mine.items():
        (out / name).write_bytes(content)
    first_version(out)
    facts = json.loads((out / "run.json").read_text())
    facts["files"] |= {name: sha256(mine.get(name, b"")) for name in NAMES}
    if marked:
        (out / "run.json").write_text(run_text(facts))
    else:
        (out / "run.json").write_text(json.dumps(facts))
    run(notes, out, Settings(candidates=1), overwrite=overwrite)
    assert {name: (out / name).read_bytes() for name in mine} == mine
    assert (out / "codes.csv").is_file()


def test_another_tools_run_file_is_refused_and_its_files_stay(notes: Notes, tmp_path: Path) -> None:
    table = b"my,table\n"
    (tmp_path / "tags.csv").write_bytes(table)
    (tmp_path / "run.json").write_text(json.dumps({"files": {"tags.csv": sha256(table)}, "key": "k", "versions": {}}))
    with pytest.raises(InputError, match=rf"{REFUSED}: got run\.json; type --overwrite"):
        run(notes, tmp_path)
    assert sorted(contents(tmp_path)) == ["run.json", "tags.csv"]
    run(notes, tmp_path, overwrite=True)
    assert (tmp_path / "tags.csv").read_bytes() == table


def test_a_run_file_that_was_changed_is_no_longer_believed(notes: Notes, tmp_path: Path) -> None:
    run(notes, tmp_path)
    said = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(said.replace('"notes": 3', '"notes": 4'))
    with pytest.raises(InputError, match=REFUSED):
        run(notes, tmp_path)


# -- somebody's files -------------------------------------------------------------------------------------------------


TAKEN = ["codes.csv", "annotations.csv", "report.html", "report-0007.html", "bundles.ndjson", "note_nlp.csv"]
TAKEN += ["brat/n9.ann", "brat/annotation.conf", "brat_notes.csv"]


@pytest.mark.parametrize("name", TAKEN)
def test_a_file_of_an_outputs_name_is_refused_before_anything_is_written(
    name: str, notes: Notes, tmp_path: Path
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("precious")
    with pytest.raises(InputError, match=rf"{REFUSED}: got {name}; type --overwrite to replace.*another folder"):
        run(notes, tmp_path, EVERYTHING)
    assert contents(tmp_path) == {name: b"precious"}
    if name.startswith(("codes", "annotations")):
        return
    run(notes, tmp_path)  # what is not asked for stands in nobody's way
    assert (tmp_path / name).read_text() == "precious"


def test_overwriting_replaces_what_is_written_and_nothing_else(notes: Notes, tmp_path: Path) -> None:
    (tmp_path / "brat").mkdir()
    kept = {"tags.csv", "mine.csv", "report-0007.html", "brat/n9.ann", "brat/notes.md"}
    for name in [*kept, "codes.csv", "brat/n1.ann", "run.json"]:
        (tmp_path / name).write_text("precious")
    run(notes, tmp_path, EVERYTHING, overwrite=True)
    assert {name for name, content in contents(tmp_path).items() if content == b"precious"} == kept


def test_the_command_refuses_before_it_reads_a_note(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "codes.csv").write_text("precious")
    given = ["code", str(tmp_path / "no notes.csv"), "-o", str(tmp_path / "out"), "--encoder", "none"]
    assert main(given) == 2
    assert "got codes.csv; type --overwrite" in capfd.readouterr().err
    assert main([*given, "--overwrite"]) == 2
    assert "no notes.csv" in capfd.readouterr().err


def test_a_folder_or_a_link_in_the_way_is_never_replaced(notes: Notes, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (out / "codes.csv").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "n1.ann").write_text("precious")
    with pytest.raises(InputError, match=r"codes\.csv is in the way"):
        run(notes, out, overwrite=True)
    (out / "codes.csv").rmdir()
    (out / "brat").symlink_to(elsewhere)
    with pytest.raises(InputError, match="brat is in the way"):
        run(notes, out, EVERYTHING, overwrite=True)
    (out / "brat").unlink()
    (out / "codes.csv").symlink_to(elsewhere / "n1.ann")
    with pytest.raises(InputError, match=REFUSED):
        run(notes, out)
    run(notes, out, overwrite=True)
    assert contents(elsewhere) == {"n1.ann": b"precious"}
    assert not (out / "codes.csv").is_symlink()


def test_hand_corrected_annotations_are_kept(notes: Notes, tmp_path: Path) -> None:
    asked = Settings(formats=("csv", "brat"))
    run(notes, tmp_path, asked)
    (tmp_path / "brat" / "n2.ann").write_text("T1\ttest 0 8\theadache\n")
    (tmp_path / "brat" / ".stats_cache").write_text("BRAT's own")
    with pytest.raises(InputError, match=rf"{REFUSED}: got brat/n2\.ann;"):
        run(notes, tmp_path, asked)
    assert (tmp_path / "brat" / "n2.ann").read_text() == "T1\ttest 0 8\theadache\n"
    done = run(notes, tmp_path)  # writes no BRAT: what was corrected stays, the rest goes
    assert sorted(path.name for path in (tmp_path / "brat").iterdir()) == [".stats_cache", "n2.ann"]
    assert done.facts["notices"] == ["brat/n2.ann of an earlier run was changed since and is left as it is"]
    run(notes, tmp_path, asked, overwrite=True)
    assert (tmp_path / "brat" / "n2.ann").read_text() != "T1\ttest 0 8\theadache\n"
    assert (tmp_path / "brat" / ".stats_cache").read_text() == "BRAT's own"


def test_what_is_put_there_while_the_notes_are_coded_stays(notes: Notes, tmp_path: Path) -> None:
    """And the shards are kept: with --overwrite the same command has only the last step to do."""

    def put(_: object) -> None:
        (tmp_path / "codes.csv").write_text("precious")

    with pytest.raises(InputError, match=REFUSED):
        run(notes, tmp_path, progress=put)
    assert (tmp_path / "codes.csv").read_text() == "precious"
    assert not (tmp_path / "annotations.csv").exists()
    assert run(notes, tmp_path, overwrite=True).facts["shards"]["coded_now"] == 0


@pytest.mark.parametrize(("step", "beside"), [(n, False) for n in range(6)] + [(n, True) for n in range(11)])
def test_a_run_that_is_stopped_while_files_move_knows_them_again(
    step: int, beside: bool, notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file is the last to move: neither the same command nor another one takes the files for a stranger's."""
    run(notes, tmp_path, Settings(formats=("csv", "brat"), include=("negated",)))
    mine = {"brat/.stats_cache": b"BRAT's own"} if beside else {}  # the folder is no longer replaced as one
    for name, content in mine.items():
        (tmp_path / name).write_bytes(content)
    left = [step]
    replace = Path.replace

    def stopping(path: Path, target: Path) -> Path:
        if not path.name.endswith(".tmp"):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        return replace(path, target)

    asked = Settings(formats=("csv", "brat", "html"))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(notes, tmp_path, asked)
    assert not (tmp_path / "run.json").exists()
    other = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name} other"))
    for folder, now in ((tmp_path, asked), (other, Settings(formats=("jsonl", "brat")))):
        run(notes, folder, now)
        run(notes, tmp_path / "fresh", now, resume=False, overwrite=True)
        fresh = contents(tmp_path / "fresh")
        shutil.rmtree(tmp_path / "fresh")
        assert {name: content for name, content in contents(folder).items() if name != "run.json"} == {
            name: content for name, content in {**fresh, **mine}.items() if name != "run.json"
        }


def test_hidden_folders_of_somebody_elses_stay(notes: Notes, tmp_path: Path) -> None:
    names = [f"{PREFIX}of-glass", f"{PREFIX}0123456789abcdef", f"{STAGING}work", f"{STAGING}0123456789ab"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.txt").write_text("precious")
        (tmp_path / name / f"{'0' * 32}.shard").write_text("no shard of ours")
    for name in (names[0], names[2]):  # whose names alone say that they are not ours
        (tmp_path / name / "lock").write_bytes(b"")
        (tmp_path / name / "codes.csv").write_text("precious")
    (tmp_path / f"{PREFIX}{'f' * 16}").symlink_to(tmp_path / names[0])
    before = contents(tmp_path)
    run(notes, tmp_path)
    assert before.items() <= contents(tmp_path).items()


def test_every_file_that_a_run_writes_is_on_the_list(notes: Notes, tmp_path: Path) -> None:
    run(notes, tmp_path, EVERYTHING)
    assert {name for name in contents(tmp_path) if not is_output(name)} == set()


# -- folders of earlier versions --------------------------------------------------------------------------------------


def test_what_the_first_versions_wrote_is_recognised(notes: Notes, tmp_path: Path) -> None:
    run(notes, tmp_path, EVERYTHING)
    first_version(tmp_path)
    run(notes, tmp_path)
    assert sorted(contents(tmp_path)) == ["annotations.csv", "codes.csv", "mentions.csv", "run.json"]


def test_what_was_changed_in_a_folder_of_the_first_versions_is_kept(notes: Notes, tmp_path: Path) -> None:
    run(notes, tmp_path, EVERYTHING)
    first_version(tmp_path)
    (tmp_path / "brat" / "n2.ann").write_text("corrected")
    with pytest.raises(InputError, match=rf"{REFUSED}: got brat/"):
        run(notes, tmp_path, EVERYTHING)
    (tmp_path / "codes.csv").write_text("corrected")
    with pytest.raises(InputError, match=rf"{REFUSED}: got codes\.csv;"):
        run(notes, tmp_path)


# -- any folder, any run.json -----------------------------------------------------------------------------------------

FOREIGN = st.sampled_from(
    [
        *(
            "codes.csv",
            "tags.csv",
            "annotations.csv",
            "report.html",
            "brat/n1.ann",
            "brat/x.ann",
            "brat/annotation.conf",
        ),
        *("mine.txt", "sub/mine.txt", ".hidden", "run.json.bak", "brat_notes.csv", "manifest.json"),
        *(f"{PREFIX}x/mine.txt", f"{PREFIX}{'1' * 16}/lock", f"{PREFIX}{'1' * 16}/written.json"),
        *(f"{STAGING}y/codes.csv", f"{STAGING}{'1' * 12}/mine.txt"),
    ]
)
DIGESTS = st.sampled_from([sha256(b"x"), sha256(b"bb x"), sha256(b""), "", "0" * 64, None, 7])
OUR_FIELDS: dict[str, Any] = {name: {} for name in ("settings", "source", "counts")} | {
    "indexes": [],
    "quarantined": [],
}
OUR_FIELDS |= {"versions": {"conceptmap": "9"}, "settings": {"formats": ["csv"]}, "key": "k"}
FILES = st.dictionaries(st.one_of(FOREIGN, st.sampled_from(NAMES), st.text(max_size=5)), DIGESTS, max_size=8)
RUN_FILES = st.one_of(
    st.none(),
    st.binary(max_size=30),
    st.builds(lambda files: json.dumps({"files": files}).encode(), FILES),
    st.builds(lambda files: json.dumps({"format": "conceptmap run 1", "files": files, "sha256": "0"}).encode(), FILES),
)
FORGED = st.builds(lambda files: json.dumps(OUR_FIELDS | {"files": files}).encode(), FILES)
"""Even then: nothing that is not on the list of names goes."""


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(FOREIGN, st.sampled_from([b"x", b"bb x"]), max_size=6),
    run_file=RUN_FILES,
    forged=FORGED,
    formats=st.sampled_from([("csv",), ("csv", "brat"), ("jsonl", "html", "omop")]),
    again=st.booleans(),
)
def test_after_any_run_every_foreign_file_is_still_there(
    files: dict[str, bytes],
    run_file: bytes | None,
    forged: bytes,
    formats: tuple[str, ...],
    again: bool,
    notes: Notes,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    out = tmp_path_factory.mktemp("any") / "home" / "out"
    out.mkdir(parents=True)
    (out.parent / "beside.txt").write_text("precious")
    if again:
        run(notes, out, Settings(formats=("csv", "brat")))
    for name, content in files.items():
        (out / name).parent.mkdir(exist_ok=True, parents=True)
        (out / name).write_bytes(content)
    foreign = {**files, **({} if run_file is None else {"run.json": run_file})}
    (out / "run.json").write_bytes(run_file) if run_file is not None else None
    try:
        run(notes, out, Settings(formats=formats, include=("negated",)))
    except InputError as error:
        assert REFUSED in str(error)  # noqa: PT017 - it may also go well
    assert foreign.items() <= contents(out).items()
    (out / "run.json").write_bytes(forged)
    run(notes, out, Settings(formats=formats), overwrite=True)
    unlisted = {name: content for name, content in files.items() if not is_output(name)}
    assert unlisted.items() <= contents(out).items()
    assert (out.parent / "beside.txt").read_text() == "precious"


# -- who may read -----------------------------------------------------------------------------------------------------


def modes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
@pytest.mark.parametrize(("group", "file", "folder"), [(False, 0o600, 0o700), (True, 0o640, 0o750)])
@pytest.mark.parametrize("umask", [0, 0o77])
def test_outputs_are_for_their_owner_and_on_request_the_group(
    group: bool, file: int, folder: int, umask: int, notes: Notes, tmp_path: Path
) -> None:
    before = os.umask(umask)
    try:
        run(notes, tmp_path / "out", EVERYTHING, group_readable=group)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == folder
    found = modes(tmp_path / "out")
    assert found.pop("brat") == folder
    assert set(found.values()) == {file}
    assert len(found) > 15


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_shards_are_for_their_owner_alone(notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Place, "publish", stop)
    before = os.umask(0)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(notes, tmp_path / "out", group_readable=True)
    finally:
        os.umask(before)
    found = modes(tmp_path / "out")
    assert {mode for name, mode in found.items() if "/" not in name} == {0o700}
    assert {mode for name, mode in found.items() if "/" in name} == {0o600}
    assert any(name.endswith(".shard") for name in found)


def test_a_shard_folder_that_is_a_link_is_refused(notes: Notes, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "mine").mkdir()
    shards = ShardFolder.of(tmp_path / "out", "0" * 64)
    shards.path.symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match="is in the way: got a link"), shards.opened():
        pass
    assert contents(tmp_path / "mine") == {}


# -- files named after ids --------------------------------------------------------------------------------------------


IDS = st.text(alphabet=st.sampled_from("aAbB.~%-_ /\\:1éE\u0301ﬁİı\0\n"), max_size=130)


@given(st.lists(IDS, unique=True, max_size=12))
def test_names_made_of_ids_are_harmless_and_different_on_every_file_system(ids: list[str]) -> None:
    ids = list(dict.fromkeys([*ids, "con", "NUL.txt", "com1", "a.", "..", "A" * 121, "a" * 121, "", "x~1", "X~1"]))
    names = FileNames()
    made = [names.of(note_id) for note_id in ids]
    assert len({unicodedata.normalize("NFKC", name).casefold() for name in made}) == len(ids)
    for note_id, name in zip(ids, made, strict=True):
        assert re.fullmatch(FILE_NAME, name)
        assert not name.startswith((".", "-"))
        assert not name.endswith(".")
        assert name.partition(".")[0].lower() not in {"con", "prn", "aux", "nul", "com1", "lpt1"}
        assert note_id_of(name) in (note_id, None)
    odd = ["..", "a~b", "%41", "con", "é/ 1"]
    assert [note_id_of(file_name(note_id)) for note_id in odd] == odd


def test_notes_whose_ids_differ_in_case_have_files_of_their_own(notes: Notes, tmp_path: Path) -> None:
    run(notes, tmp_path, Settings(formats=("brat",)))
    listed = pl.read_csv(tmp_path / "brat_notes.csv", schema=brat.COLUMNS)
    names_of = dict(listed.select("note_id", "file").iter_rows())
    texts = {note_id: (tmp_path / "brat" / f"{name}.txt").read_text() for note_id, name in names_of.items()}
    assert texts == {"n1": "Known hypertension.", "N1": "fever", "n2": "headache"}
    names = [path.name.lower() for path in (tmp_path / "brat").iterdir()]
    assert len(names) == len(set(names)) == 7


# -- what a file holds now --------------------------------------------------------------------------------------------


def test_a_file_that_changed_is_read_again_although_its_time_and_size_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SETTLED", 0.0)
    path = tmp_path / "codes.csv"
    path.write_bytes(b"old")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert files.digest_now(path) == sha256(b"old")
    time.sleep(0.05)  # the clock of the file system
    path.write_bytes(b"new")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert files.digest_now(path) == sha256(b"new")
    assert files.digest_now(tmp_path) is None
    (tmp_path / "link").symlink_to(path)
    assert files.digest_now(tmp_path / "link") is None


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_a_folder_goes_on_passing_on_its_group(notes: Notes, tmp_path: Path) -> None:
    tmp_path.chmod(0o2750)
    if not tmp_path.stat().st_mode & stat.S_ISGID:
        pytest.skip("the group may not be passed on here")
    run(notes, tmp_path / "out", Settings(formats=("brat",)), group_readable=True)
    for folder in (tmp_path / "out", tmp_path / "out" / "brat"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o2750


def test_a_file_system_without_modes_is_written_to(
    notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "chmod", refuse)
    assert run(notes, tmp_path / "out").files == ("annotations.csv", "codes.csv", "mentions.csv", "run.json")


def test_a_forged_list_of_brats_files_is_no_error(notes: Notes, tmp_path: Path) -> None:
    (tmp_path / "brat_notes.csv").write_text("x")
    (tmp_path / "run.json").write_text(run_text({"files": {"brat_notes.csv": sha256(b"x")}}))
    run(notes, tmp_path)
    assert (tmp_path / "codes.csv").is_file()
