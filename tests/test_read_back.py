"""OMOP, FHIR and BRAT files read back by their own ecosystems' libraries, tables and rules: the same spans."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fhir.resources.R4B.bundle import Bundle
from small_mapper import PHRASES, index, mapper, ontology
from test_batch import random_note
from test_export import Page
from test_layout import FORMS, MARKUP

from conceptmap.batch import Settings, code_notes
from conceptmap.errors import InputError
from conceptmap.export.fhir import SPAN, bundle
from conceptmap.export.file_names import file_name
from conceptmap.export.omop import NOTE_NLP, ConceptIds
from conceptmap.frames import ANNOTATIONS, CODES
from conceptmap.index.building import build_index
from conceptmap.notes.notes import read_notes
from conceptmap.ontology.ontology import Ontology

N_NOTES = 1000
Span = tuple[str, int, int]

DDL = """
CREATE TABLE note_nlp (
    note_nlp_id INTEGER NOT NULL PRIMARY KEY,
    note_id INTEGER NOT NULL,
    section_concept_id INTEGER NULL,
    snippet VARCHAR(250) NULL CHECK (length(snippet) <= 250),
    "offset" VARCHAR(50) NULL CHECK (length("offset") <= 50),
    lexical_variant VARCHAR(250) NOT NULL CHECK (length(lexical_variant) BETWEEN 1 AND 250),
    note_nlp_concept_id INTEGER NULL CHECK (typeof(note_nlp_concept_id) = 'integer'),
    note_nlp_source_concept_id INTEGER NULL CHECK (typeof(note_nlp_source_concept_id) = 'integer'),
    nlp_system VARCHAR(250) NULL CHECK (length(nlp_system) <= 250),
    nlp_date DATE NOT NULL CHECK (nlp_date = date(nlp_date)),
    nlp_datetime TIMESTAMP NULL,
    term_exists VARCHAR(1) NULL CHECK (term_exists IN ('Y', 'N')),
    term_temporal VARCHAR(50) NULL,
    term_modifiers VARCHAR(2000) NULL CHECK (length(term_modifiers) <= 2000)
) STRICT
"""
"""NOTE_NLP of the OMOP CDM v5.4, its lengths enforced; STRICT in place of the types of other databases."""
STRICT_TYPES = {"VARCHAR": "TEXT", "DATE": "TEXT", "TIMESTAMP": "TEXT"}


@dataclass(frozen=True)
class Written:
    """A run, and what was put into it."""

    out: Path
    texts: dict[str, str]

    def best(self) -> pl.DataFrame:
        schema = pl.Schema([*ANNOTATIONS.items(), ("person_id", pl.String()), ("note_date", pl.String())])
        return pl.read_csv(self.out / "annotations.csv", schema=schema).filter(pl.col("rank") == 1)

    def spans(self) -> set[Span]:
        return set(self.best().select("note_id", "start_char", "end_char").iter_rows())


def random_form(rng: random.Random) -> str:
    """Names among markup, answers, boxes and cells."""
    kinds = [PHRASES, MARKUP, FORMS, [" ", ", ", "\n"]]
    parts = [rng.choice(rng.choice(kinds)) for _ in range(rng.randint(2, 40))]
    return "".join([*parts, " ", rng.choice(PHRASES)])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """1,000 random notes, half of them forms in markup; some have no subject."""
    home = tmp_path_factory.mktemp("run")
    rng = random.Random(17)
    texts = {f"n {at}/é": (random_form if at % 2 else random_note)(rng) for at in range(N_NOTES)}
    persons = ["" if at % 50 == 7 else f"p{at % 40}" if at % 3 else "weird id/1" for at in range(N_NOTES)]
    frame = pl.DataFrame({"note_id": list(texts), "text": list(texts.values()), "person_id": persons})
    frame.with_columns(note_date=pl.lit("2023-05-06T07:08:09")).write_parquet(home / "notes.parquet")
    formats = ("csv", "parquet", "jsonl", "omop", "fhir", "brat", "html")
    settings = Settings(formats=formats, date="2024-01-31")
    code_notes(read_notes(home / "notes.parquet"), mapper(), home / "out", settings)
    written = Written(home / "out", texts)
    assert len(written.spans()) > 1000
    assert any("\n" in texts[note_id][start:end] for note_id, start, end in written.spans())
    return written


def test_tables_hold_the_same_spans_and_the_carried_columns(run: Written) -> None:
    spans = run.spans()
    for note_id, start, end in spans:
        assert run.texts[note_id][start:end].strip()
    for rows in (pl.read_parquet(run.out / "annotations.parquet"), pl.read_ndjson(run.out / "annotations.jsonl")):
        best = rows.filter(pl.col("rank") == 1)
        assert set(best.select("note_id", "start_char", "end_char").iter_rows()) == spans
        assert (
            best["text"] == [run.texts[n][a:b] for n, a, b in best["note_id", "start_char", "end_char"].iter_rows()]
        ).all()
    codes = pl.read_csv(run.out / "codes.csv")
    assert codes.columns == [*CODES, "person_id", "note_date"]
    assert set(codes["note_date"]) == {"2023-05-06T07:08:09"}


def test_pages_show_every_note_as_it_is(run: Written) -> None:
    shown = "".join(Page(path.read_bytes().decode()).text for path in sorted(run.out.glob("report-*.html")))
    at = 0
    for text in run.texts.values():
        at = shown.index(text, at) + len(text)


# -- OMOP -------------------------------------------------------------------------------------------------------------


def loaded(path: Path) -> sqlite3.Connection:
    """The file in a database with OMOP's own table."""
    ddl = DDL
    for name, strict in STRICT_TYPES.items():
        ddl = re.sub(rf"\b{name}(\(\d+\))?", strict, ddl)
    base = sqlite3.connect(":memory:")
    base.execute(ddl)
    rows = csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""))
    marks = ", ".join("?" for _ in NOTE_NLP)
    for row in rows:
        assert list(row) == list(NOTE_NLP)
        base.execute(f"INSERT INTO note_nlp VALUES ({marks})", [value or None for value in row.values()])
    return base


def test_note_nlp_goes_into_omops_own_table_with_the_same_spans(run: Written) -> None:
    base = loaded(run.out / "note_nlp.csv")
    names = dict(pl.read_csv(run.out / "omop_notes.csv").iter_rows())
    assert list(names.values()) == list(run.texts)
    found = base.execute('SELECT note_id, "offset", lexical_variant, snippet FROM note_nlp').fetchall()
    assert {(names[n], int(at), int(at) + len(text)) for n, at, text, _ in found} == run.spans()
    for number, at, text, snippet in found:
        note = run.texts[names[number]]
        assert note[int(at) : int(at) + len(text)] == text
        assert text in snippet
        assert snippet in note
    assert base.execute("SELECT DISTINCT note_nlp_concept_id, nlp_date FROM note_nlp").fetchall() == [(0, "2024-01-31")]
    denied = base.execute("SELECT term_exists FROM note_nlp WHERE term_modifiers LIKE '%negated=true%'").fetchall()
    assert set(denied) == {("N",)}
    notices = json.loads((run.out / "run.json").read_text())["notices"]
    assert any("0 for every concept id: --athena" in notice for notice in notices)
    assert any("omop_notes.csv" in notice for notice in notices)


ATHENA = """concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\tconcept_code\tvalid
101\tHigh "pressure\tCondition\tICD10CM\t\t\tI10\t
102\tDiabetes\tCondition\tICD10CM\t\t\tE11.9\t
103\tElsewhere\tCondition\tICD9CM\t\t\tI10\t
201\tStandard pressure\tCondition\tSNOMED\t\tS\t38341003\t
"""
RELATIONS = """concept_id_1\tconcept_id_2\trelationship_id\tinvalid_reason
101\t201\tMaps to\t
101\t202\tMaps to\t
101\t203\tMaps to\tD
101\t204\tIs a\t
"""


def athena(folder: Path) -> Path:
    (folder / "CONCEPT.csv").write_text(ATHENA)
    (folder / "CONCEPT_RELATIONSHIP.csv").write_text(RELATIONS)
    return folder


def test_athenas_files_give_the_concept_ids(tmp_path: Path) -> None:
    ids = ConceptIds.read(athena(tmp_path), [build_index(replace_system("icd10cm"), None)])
    rows = pl.DataFrame({"system": ["icd10cm"] * 3, "code": ["I10", "E11.9", "R51.9"], "n": [1, 2, 3]})
    assert ids.added(rows).select("n", "source_id", "standard_id").rows() == [
        (1, 101, 201), (1, 101, 202), (2, 102, 0), (3, 0, 0),
    ]  # fmt: skip
    (tmp_path / "CONCEPT_RELATIONSHIP.csv").unlink()
    ids = ConceptIds.read(tmp_path, [build_index(replace_system("icd10cm"), None)])
    assert ids.added(rows).select("source_id", "standard_id").rows() == [(101, 0), (102, 0), (0, 0)]


def replace_system(system: str) -> Ontology:

    return replace(ontology(), system=system)


@pytest.mark.parametrize(
    ("concept", "message"),
    [
        (None, r"CONCEPT\.csv: got no such file"),
        ("concept_id\tname\n1\tx\n", r"CONCEPT\.csv: got ColumnNotFoundError, expected tab-separated columns"),
        (ATHENA.replace("101", "x"), r"CONCEPT\.csv: got InvalidOperationError"),
        (ATHENA.replace("ICD10CM", "ICD9CM"), "knows none of the codes"),
    ],
)
def test_athena_files_that_cannot_be_used(concept: str | None, message: str, tmp_path: Path) -> None:
    if concept is not None:
        (tmp_path / "CONCEPT.csv").write_text(concept)
    with pytest.raises(InputError, match=message):
        ConceptIds.read(tmp_path, [build_index(replace_system("icd10cm"), None)])
    with pytest.raises(InputError, match="Athena has none of the loaded systems"):
        ConceptIds.read(tmp_path, [index()])


@pytest.mark.parametrize(("ids", "integers"), [(["7", "-12"], True), (["7", "007"], False), (["7", "7.0"], False)])
def test_ids_that_are_integers_are_kept(ids: list[str], integers: bool, tmp_path: Path) -> None:
    pl.DataFrame({"note_id": ids, "text": ["fever", "headache"]}).write_csv(tmp_path / "notes.csv")
    code_notes(read_notes(tmp_path / "notes.csv"), mapper(), tmp_path / "out", Settings(formats=("omop",)))
    assert (tmp_path / "out" / "omop_notes.csv").exists() is not integers
    found = pl.read_csv(tmp_path / "out" / "note_nlp.csv")["note_id"].to_list()
    assert found == ([int(name) for name in ids] if integers else [1, 2])


# -- FHIR -------------------------------------------------------------------------------------------------------------


def bundles(out: Path) -> list[Any]:
    return [Bundle.model_validate_json(line) for line in (out / "bundles.ndjson").read_bytes().splitlines()]


def test_bundles_are_r4_and_hold_the_spans_that_codes_rest_on_and_those_denied(run: Written) -> None:
    found: dict[str, set[Span]] = {"unconfirmed": set(), "refuted": set()}
    ids = []
    for one in bundles(run.out):
        document, *rest = (entry.resource for entry in one.entry)
        conditions = [resource for resource in rest if resource.get_resource_type() == "Condition"]
        assert document.get_resource_type() == "DocumentReference"
        note_id = document.identifier[0].value
        ids.append(note_id)
        assert len({entry.fullUrl for entry in one.entry}) == len(one.entry)
        for condition in conditions:
            assert condition.subject == document.subject
            assert condition.recordedDate.isoformat() == "2023-05-06"
            assert (condition.clinicalStatus is None) == (condition.verificationStatus.coding[0].code == "refuted")
            for extension in condition.extension:
                parts = {part.url: part for part in extension.extension}
                assert extension.url == SPAN
                assert parts["reference"].valueReference.reference == one.entry[0].fullUrl
                start = parts["offset"].valueInteger
                span = (note_id, start, start + parts["length"].valueInteger)
                found[condition.verificationStatus.coding[0].code].add(span)
    best = run.best().filter(pl.col("person_id").fill_null("") != "")
    assert ids == [note_id for note_id in run.texts if note_id in set(with_subject(run))]
    own = best.filter(pl.col("subject").fill_null("patient") == "patient", pl.col("temporality") != "hypothetical")
    denied = own.filter("negated").select("note_id", "start_char", "end_char")
    assert found["refuted"] == set(denied.iter_rows())
    assert found["unconfirmed"] == evidence(run, own.filter(~pl.col("negated")))
    assert not found["unconfirmed"] & found["refuted"]
    facts = json.loads((run.out / "run.json").read_text())
    assert any("leaves out 20 notes without a person_id" in notice for notice in facts["notices"])


def with_subject(run: Written) -> list[str]:
    return [note_id for at, note_id in enumerate(run.texts) if at % 50 != 7]


def evidence(run: Written, mentions: pl.DataFrame) -> set[Span]:
    codes = pl.read_csv(run.out / "codes.csv").select("note_id", pl.col("evidence").str.split(" ").alias("mention_id"))
    wanted = codes.explode("mention_id").unique()
    return set(
        mentions.join(wanted, on=["note_id", "mention_id"]).select("note_id", "start_char", "end_char").iter_rows()
    )


def test_what_is_said_of_others_is_no_condition_of_the_patient() -> None:
    row = {
        "mention_id": "m1",
        "system": "icd10cm",
        "code": "I10",
        "name": "Hypertension",
        "start_char": 0,
        "end_char": 4,
    }
    code = {"system": "icd10cm", "code": "I10", "name": "Hypertension", "evidence": "m1"}
    note = {"note_id": "1", "person_id": 7, "encounter_id": "e 1", "note_date": "last week"}
    for said, conditions, active in (
        ({"subject": "patient", "negated": False, "temporality": "recent"}, ["unconfirmed"], "active"),
        ({"subject": "patient", "negated": False, "temporality": "historical"}, ["unconfirmed"], "inactive"),
        ({"subject": None, "negated": None, "temporality": None}, ["unconfirmed"], "active"),
        ({"subject": "patient", "negated": True, "temporality": "recent"}, ["refuted"], None),
        ({"subject": "other", "negated": False, "temporality": "recent"}, [], None),
        ({"subject": "patient", "negated": False, "temporality": "hypothetical"}, [], None),
    ):
        made = bundle(note, [{**row, **said}], [code])
        read: Any = Bundle.model_validate(made)
        document, *found = (entry.resource for entry in read.entry)
        assert [one.verificationStatus.coding[0].code for one in found] == conditions
        assert document.subject.reference == "Patient/7"
        assert document.context.encounter[0].identifier.value == "e 1"
        for one in found:
            assert (one.clinicalStatus and one.clinicalStatus.coding[0].code) == active
            assert one.code.coding[0].system == "http://hl7.org/fhir/sid/icd-10-cm"
            assert one.recordedDate is None


def test_what_relatives_have_is_their_history() -> None:
    row = {
        "mention_id": "m1",
        "system": "icd10cm",
        "code": "I10",
        "name": "Hypertension",
        "start_char": 3,
        "end_char": 8,
    }
    family = {**row, "subject": "family", "negated": False, "temporality": "recent"}
    rows = [family, {**family, "start_char": 20, "end_char": 25}, {**family, "code": "I63.9", "negated": True}]
    read: Any = Bundle.model_validate(bundle({"note_id": "1", "person_id": 7, "note_date": "2023-05-06"}, rows, []))
    document, history = (entry.resource for entry in read.entry)
    assert history.get_resource_type() == "FamilyMemberHistory"
    assert (history.status, history.patient, str(history.date)) == ("completed", document.subject, "2023-05-06")
    assert history.relationship.coding[0].code == "FAMMEMB"
    assert [one.code.coding[0].code for one in history.condition] == ["I10"]
    assert [extension.extension[1].valueInteger for extension in history.extension] == [3, 20]


def test_without_a_subject_there_is_no_bundle(tmp_path: Path) -> None:
    pl.DataFrame({"note_id": ["1"], "text": ["fever"]}).write_csv(tmp_path / "notes.csv")
    with pytest.raises(InputError, match="a FHIR Condition needs a subject: got no column person_id"):
        code_notes(read_notes(tmp_path / "notes.csv"), mapper(), tmp_path / "out", Settings(formats=("fhir",)))
    assert not (tmp_path / "out").exists()


# -- BRAT -------------------------------------------------------------------------------------------------------------

TEXT_BOUND = re.compile(r"T(\d+)\t([^\s:]+) (\d+ \d+(?:;\d+ \d+)*)\t(.+)")
NORMALISATION = re.compile(r"N(\d+)\tReference T(\d+) (\w+):(\S+)\t(.*)")
ATTRIBUTE = re.compile(r"A(\d+)\t(\w+) T(\d+)(?: (\w+))?")


def parsed(annotations: str, text: str) -> list[list[tuple[int, int]]]:
    """The fragments of every text-bound annotation, each line checked against the format's rules."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for line in annotations.splitlines():
        if found := TEXT_BOUND.fullmatch(line):
            fragments = [(int(a), int(b)) for a, _, b in (part.partition(" ") for part in found[3].split(";"))]
            assert fragments == sorted(fragments)
            assert found[4] == " ".join(text[a:b] for a, b in fragments)
            spans[found[1]] = fragments
        else:
            known = NORMALISATION.fullmatch(line) or ATTRIBUTE.fullmatch(line)
            assert known, line
            assert (known[2] if line[0] == "N" else known[3]) in spans
    return list(spans.values())


def test_brat_files_hold_the_same_spans_split_at_line_ends(run: Written) -> None:
    found: set[Span] = set()
    n_split = 0
    for note_id, note in run.texts.items():
        stem = run.out / "brat" / file_name(note_id)
        text = stem.with_name(f"{stem.name}.txt").read_bytes().decode()
        assert text == note
        for fragments in parsed(stem.with_name(f"{stem.name}.ann").read_bytes().decode(), text):
            n_split += len(fragments) > 1
            start, end = fragments[0][0], fragments[-1][1]
            covered = {at for a, b in fragments for at in range(a, b)}
            assert not set(text[start:end]) & set("\n\r\t") or len(fragments) > 1
            assert all(text[at].isspace() for at in range(start, end) if at not in covered)
            found.add((note_id, start, end))
    assert found == run.spans()
    assert n_split > 10
    configuration = (run.out / "brat" / "annotation.conf").read_text()
    assert configuration.startswith("[entities]\ntest\n")


def test_a_folder_that_is_no_export_is_left_alone(tmp_path: Path) -> None:
    pl.DataFrame({"note_id": ["1"], "text": ["fever"]}).write_csv(tmp_path / "notes.csv")
    notes, mine = read_notes(tmp_path / "notes.csv"), tmp_path / "out" / "brat" / "mine.ann"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    with pytest.raises(InputError, match=r"no run of this program wrote.*: got brat/mine\.ann; type --overwrite"):
        code_notes(notes, mapper(), tmp_path / "out", Settings(formats=("brat",)))
    assert mine.read_text() == "precious"
    mine.unlink()
    code_notes(notes, mapper(), tmp_path / "out", Settings(formats=("brat",)))
    code_notes(notes, mapper(), tmp_path / "out", Settings(formats=("brat",), include=("negated",)))
    assert sorted(path.name for path in mine.parent.iterdir()) == ["1.ann", "1.txt", "annotation.conf"]
    code_notes(notes, mapper(), tmp_path / "out", Settings())
    assert not mine.parent.exists()


@pytest.mark.parametrize("note_id", ["..", ".hidden", "a/b\\c", "x" * 300, "nul\0", "%41", "CON:1", "é" * 100])
def test_file_names_are_harmless_and_different(note_id: str) -> None:
    stem = file_name(note_id)
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]{1,140}", stem)
    assert not stem.startswith(".")
    assert stem != file_name(f"{note_id}x")
