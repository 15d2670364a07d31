"""docs/outputs.md is what the program writes: columns, values, examples, and the commands that it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from coded_mapper import embedded, small_ontology
from data_dictionary import PAGE, TABLES, line_of, page

from conceptmap.batch.owned import DOCUMENTS
from conceptmap.batch.owned import TABLES as RUN_TABLES
from conceptmap.cli import main
from conceptmap.frames import CODES, CODES_ROLLED_UP
from conceptmap.index.building import build_index

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_made_of_the_schemas() -> None:
    assert page() == TEXT, "type: make outputs"


def test_every_file_of_a_run_is_named() -> None:
    named = {*RUN_TABLES, *(name for names in DOCUMENTS.values() for name in names), "codes.xlsx", "run.json"}
    assert [name for name in sorted(named) if f"`{name}`" not in TEXT and f"## {name}" not in TEXT] == []
    assert set(CODES) < set(CODES_ROLLED_UP)


def test_a_column_without_a_line_is_an_error() -> None:
    with pytest.raises(KeyError):
        line_of("codes", "brand_new")
    assert all(line_of(table, column).meaning for table, (_, schema, _) in TABLES.items() for column in schema)


def test_the_commands_shown_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a small index, and after somebody has typed into the workbook."""
    (block,) = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    code, evaluate, adapt = [shlex.split(line)[1:] for line in block.splitlines()]
    monkeypatch.chdir(tmp_path)
    build_index(small_ontology(), embedded()).save(tmp_path / "index")
    texts = [f"On day {at} type 2 diabetes mellitus, hypertension, chest pain." for at in range(12)]
    pl.DataFrame({"note_id": [f"n{at}" for at in range(12)], "text": texts}).write_csv("notes.csv")
    assert main([*code, "--ontology", "index"]) == 0
    book = openpyxl.load_workbook("out/codes.xlsx")
    for row in book["Codes"].iter_rows(min_row=2):
        row[0].value = "yes"
    book.save("out/codes.xlsx")
    assert main(evaluate) == 0
    assert main([*adapt, "--index", "index", "--method", "none"]) == 0
    assert (tmp_path / "adapter" / "manifest.json").is_file()
