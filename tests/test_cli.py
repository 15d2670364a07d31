"""The command line: what goes to stdout and what to stderr, exit codes, and what bad input is told."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from invented import RF2
from small_mapper import index, ontology

from conceptmap import cli
from conceptmap.cli import main
from conceptmap.commands import tag
from conceptmap.commands.options.tables import columns
from conceptmap.encoders import TokenEncoder, load_encoder
from conceptmap.frames import TAGS
from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper

UMLS = Path(__file__).parents[1] / "ontologies" / "fixtures" / "umls"
TEXT = "Known hypertension, no fever.\r\nNaïve 🤒 headache; type 2 diabetes."


@pytest.fixture(scope="module")
def lexical(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(index().save(tmp_path_factory.mktemp("indexes") / "lexical"))


@pytest.fixture(scope="module")
def encoder() -> TokenEncoder:
    return load_encoder("embedded")


@pytest.fixture(scope="module")
def embedded(encoder: TokenEncoder, tmp_path_factory: pytest.TempPathFactory) -> str:
    built = build_index(ontology(), encoder)
    return str(built.save(tmp_path_factory.mktemp("indexes") / "embedded"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONCEPTMAP_CACHE", str(tmp_path / "cache"))
    return tmp_path


def write(path: Path, *rows: tuple[object, ...]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def code(notes: str, lexical: str, *more: str) -> int:
    return main(["code", notes, "-o", "out", "--ontology", lexical, "--encoder", "none", *more])


# -- code -------------------------------------------------------------------------------------------------------------


def test_code_writes_files_and_says_so_on_stderr(here: Path, lexical: str, capfd: pytest.CaptureFixture[str]) -> None:
    notes = write(here / "notes.csv", ("note_id", "text"), ("a", TEXT), ("b", "cardiac failure"))
    assert code(notes, lexical, "--format", "csv,html", "--rollup", "chapter", "--candidates", "2") == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert "2 notes" in err
    assert "out" in err
    assert "it/s" not in err
    names = ["annotations.csv", "candidates.csv", "codes.csv", "mentions.csv", "report.html", "run.json"]
    assert sorted(path.name for path in (here / "out").iterdir()) == names
    found = pl.read_csv(here / "out" / "codes.csv")
    assert sorted(found["code"]) == ["E11.9", "I10", "I50.9", "R51.9"]


def test_include_and_spreadsheet_safe_reach_the_run(here: Path, lexical: str) -> None:
    notes = write(here / "notes.csv", ("note_id", "text"), ("=a", "No fever."))
    assert code(notes, lexical, "--include", "negated,family", "--spreadsheet-safe") == 0
    (row,) = csv.DictReader(io.StringIO((here / "out" / "codes.csv").read_text(encoding="utf-8-sig")))
    assert (row["note_id"], row["code"]) == ("'=a", "R50.9")
    assert json.loads((here / "out" / "run.json").read_text())["settings"]["include"] == ["family", "negated"]


BAD_ROWS = (
    b'note_id,text\ngood,Fever.\n,Headache.\ngood,Headache.\nlatin,caf\xe9\nempty,\nspace," \t\r\n"\nlast,Headache.\n'
)


def test_bad_notes_are_listed_and_the_good_ones_coded(
    here: Path, lexical: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "notes.csv").write_bytes(BAD_ROWS)
    assert code("notes.csv", lexical) == 3
    assert dict(pl.read_csv(here / "out" / "codes.csv").select("note_id", "code").iter_rows()) == {
        "good": "R50.9",
        "last": "R51.9",
    }
    facts = json.loads((here / "out" / "run.json").read_text())
    reasons = {bad["where"]: bad["reason"].split(":")[0] for bad in facts["quarantined"]}
    assert reasons == {
        "row 2": "note_id is empty",
        "row 3": "note_id is a duplicate",
        "row 4": "text is not UTF-8",
        "row 5": "the text is empty",
        "row 6": "the text is only white space",
    }
    assert facts["counts"]["quarantined"] == 5
    assert "row 3, note good: note_id is a duplicate" in capfd.readouterr().err


BAD_INPUT = {
    "missing.csv": (None, "no such file or folder"),
    "columns.csv": (b"id,body\n1,fever\n", "rename 'id' to 'note_id' and 'body' to 'text'"),
    "empty.csv": (b"", "empty.csv is empty"),
    "quotes.csv": (b'note_id,text\n1,"never closed\n', "not well-formed CSV"),
    "table.xlsx": (b"PK\x03\x04", "no whole Excel workbook"),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_a_file_that_cannot_be_used_is_one_line_and_exit_code_2(
    name: str, here: Path, lexical: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data, message = BAD_INPUT[name]
    if data is not None:
        (here / name).write_bytes(data)
    assert code(name, lexical) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert not (here / "out").exists()


def test_wrong_indexes_and_encoders_have_exit_codes(
    here: Path, embedded: str, capfd: pytest.CaptureFixture[str]
) -> None:
    notes = write(here / "notes.csv", ("note_id", "text"), ("a", "fever"))
    (here / "folder").mkdir()
    assert code(notes, "folder") == 4
    assert "is not an index" in capfd.readouterr().err
    assert code(notes, "nowhere") == 2
    assert "build it first: conceptmap build" in capfd.readouterr().err
    assert main(["code", notes, "-o", "out", "--ontology", embedded, "--encoder", "./nowhere"]) == 4
    assert "no such model folder" in capfd.readouterr().err
    damaged = Path(embedded) / "terms.parquet"
    copy = here / "damaged"
    copy.mkdir()
    for file in damaged.parent.iterdir():
        data = file.read_bytes()
        (copy / file.name).write_bytes(data[:-1] + b"?" if file == damaged else data)
    assert main(["info", "damaged", "--verify"]) == 4
    assert "terms.parquet" in capfd.readouterr().err


def test_an_index_of_another_encoder_is_refused(
    here: Path, encoder: TokenEncoder, capfd: pytest.CaptureFixture[str]
) -> None:
    from conceptmap.index.index import ConceptIndex

    index = ConceptIndex.build(ontology(), encoder.terms, encoder_name="another/model", revision="1")
    index.save(here / "index")
    assert main(["tag", "fever", "--ontology", "index"]) == 4
    assert "expected another/model 1" in capfd.readouterr().err


# -- tag --------------------------------------------------------------------------------------------------------------


def test_tag_prints_words_with_their_concepts(embedded: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "He has type 2 diabetes, and a headache.", "--ontology", embedded, "-k", "2"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split() == ["word", "code", "confidence", "cosine", "name", "why"]
    first = {line.split()[0]: line.split()[1] for line in lines[1:] if not line.startswith(" ")}
    assert first["type"] == "E11.9"
    assert first["diabetes"] == "″"
    assert first["headache"] == "R51.9"
    assert first[","] == first["."] == "·"
    starts = {line.index(line.split()[1]) for line in lines if not line.startswith(" ")}
    assert len(starts) == 1


def test_tag_as_json_gives_every_token_with_its_offsets(
    here: Path, embedded: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "note.txt").write_bytes(TEXT.encode())
    assert main(["tag", "note.txt", "--ontology", embedded, "--json"]) == 0
    tokens = json.loads(capfd.readouterr().out)
    assert all(TEXT[token["start_char"] : token["end_char"]] == token["text"] for token in tokens)
    assert any(concept["code"] == "I10" for token in tokens for concept in token["concepts"])
    assert any(not token["concepts"] for token in tokens)


def test_tag_as_html_is_a_page(embedded: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "fever <b>", "--ontology", embedded, "--html"]) == 0
    page = capfd.readouterr().out
    assert page.startswith("<!DOCTYPE html>")
    assert "<b>" not in page.replace('<b dir="auto">', "")


def test_tag_reads_stdin(embedded: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"fever")))
    assert main(["tag", "-", "--ontology", embedded]) == 0
    assert "R50.9" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  ", "the text is empty"),
        ("nowhere.txt", "no such file"),
        ("table.csv", "use conceptmap code"),
        ("latin.txt", "latin.txt is not UTF-8: got byte 0xe9 at byte 3"),
    ],
)
def test_tag_refuses_what_is_no_text(
    text: str, message: str, here: Path, lexical: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "table.csv").write_text("note_id,text\n")
    (here / "latin.txt").write_bytes(b"caf\xe9")
    assert main(["tag", text, "--ontology", lexical, "--encoder", "none"]) == 2
    assert message in capfd.readouterr().err


def test_a_table_is_cut_to_the_width_and_cannot_steer_the_terminal() -> None:
    row = {
        "note_id": "n",
        "token_index": 0,
        "start_char": 0,
        "end_char": 5,
        "text": "fever",
        "rank": 1,
        "system": "test",
    }
    named = {"code": "R50.9", "name": "Fever 発熱 " + "x" * 90, "score": 0.9, "confidence": 0.8, "why": "said"}
    tags = pl.DataFrame([{**row, **named}], schema=TAGS)
    shown = tag.table("fever \x1b[31m\U0001f912", tags, k=1, width=40)
    assert "\x1b" not in shown
    assert max(columns(line) for line in shown.splitlines()) <= 40
    assert shown.splitlines()[1].endswith("…  said"), "the long column is cut, the last is seen"


def test_offsets_hold_through_the_encoder_in_random_notes(embedded: str, encoder: TokenEncoder) -> None:
    import random

    from test_batch import random_note

    rng = random.Random(11)
    notes = {f"n{number}": random_note(rng) for number in range(40)}
    mapper = ConceptMapper.load(embedded, encoder=encoder)
    found = mapper.annotate_many(pl.DataFrame({"note_id": list(notes), "text": list(notes.values())}), tags=1)
    for frame in (found.mentions, found.tags):
        assert frame.height
        for note_id, start, end, text in frame.select("note_id", "start_char", "end_char", "text").iter_rows():
            assert notes[note_id][start:end] == text
            assert text
            assert text == text.strip()


# -- the other commands -----------------------------------------------------------------------------------------------


def test_spans_rank_concepts_for_given_spans(
    here: Path, lexical: str, embedded: str, capfd: pytest.CaptureFixture[str]
) -> None:
    notes = write(here / "notes.csv", ("note_id", "text"), ("a", "Hypertension and fever"), ("b", ""))
    head = ("note_id", "start_char", "end_char")
    spans = write(here / "spans.csv", head, ("a", 17, 22), ("b", 0, 1), ("a", 0, 12))
    assert main(["spans", notes, spans, "-o", "found.csv", "-k", "2", "--ontology", embedded]) == 3
    found = pl.read_csv(here / "found.csv")
    assert found.filter(pl.col("rank") == 1).select("start_char", "code").rows() == [(17, "R50.9"), (0, "I10")]
    assert found["rank"].max() == 2
    capfd.readouterr()
    for row, message in (
        (("c", 0, 1), "row 1, note c"),
        (("a", 20, 23), "row 1: 20 to 23"),
        (("a", "x", 1), "no number"),
    ):
        bad = write(here / "bad.csv", head, row)
        assert main(["spans", notes, bad, "--ontology", lexical, "--encoder", "none"]) == 2
        assert message in capfd.readouterr().err


OBO = """format-version: 1.2
data-version: 2099-01-01
ontology: doid

[Term]
id: DOID:4
name: disease

[Term]
id: DOID:1
name: bone itch
synonym: "itchy bones" EXACT []
is_a: DOID:4 ! disease
"""


def test_build_info_and_code_with_ones_own_index(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "own.obo").write_text(OBO)
    synonyms = write(here / "more.csv", ("code", "term"), ("DOID:1", "skeletal scratching"))
    line = ["build", "own.obo", "-o", "index", "--system", "doid", "--encoder", "none", "--synonyms", synonyms]
    assert main(line) == 0
    assert "2 concepts" in capfd.readouterr().err
    assert main(["info", "index", "--verify", "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert (facts["system"], facts["concepts"], facts["encoder"]) == ("doid", 2, "none")
    notes = write(here / "notes.csv", ("note_id", "text"), ("a", "Skeletal scratching at night."))
    assert code(notes, "index") == 0
    assert pl.read_csv(here / "out" / "codes.csv")["code"].to_list() == ["DOID:1"]
    bad = write(here / "bad.csv", ("code", "term"), ("DOID:77", "nothing"))
    assert main(["build", "own.obo", "-o", "other", "--encoder", "none", "--synonyms", bad]) == 2
    assert "DOID:77" in capfd.readouterr().err
    assert main(["build", "nowhere.zip", "-o", "other"]) == 2


def test_build_takes_choices_that_the_release_has(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = ["build", str(UMLS), "-o", "index", "--encoder", "none", "--sabs", "SNOMEDCT_US,MSH", "--language", "ENG"]
    assert main([*line, "--hierarchy", "none"]) == 0
    assert "umls 2025AA: 6 concepts" in capfd.readouterr().err
    assert main([*line, "--at", "20240101"]) == 2
    assert "at cannot be chosen in this release" in capfd.readouterr().err


def test_build_from_given_vectors(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "own.obo").write_text(OBO)
    table = pl.DataFrame({"id": ["DOID:1", "DOID:1", "DOID:9"], "v": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]})
    table.write_parquet(here / "v.parquet")
    line = ["build", "own.obo", "-o", "index", "--system", "doid", "--vectors", "v.parquet"]
    assert main([*line, "--encoder", "maker/model@1", "--left-out", "out.csv"]) == 0
    err = capfd.readouterr().err
    assert "vectors: 3 vectors of width 2 in column v" in err
    assert "vectors: codes in column id, 66.7 % of which the release holds" in err
    assert "vectors: 1 rows have codes that are not in the release and were left out: DOID:9" in err
    assert pl.read_csv(here / "out.csv").rows() == [(2, "DOID:9", "unknown", None, None)]
    assert main(["info", "index", "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert (facts["rows"], facts["dim"], facts["encoder"], facts["revision"]) == (2, 2, "maker/model", "1")
    for wrong in ([*line, "--centre"], [*line[:-2], "--code-column", "id"], [*line, "--encoder", "none"]):
        assert main(wrong) == 2
    assert "--code-column without --vectors" in capfd.readouterr().err


def test_rollup_takes_old_codes_to_what_replaced_them(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    codes = write(here / "codes.csv", ("code",), ("10119999999101",), ("10069999999100",))
    assert main(["rollup", codes, "--to", "disorder", "--ontology", str(RF2)]) == 0
    out, err = capfd.readouterr()
    rolled = pl.read_csv(io.StringIO(out), infer_schema=False)
    assert rolled["rollup_code"].to_list() == ["10069999999100"] * 2
    assert (
        "1 codes are inactive, rolled up as what replaced them: 10119999999101 → 10069999999100 (replaced by)\n" in err
    )


def test_rollup_adds_up_scores_with_each_piece_of_evidence_once(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    head = ("note_id", "system", "code", "score", "evidence")
    rows = [("a", "icd10cm", "E11.21", "0.5", "m1 m2"), ("a", "icd10cm", "E11.22", "0.75", "m2")]
    rows.append(("b", "icd10cm", "E11.9", "0.25", "m1"))
    codes = write(here / "codes.csv", head, *rows, ("b", "icd10cm", "I10", "0.25", "m1"))

    def rolled(*options: str) -> list[tuple[object, ...]]:
        assert main(["rollup", codes, *options]) == 0
        frame = pl.read_csv(io.StringIO(capfd.readouterr().out), infer_schema=False)
        return frame.select(
            *(name for name in ("note_id", "code", "score", "n_evidence") if name in frame.columns)
        ).rows()

    assert rolled("--to", "category", "--scores", "sum") == [
        ("a", "E11", "1.25", "2"),
        ("b", "E11", "0.25", "1"),
        ("b", "I10", "0.25", "1"),
    ]
    assert rolled("--to", "category", "--scores", "max", "--by", "system")[0] == ("E11", "0.75", "3")
    assert rolled("--cut", "1.1") == [("a", "E11.2", "1.25", "2")]
    assert main(["rollup", codes, "--to", "category", "--by", "note_id"]) == 2
    assert main(["rollup", codes, "--cut", "1", "--by", "nothing"]) == 2
    assert "no such column: got nothing" in capfd.readouterr().err


def test_align_puts_systems_side_by_side(here: Path, lexical: str, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "own.obo").write_text(
        OBO.replace("bone itch", "fever").replace("is_a: DOID:4", "xref: TEST:R50.9\nis_a: DOID:4")
    )
    assert main(["build", "own.obo", "-o", "index", "--encoder", "none"]) == 0
    notes = write(here / "notes.csv", ("note_id", "text"), ("a", "Fever. Headache."))
    assert main(["code", notes, "-o", "out", "--encoder", "none", "--ontology", lexical, "--ontology", "index"]) == 0
    capfd.readouterr()
    assert main(["align", "out", "--ontology", lexical, "--ontology", "index"]) == 0
    out, err = capfd.readouterr()
    aligned = pl.read_csv(io.StringIO(out), infer_schema=False)
    assert aligned.select("text", "test", "doid", "agreement_test_doid").rows() == [
        ("Fever", "R50.9", "DOID:1", "same"),
        ("Headache", "R51.9", None, None),
    ]
    assert "agreement_test_doid: 1 same, 0 near, 0 differ, 1 not assessed" in err
    assert main(["align", "nowhere.csv", "--ontology", lexical]) == 2
    assert main(["align", "out", "--html", "-o", "page.html", "--ontology", lexical, "--ontology", "index"]) == 0
    page = (here / "page.html").read_text()
    assert '<td title="same">=</td>' in page
    assert "Headache &lt;script&gt;" in page
    assert "<script" not in page


def test_build_lends_terms_over_cross_references(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "own.obo").write_text(OBO)
    line = ["build", str(UMLS.parent / "icd10cm"), "-o", "index", "--encoder", "none", "--synonyms", "own.obo"]
    assert main(line) == 2
    assert "doid 2099-01-01 lends no terms" in capfd.readouterr().err
    (here / "own.obo").write_text(OBO.replace("is_a: DOID:4", "xref: ICD10CM:A00.9\nis_a: DOID:4"))
    table = write(here / "more.csv", ("code", "term"), ("A00.0", "cerulean ague"))
    assert main([*line, "--synonyms", table]) == 0
    assert "lends 2 terms, from 1 of its concepts" in capfd.readouterr().err
    terms = pl.read_parquet(here / "index" / "terms.parquet")
    assert {("A00.9", "itchy bones"), ("A00.0", "cerulean ague")} <= set(terms.select("code", "term").iter_rows())


def test_info_without_an_index_tells_the_installation(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "cache" / "icd10cm-words-0").mkdir(parents=True)
    (here / "cache" / "icd10cm-words-0" / "manifest.json").write_text(" " * 1234)
    assert main(["info"]) == 0
    out = capfd.readouterr().out
    assert re.search(r"cached bytes +1,234\n", out)
    assert "polars" in out
    assert str(here / "cache") in out


def test_rollup_adds_two_columns(here: Path, lexical: str, capfd: pytest.CaptureFixture[str]) -> None:
    codes = write(here / "codes.csv", ("note_id", "code"), ("a", "I50.9"), ("a", "18"))
    assert main(["rollup", codes, "--to", "category", "--ontology", lexical]) == 0
    assert capfd.readouterr().out.splitlines() == [
        "note_id,code,rollup_code,rollup_name",
        "a,I50.9,I50,Heart failure",
        "a,18,,",
    ]
    with_system = write(here / "two.csv", ("system", "code"), ("test", "I50.9"), ("other", "X1"))
    assert main(["rollup", with_system, "--to", "chapter", "--ontology", lexical, "-o", "rolled.csv"]) == 0
    assert pl.read_csv(here / "rolled.csv")["rollup_code"].to_list() == [9, None]
    assert main(["rollup", codes, "--to", "galaxy", "--ontology", lexical]) == 2
    assert main(["rollup", write(here / "x.csv", ("kode",), ("a",)), "--to", "chapter", "--ontology", lexical]) == 2
    assert "lacks the columns code" in capfd.readouterr().err


def test_evaluate_takes_codes_and_mentions(here: Path, lexical: str, capfd: pytest.CaptureFixture[str]) -> None:
    gold = write(here / "gold.csv", ("note_id", "code"), ("a", "I50.9"))
    codes = write(here / "codes.csv", ("note_id", "code", "score"), ("a", "I50.9", 0.5))
    assert main(["evaluate", gold, codes, "--ontology", lexical]) == 0
    out = capfd.readouterr().out
    assert out.splitlines()[1].split() == ["full", "code", "precision", "1.000", "1.000", "to", "1.000"]
    assert "hierarchy" in out
    note = {"note_id": "a", "text": "fever", "mentions": [{"start": 0, "end": 5, "codes": ["R50.9"]}]}
    (here / "gold.jsonl").write_text(json.dumps(note))
    rows = write(
        here / "rows.csv", ("note_id", "start_char", "end_char", "code", "rank", "score"), ("a", 0, 5, "R50.9", 1, 1)
    )
    for how, section in (([], "mentions"), (["--gold-spans"], "gold spans"), (["--tokens"], "token tags")):
        assert main(["evaluate", "gold.jsonl", rows, "--json", *how]) == 0
        assert section in json.loads(capfd.readouterr().out)


# -- failures ---------------------------------------------------------------------------------------------------------


def raising(error: BaseException) -> object:
    def run(args: object) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 5, "out of memory"),
        (ZeroDivisionError("a secret"), 1, "internal error: ZeroDivisionError in test_cli.py"),
    ],
)
def test_what_goes_wrong_has_an_exit_code_and_one_line(
    error: BaseException,
    exit_code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from conceptmap.commands import info

    monkeypatch.setattr(info, "run", raising(error))
    assert main(["info"]) == exit_code
    err = capfd.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert "secret" not in err


def test_usage_errors_have_exit_code_2(capfd: pytest.CaptureFixture[str]) -> None:
    for line in (["paint"], ["code"], ["code", "x", "-o", "y", "--dtype", "int3"]):
        with pytest.raises(SystemExit) as caught:
            main(line)
        assert caught.value.code == 2
    assert capfd.readouterr().out == ""


PROGRAM = [sys.executable, "-c", "import sys; from conceptmap.cli import main; sys.exit(main())"]


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys, io\nfrom conceptmap.cli import main\n"
        "try:\n    main(['code', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('torch', 'polars', 'numpy', 'transformers', 'networkx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--rollup" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="pipes close otherwise there")
def test_a_closed_pipe_is_quiet(here: Path, lexical: str) -> None:
    codes = write(here / "codes.csv", ("code",), *[("I50.9",)] * 60_000)
    line = [*PROGRAM, "rollup", codes, "--to", "chapter", "--ontology", lexical]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_every_command_is_documented() -> None:
    text = cli._parser().format_help()
    for name in ("code", "tag", "spans", "build", "info", "evaluate", "rollup", "align"):
        assert f"\n    {name} " in text
