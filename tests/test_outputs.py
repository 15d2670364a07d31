"""What commands and exporters write: nothing is replaced unasked or steers a terminal, tables are safe on request."""

from __future__ import annotations

import argparse
import ast
import csv
import hashlib
import io
import json
import os
import stat
import sys
import threading
import unicodedata
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_mapper import index, mapper
from test_adapters import an_adapter

from conceptmap.adapters import open_adapter, save_adapter
from conceptmap.batch import Settings, code_notes
from conceptmap.cli import main
from conceptmap.commands.common import show, write_out
from conceptmap.errors import InputError, printable
from conceptmap.export.fhir import bundle
from conceptmap.files import GROUP
from conceptmap.index.index import ConceptIndex
from conceptmap.notes.notes import read_notes

PACKAGE = Path(__file__).parents[1] / "conceptmap"
KEPT = "or that were changed since"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- folders of indexes and adapters ----------------------------------------------------------------------------------

WEB_APP = '{"name": "app", "files": {}, "format": 1, "sha256": "0"}\n'


@pytest.mark.parametrize("kind", ["index", "adapter"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_with_some_manifest_is_not_emptied(kind: str, overwrite: bool, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    for name, content in {"manifest.json": WEB_APP, "index.html": "page", "notes.md": "years of work"}.items():
        (tmp_path / "app" / name).write_text(content)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=rf"exists and is not an {kind} alone: got index\.html, notes\.md"):
        save(kind, tmp_path / "app", overwrite)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", ["index", "adapter"])
def test_a_manifest_of_others_and_a_changed_file_are_replaced_on_request_alone(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / kind
    folder.mkdir()
    (folder / "manifest.json").write_text(WEB_APP)
    changed = {"index": "terms.parquet", "adapter": "README.md"}[kind]
    for name in ("manifest.json", changed):
        before = contents(tmp_path)
        with pytest.raises(InputError, match=rf"{KEPT}: got {name}; type --overwrite"):
            save(kind, folder, False)
        assert contents(tmp_path) == before
        save(kind, folder, True)
        save(kind, folder, False)  # as it was saved
        (folder / changed).write_bytes((folder / changed).read_bytes() + b"by hand")
    assert [path.name for path in tmp_path.iterdir()] == [kind], "nothing is left beside it"


def save(kind: str, folder: Path, overwrite: bool) -> None:
    if kind == "index":
        index().save(folder, overwrite=overwrite)
    else:
        save_adapter(an_adapter(), folder, pages={"README.md": "# Card\n"}, overwrite=overwrite)


@pytest.mark.parametrize("version", [0, 1, 7])
def test_an_index_of_another_version_is_still_ours(version: int, tmp_path: Path) -> None:
    """Its manifest says so by a digest over itself, as all versions write it."""
    folder = index().save(tmp_path / "index")
    manifest = json.loads((folder / "manifest.json").read_text())
    fields = {name: value for name, value in manifest.items() if name != "sha256"} | {"format": version}
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({**fields, "sha256": digest}, indent=2) + "\n")
    index().save(folder)
    assert ConceptIndex.open(folder).manifest.format == 1


def test_a_link_to_an_index_stays_a_link(tmp_path: Path) -> None:
    index().save(tmp_path / "real")
    (tmp_path / "current").symlink_to(tmp_path / "real")
    index().save(tmp_path / "current")
    assert (tmp_path / "current").is_symlink()
    assert ConceptIndex.open(tmp_path / "current").system == "test"


def test_build_and_adapt_refuse_before_they_read_anything(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "manifest.json").write_text(WEB_APP)
    (tmp_path / "left.csv").write_text("precious")
    mine, nowhere = str(tmp_path / "mine"), str(tmp_path / "nowhere")
    lexical = str(index().save(tmp_path / "index"))
    assert main(["build", nowhere, "-o", mine, "--encoder", "none"]) == 2
    assert main(["adapt", nowhere, "-o", mine, "--index", lexical]) == 2
    left = ["--vectors", nowhere, "--left-out", str(tmp_path / "left.csv")]
    assert main(["build", nowhere, "-o", str(tmp_path / "new"), *left]) == 2
    said = capfd.readouterr().err.splitlines()
    assert [line.rpartition("; ")[2] for line in said] == [
        "type --overwrite to replace them, or choose another folder",
        "type --overwrite to replace them, or choose another folder",
        "type --overwrite to replace it, or choose another file",
    ]
    assert contents(tmp_path / "mine") == {"manifest.json": WEB_APP.encode()}


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_an_adapter_is_for_its_owner_and_an_index_for_whom_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o22)
    try:
        folders = [save_adapter(an_adapter(), tmp_path / "a"), save_adapter(an_adapter(), tmp_path / "g", access=GROUP)]
        folders.append(index().save(tmp_path / "index"))
    finally:
        os.umask(before)
    for folder, expected in zip(folders, [(0o700, 0o600), (0o750, 0o640), (0o755, 0o644)], strict=True):
        assert stat.S_IMODE(folder.stat().st_mode) == expected[0]
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {expected[1]}
    assert open_adapter(folders[0]).sha256 == an_adapter().sha256


# -- single files -----------------------------------------------------------------------------------------------------


@pytest.fixture
def codes(tmp_path: Path) -> list[str]:
    (tmp_path / "codes.csv").write_text("note_id,code\n=n,I50.9\n")
    lexical = str(index().save(tmp_path / "index"))
    return ["rollup", str(tmp_path / "codes.csv"), "--to", "chapter", "--ontology", lexical]


def test_a_file_is_replaced_on_request_alone(
    codes: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("precious")
    assert main([*codes, "-o", str(out)]) == 2
    assert f"{out} is there already; type --overwrite to replace it" in capfd.readouterr().err
    assert out.read_text() == "precious"
    assert main([*codes, "-o", str(out), "--overwrite"]) == 0
    assert out.read_text().startswith("note_id,code,rollup_code")
    out.write_text("")
    assert main([*codes, "-o", str(out), "--spreadsheet-safe"]) == 0
    assert out.read_text().splitlines()[1].startswith("'=n,")
    assert main([*codes, "-o", str(tmp_path)]) == 2
    assert "is a folder" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["spans", "align"])
def test_every_command_refuses_before_it_reads(command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out.csv").write_text("precious")
    nowhere = [str(tmp_path / "nowhere.csv")] * (2 if command == "spans" else 1)
    assert main([command, *nowhere, "-o", str(tmp_path / "out.csv"), "--ontology", "nowhere"]) == 2
    assert "is there already; type --overwrite" in capfd.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="pipes, links and modes of POSIX")
def test_links_stay_links_pipes_are_written_to_and_files_are_for_their_owner(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    write_out(str(tmp_path / "link.csv"), b"new", overwrite=True)
    assert (tmp_path / "real.csv").read_bytes() == b"new"
    assert (tmp_path / "link.csv").is_symlink()
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_out(str(tmp_path / "pipe"), b"through", overwrite=False)
    reader.join()
    assert read == [b"through"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    for group, mode in ((False, 0o600), (True, 0o640)):
        write_out(str(tmp_path / f"{group}.csv"), b"x", overwrite=False, group_readable=group)
        assert stat.S_IMODE((tmp_path / f"{group}.csv").stat().st_mode) == mode


# -- tables in a spreadsheet ------------------------------------------------------------------------------------------

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1")


def test_every_table_of_a_run_is_safe_on_request(tmp_path: Path) -> None:
    rows = {"note_id": list(FORMULAS), "text": ["=HYPERLINK(1) fever"] * len(FORMULAS), "=ward": list(FORMULAS)}
    pl.DataFrame(rows).write_parquet(tmp_path / "notes.parquet")
    asked = Settings(formats=("csv", "omop", "brat"), candidates=2, spreadsheet_safe=True)
    code_notes(read_notes(tmp_path / "notes.parquet"), mapper(), tmp_path / "out", asked)
    tables = sorted((tmp_path / "out").glob("*.csv"))
    assert [path.stem for path in tables] == [
        "annotations", "brat_notes", "candidates", "codes", "condition_occurrence", "mentions", "note_nlp", "omop_notes"
    ]  # fmt: skip
    for path in tables:
        cells = [cell for row in csv.reader(io.StringIO(path.read_bytes().decode(), newline="")) for cell in row]
        assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))] == [], (
            path.name
        )
        written = path.stem != "condition_occurrence"  # which holds persons with whole numbers alone
        assert any(cell.startswith("'") for cell in cells) == written, path.name


def test_safe_cells_fit_into_the_columns_of_omop(tmp_path: Path) -> None:
    """A snippet of the full width, which an apostrophe would make one longer."""
    pl.DataFrame({"note_id": ["1"], "text": [f"{'=' * 100}fever{'=' * 200}"]}).write_parquet(tmp_path / "n.parquet")
    asked = Settings(formats=("omop",), spreadsheet_safe=True)
    code_notes(read_notes(tmp_path / "n.parquet"), mapper(), tmp_path / "out", asked)
    snippets = pl.read_csv(tmp_path / "out" / "note_nlp.csv", infer_schema=False)["snippet"].to_list()
    assert snippets
    assert all(text.startswith("'=") and len(text) <= 250 for text in snippets)


def calls(source: str, name: str) -> int:
    tree = ast.walk(ast.parse(source))
    return sum(isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name for node in tree)


def test_one_function_writes_csv_and_few_print() -> None:
    sources = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob("*.py")}
    assert {file for file, source in sources.items() if calls(source, "write_csv")} == {
        "export/csv.py",
        "batch/shards.py",
    }
    assert {file: n for file, source in sources.items() if (n := calls(source, "print"))} == {
        "cli.py": 1,
        "commands/common.py": 2,
        "commands/tag.py": 1,  # colours, which would not be printable
    }


# -- a terminal -------------------------------------------------------------------------------------------------------

STEERING = "\x1b[31m\x9b2J\u202e\u2066\x07\r\x7f\u2028\U000e0041"


DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=40))
def test_what_is_printed_steers_nothing_and_says_what_was_there(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert not any(unicodedata.bidirectional(c) in DIRECTIONS for c in shown)
    assert printable(shown) == shown
    plain = text.translate({ord("\\"): None, ord('"'): None})
    assert json.loads(f'"{printable(plain)}"') == plain, "they are spelled as in JSON"


def test_ids_headers_and_names_reach_no_terminal_raw(
    codes: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = f"x{STEERING}x"
    (tmp_path / "notes.csv").write_text(f'note_id,text,"{odd}"\n"{odd}", ,1\nb,fever,2\n')
    lexical = codes[-1]
    given = ["code", str(tmp_path / "notes.csv"), "--ontology", lexical, "--encoder", "none"]
    assert main([*given, "-o", str(tmp_path / f"out{STEERING}")]) == 3
    assert main(["code", str(tmp_path / f"{odd}.csv"), "-o", str(tmp_path / "out")]) == 2
    with pytest.raises(SystemExit):
        main(["code", f"--{odd}"])
    (tmp_path / "codes.csv").write_text(f'code,"{odd}"\nI50.9,1\n')
    assert main([*codes, "--by", odd]) == 2
    (tmp_path / "page.obo").write_text(f"format-version: 1.2\n[Term]\nid: D:1\nname: {STEERING[:8]}itch\n")
    main(["build", str(tmp_path / "page.obo"), "-o", str(tmp_path / f"i{odd}"), "--encoder", "none"])
    out, err = capfd.readouterr()
    assert "\\u001b[31m" in err
    assert not set(out + err) & (set(STEERING) - set("[31m2J"))


def test_tables_on_stdout_are_exact_in_a_pipe_and_harmless_on_a_terminal(
    codes: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "codes.csv").write_text('code,"a\x1b[31m"\nI50.9,\u202e\n')
    assert main(codes) == 0
    assert capfd.readouterr().out.splitlines()[0] == "code,a\x1b[31m,rollup_code,rollup_name"
    pty = pytest.importorskip("pty", reason="terminals of POSIX")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert main(codes) == 0
        terminal.flush()
        seen = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "code,a\\u001b[31m,rollup_code" in seen
    assert not set(seen) & {"\x1b", "\u202e"}


def test_json_that_is_shown_stays_json(capfd: pytest.CaptureFixture[str]) -> None:
    value = {"id": STEERING}
    show(json.dumps(value, ensure_ascii=False, indent=1))
    out = capfd.readouterr().out
    assert json.loads(out) == value
    assert "\x9b" not in out


# -- FHIR -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "is_id"),
    [("p1", True), ("A-b.9", True), ("x" * 64, True), ("x" * 65, False), ("..", False), (".", False), ("...", False),
     ("a/../b", False), ("a b", False), (" p1", False), ("p1\n", False), ("é", False), ("a_b", False), ("a..b", True)],
)  # fmt: skip
def test_only_what_fhir_takes_as_an_id_becomes_part_of_a_path(name: str, is_id: bool) -> None:
    note: dict[str, Any] = {"note_id": "n", "person_id": name, "encounter_id": name}
    document = bundle(note, [], [])["entry"][0]["resource"]
    for kind, reference in (("Patient", document["subject"]), ("Encounter", document["context"]["encounter"][0])):
        expected = {"reference": f"{kind}/{name}"} if is_id else {"type": kind, "identifier": {"value": name}}
        assert reference == expected


def test_every_output_option_has_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("code", "adapt", "build", "spans", "rollup", "align"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        said = capsys.readouterr().out
        assert "--overwrite" in said
        assert ("--group-readable" in said) == (command != "build")
    assert argparse.SUPPRESS not in said
