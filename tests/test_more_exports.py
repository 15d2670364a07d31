"""PubTator, BioC, CAS XMI and DocBin read back by their own libraries, CONDITION_OCCURRENCE by OMOP's own table."""

from __future__ import annotations

import csv
import io
import random
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_mapper import PHRASES, mapper
from test_batch import random_note
from test_layout import FORMS, MARKUP

from conceptmap.batch import Settings, code_notes
from conceptmap.batch.owned import is_output
from conceptmap.errors import MissingExtraError
from conceptmap.export.corpora.cas import TYPE_SYSTEM, xmi
from conceptmap.export.file_names import note_id_of
from conceptmap.export.omop import ConceptIds
from conceptmap.export.omop_conditions import CONDITION_OCCURRENCE, ConditionFile
from conceptmap.frames import ANNOTATIONS, CODES
from conceptmap.notes.marked import read_marked
from conceptmap.notes.notes import read_notes

biocxml, pubtator = (pytest.importorskip(f"bioc.{name}") for name in ("biocxml", "pubtator"))
cassis = pytest.importorskip("cassis")
spacy = pytest.importorskip("spacy")

N_NOTES = 150
Span = tuple[str, int, int, str]
STRANGE = 'no fever\r\n\f\x0b \U0001f600 headache\u2028\x1e<b>& "hypertension"\ttype 2 diabetes \u0301x'


def random_form(rng: random.Random) -> str:
    kinds = [PHRASES, MARKUP, FORMS, [" ", ", ", "\n", "\U0001f600", "\x0c"]]
    return "".join([*(rng.choice(rng.choice(kinds)) for _ in range(rng.randint(2, 40))), " ", rng.choice(PHRASES)])


@pytest.fixture(scope="module")
def notes() -> dict[str, str]:
    rng = random.Random(5)
    texts = {f"n {at}/é": (random_form if at % 2 else random_note)(rng) for at in range(N_NOTES)}
    return {**texts, "strange|1": STRANGE, "bare": "Seen today."}


@pytest.fixture(scope="module")
def out(notes: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("run")
    frame = pl.DataFrame({"note_id": list(notes), "text": list(notes.values())})
    frame.with_columns(person_id=pl.lit("7"), note_date=pl.lit("2023-05-06")).write_parquet(home / "notes.parquet")
    formats = ("csv", "omop", "pubtator", "bioc", "cas", "spacy")
    code_notes(read_notes(home / "notes.parquet"), mapper(), home / "out", Settings(formats=formats))
    return home / "out"


@pytest.fixture(scope="module")
def best(out: Path) -> pl.DataFrame:
    schema = pl.Schema([*ANNOTATIONS.items(), ("person_id", pl.String()), ("note_date", pl.String())])
    return pl.read_csv(out / "annotations.csv", schema=schema).filter(pl.col("rank") == 1)


@pytest.fixture(scope="module")
def spans(best: pl.DataFrame) -> set[Span]:
    return set(best.select("note_id", "start_char", "end_char", "code").iter_rows())


# -- PubTator and BioC ------------------------------------------------------------------------------------------------


def test_pubtator_reads_back(out: Path, notes: dict[str, str], spans: set[Span]) -> None:
    with (out / "pubtator.txt").open(encoding="utf-8", newline="") as file:
        documents = pubtator.load(file)
    names = {name.replace("|", "%7C"): name for name in notes}
    assert [names[document.pmid] for document in documents] == list(notes)
    found = set()
    for document in documents:
        text = notes[names[document.pmid]]
        assert len(document.title) == len(text.rstrip()), "one for one"
        for one in document.annotations:
            assert document.title[one.start : one.end] == one.text
            assert len(one.text) == one.end - one.start
            found.add((names[one.pmid], one.start, one.end, one.id.removeprefix("test:")))
    assert found == spans
    marked = {note.note_id: note for note in read_marked(out / "pubtator.txt")}
    assert {len(marked[name].mentions) for name in names} == {len(d.annotations) for d in documents}


def test_bioc_reads_back(out: Path, notes: dict[str, str], spans: set[Span], best: pl.DataFrame) -> None:
    with (out / "bioc.xml").open(encoding="utf-8", newline="") as file:
        collection = biocxml.load(file)
    assert [document.id for document in collection.documents] == list(notes)
    found, denied = set(), set()
    for document in collection.documents:
        (passage,) = document.passages
        text = notes[document.id]
        assert len(passage.text) == len(text)
        for one in passage.annotations:
            place = one.total_span
            assert passage.text[place.offset : place.offset + place.length] == one.text
            code = one.infons["identifier"].removeprefix("test:")
            found.add((document.id, place.offset, place.offset + place.length, code))
            if one.infons["negated"] == "true":
                denied.add((document.id, one.id))
    assert found == spans
    assert denied == set(best.filter("negated").select("note_id", "mention_id").iter_rows())


# -- CAS --------------------------------------------------------------------------------------------------------------


def test_cas_reads_back(out: Path, notes: dict[str, str], spans: set[Span], best: pl.DataFrame) -> None:
    kind = "org.apache.ctakes.typesystem.type.textsem.IdentifiedAnnotation"
    found, denied, seen = set(), set(), []
    with zipfile.ZipFile(out / "cas.zip") as packed:
        types = cassis.load_typesystem(io.BytesIO(packed.read(TYPE_SYSTEM)))
        for name in packed.namelist()[1:]:
            cas = cassis.load_cas_from_xmi(io.BytesIO(packed.read(name)), typesystem=types)
            (document,) = cas.select("org.apache.ctakes.typesystem.type.structured.DocumentID")
            note_id = document.documentID
            seen.append(note_id)
            assert note_id_of(name.removesuffix(".xmi")) == note_id
            assert len(cas.sofa_string) == len(notes[note_id])
            for one in cas.select(kind):
                first, *_ = one.ontologyConceptArr.elements
                assert first.preferredText
                written = notes[note_id][one.begin : one.end]
                assert len(one.get_covered_text()) == len(written)
                found.add((note_id, one.begin, one.end, first.code))
                if one.polarity == -1:
                    denied.add((note_id, one.begin, one.end))
    assert seen == list(notes)
    assert found == spans
    assert denied == set(best.filter("negated").select("note_id", "start_char", "end_char").iter_rows())


def test_offsets_in_a_cas_are_utf_16_units() -> None:
    row = {**dict.fromkeys(ANNOTATIONS), "mention_id": "m1", "rank": 1, "system": "icd10cm", "code": "R50.9"}
    text = "\U0001f600 fever"
    assert 'begin="3" end="8"' in xmi("n", text, [{**row, "start_char": 2, "end_char": 7}])
    assert 'begin="0" end="8"' in xmi("n", text, [])


# -- spaCy ------------------------------------------------------------------------------------------------------------


def test_doc_bin_reads_back(out: Path, notes: dict[str, str], spans: set[Span]) -> None:
    from spacy.tokens import DocBin

    from conceptmap.annotated.docs import SPANS, register

    register()
    documents = list(DocBin().from_disk(out / "docs.spacy").get_docs(spacy.blank("en").vocab))
    assert [document.user_data["note_id"] for document in documents] == list(notes)
    found = set()
    for document in documents:
        text = notes[document.user_data["note_id"]]
        assert document.text == text
        for span in document.spans[SPANS]:
            assert span.text == text[span.start_char : span.end_char]
            assert span._.codes[0] == span.kb_id_
            found.add((document.user_data["note_id"], span.start_char, span.end_char, span.kb_id_))
    assert found == spans


def test_many_notes_make_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conceptmap.annotated.doc_bin.NOTES_A_FILE", 2)
    frame = pl.DataFrame({"note_id": list("abcde"), "text": ["fever"] * 5})
    frame.write_csv(tmp_path / "notes.csv")
    done = code_notes(read_notes(tmp_path / "notes.csv"), mapper(), tmp_path / "out", Settings(formats=("spacy",)))
    assert set(done.files) >= {"docs.spacy", "docs-0002.spacy", "docs-0003.spacy"}
    assert all(is_output(name) for name in done.files)
    assert not is_output("docs-2.spacy")
    again = code_notes(read_notes(tmp_path / "notes.csv"), mapper(), tmp_path / "out", Settings(formats=("csv",)))
    assert not (again.folder / "docs-0003.spacy").exists(), "what is our own is cleared away"


def test_without_spacy_the_command_to_type_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.csv").write_text("note_id,text\n1,fever\n")

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("conceptmap.annotated.extras.import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'conceptmap\[spacy\]'"):
        code_notes(read_notes(tmp_path / "notes.csv"), mapper(), tmp_path / "out", Settings(formats=("spacy",)))


# -- OMOP -------------------------------------------------------------------------------------------------------------

DDL = """
CREATE TABLE condition_occurrence (
    condition_occurrence_id INTEGER NOT NULL PRIMARY KEY,
    person_id INTEGER NOT NULL,
    condition_concept_id INTEGER NOT NULL,
    condition_start_date TEXT NOT NULL CHECK (condition_start_date = date(condition_start_date)),
    condition_start_datetime TEXT NULL,
    condition_end_date TEXT NULL,
    condition_end_datetime TEXT NULL,
    condition_type_concept_id INTEGER NOT NULL,
    condition_status_concept_id INTEGER NULL,
    stop_reason TEXT NULL CHECK (length(stop_reason) <= 20),
    provider_id INTEGER NULL,
    visit_occurrence_id INTEGER NULL,
    visit_detail_id INTEGER NULL,
    condition_source_value TEXT NULL CHECK (length(condition_source_value) <= 50),
    condition_source_concept_id INTEGER NULL,
    condition_status_source_value TEXT NULL CHECK (length(condition_status_source_value) <= 50)
) STRICT
"""


def test_conditions_go_into_omops_own_table(out: Path) -> None:
    base = sqlite3.connect(":memory:")
    base.execute(DDL)
    rows = list(csv.DictReader(io.StringIO((out / "condition_occurrence.csv").read_text(), newline="")))
    for row in rows:
        assert list(row) == list(CONDITION_OCCURRENCE)
        base.execute(
            f"INSERT INTO condition_occurrence VALUES ({', '.join('?' * len(row))})", [v or None for v in row.values()]
        )
    found = base.execute("SELECT person_id, condition_start_date, condition_type_concept_id FROM condition_occurrence")
    assert set(found.fetchall()) == {(7, "2023-05-06", 32858)}
    codes = pl.read_csv(out / "codes.csv", infer_schema=False)
    assert len(rows) == codes.height


def frames(codes: list[dict[str, object]], said: list[dict[str, object]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    empty = {name: dict.fromkeys(schema) for name, schema in (("codes", CODES), ("mentions", ANNOTATIONS))}
    return (
        pl.DataFrame([{**empty["codes"], **row} for row in codes], schema=CODES),
        pl.DataFrame([{**empty["mentions"], "rank": 1, **row} for row in said], schema=ANNOTATIONS),
    )


def conditions(
    folder: Path, ids: ConceptIds | None, notes: pl.DataFrame, *found: pl.DataFrame
) -> tuple[pl.DataFrame, Any]:
    with ConditionFile(folder, ids=ids, date="2024-01-31") as file:
        file.write(notes, found[1], found[0])
    return pl.read_csv(folder / "condition_occurrence.csv"), file.notices


def test_a_condition_is_what_is_affirmed_of_a_patient_with_a_number(tmp_path: Path) -> None:
    notes = pl.DataFrame({"note_id": ["a", "b"], "person_id": ["12", "p3"], "encounter_id": ["9", "x"]})
    base = {"note_id": "a", "system": "icd10cm"}
    codes, said = frames(
        [
            {**base, "code": "I10", "evidence": "m1 m2", "role": "principal"},
            {**base, "code": "R50.9", "evidence": "m2", "role": "secondary"},
            {**base, "code": "Z82.49", "evidence": "m3", "role": "history"},
            {**base, "code": "I10", "evidence": "m1", "role": "secondary", "note_id": "b"},
        ],
        [
            {"note_id": "a", "mention_id": "m1", "negated": False},
            {"note_id": "a", "mention_id": "m2", "negated": True},
            {"note_id": "a", "mention_id": "m3", "subject": "family"},
        ],
    )
    rows, notices = conditions(tmp_path, None, notes, codes, said)
    kept = rows.select("person_id", "condition_source_value", "condition_status_concept_id", "visit_occurrence_id")
    assert kept.rows() == [(12, "I10", 32902, 9)]
    assert rows["condition_start_date"].to_list() == ["2024-01-31"]
    assert "leaves out 1 notes" in notices[0]


def test_what_belongs_to_another_table_is_no_condition(tmp_path: Path) -> None:
    notes = pl.DataFrame({"note_id": ["a"], "person_id": [12]})
    codes, said = frames([{"note_id": "a", "system": "icd10cm", "code": code} for code in ("I10", "Z72.0", "Q99")], [])
    source = pl.DataFrame({"system": ["icd10cm"] * 2, "code": ["I10", "Z72.0"], "source_id": [1, 2]})
    ids = ConceptIds(source, pl.DataFrame({"source_id": [1, 2], "standard_id": [11, 12]}), (11,))
    rows, _ = conditions(tmp_path, ids, notes, codes, said)
    assert rows.select("condition_concept_id", "condition_source_value").rows() == [(11, "I10"), (0, "Q99")]
