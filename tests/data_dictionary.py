"""The data dictionary: ``make outputs`` writes docs/outputs.md anew from the schemas and from a run over one note.

Every column of a schema needs a line in ``COLUMNS``, and an example in the run or in the line.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import polars as pl

from conceptmap.batch import Settings, code_notes
from conceptmap.batch.mapped import MAPPED_CODES
from conceptmap.coding.reporting.roles import ROLES
from conceptmap.coding.reporting.setting import SETTINGS
from conceptmap.export.brat import COLUMNS as BRAT_NOTES
from conceptmap.export.brat import VALUES
from conceptmap.export.omop import NOTE_NLP, OMOP_NOTES
from conceptmap.export.omop_conditions import CONDITION_OCCURRENCE
from conceptmap.export.wide import WIDE_COLUMNS
from conceptmap.frames import ANNOTATIONS, CODES_ROLLED_UP, MENTIONS, SITUATIONS, SPANS, TAGS
from conceptmap.mapper import ConceptMapper
from conceptmap.notes.notes import read_notes
from conceptmap.ontology.concepts import SYSTEMS

PAGE = Path(__file__).parents[1] / "docs" / "outputs.md"
NOTE = """Admission Date: 2031-05-02

History of present illness: 71 y/o man with atrial fibrillation on apixaban, type 2 diabetes and CKD stage 3b, brought
in with pneumonia and fever. Denies chest pain.

Past medical history: hypertension, chronic systolic heart failure, former smoker.

Family history: mother had colon cancer.

Hospital course: Pneumonia treated with ceftriaxone, atrial fibrillation rate controlled. Iron deficiency and
hypomagnesemia repleted. Acute prostatitis found on exam.

Discharge diagnosis:
1. Pneumonia
2. Atrial fibrillation
3. Acute on chronic systolic heart failure
"""


class Line(NamedTuple):
    """What a column is, which values it has, and an example where the run has none."""

    meaning: str
    values: str = ""
    example: str = ""


def _listed(values: object) -> str:
    return ", ".join(f"`{value}`" for value in values)  # type: ignore[attr-defined]


_SHARE = "0 to 1"
_OMOP = {"Int64": "integer", "String": "text", "Date": "date", "Datetime(time_unit='us', time_zone=None)": "moment"}
COLUMNS: dict[str, dict[str, Line]] = {
    "": {  # whatever the table
        "note_id": Line("the note, as it was given", "text"),
        "mention_id": Line("the mention in its note, in reading order", "`m1`, `m2`, …"),
        "start_char": Line("where it begins in the note", "code points, from 0"),
        "end_char": Line("one past its last character: `note[start_char:end_char] == text`", "code points"),
        "text": Line("its words", "text of the note"),
        "rank": Line("place in its list", "1 for the best"),
        "system": Line("the classification", _listed(sorted(SYSTEMS))),
        "code": Line("the code", "with its point"),
        "name": Line("what the release calls it", "text"),
        "score": Line("the cosine between words and concept; without an encoder between their bags of words", _SHARE),
        "confidence": Line("orders the list: how surely this is what was written. No probability", _SHARE),
        "why": Line("why the concept stands there, in words", "title found in the text, near in meaning, …"),
        "section": Line("heading that the words stand under", "nothing where there is none"),
        "negated": Line("whether the text denies it", "true, false"),
        "subject": Line("whose it is", _listed(VALUES["subject"])),
        "temporality": Line("when it is", _listed(VALUES["temporality"])),
        "certainty": Line("how sure the text is", _listed(VALUES["certainty"])),
        "rollup_code": Line("the target of `--rollup` above the code; several with a bar between them", "a code"),
        "rollup_name": Line("and its name", "text"),
        "snippet": Line("the words around it, no further than its sentence", "60 characters at most"),
        "probability": Line("that the concept is right, where an adapter judges it", _SHARE, "0.87"),
    },
    "codes": {
        "score": Line("how well the words support the code; higher is surer", _SHARE),
        "billable": Line("whether the code may be billed", "true, false; nothing where the release does not say"),
        "rank": Line(
            "place in the note: by role, then `probability` (else `score`), then `start_char`", "1 for the first"
        ),
        "evidence": Line("the mentions that support it", "`mention_id`s, blanks between them"),
        "role": Line("what the code is for the note; one is the principal. ICD-10-CM alone", _listed(ROLES)),
        "setting": Line("the kind of note", _listed(SETTINGS)),
        "poa": Line("present on admission", "`Y`, `N`, `U` (not said), or nothing"),
        "probability": Line("that a coder would report it", _SHARE, "0.87"),
        "text": Line("the words that support it, with how often they stand in the note", "most frequent first"),
        "section": Line("heading of the mention that supports it best", "nothing where there is none"),
        "start_char": Line("where that mention begins", "code points, from 0"),
        "snippet": Line("the words around that mention", "60 characters at most"),
        "excludes": Line("codes of the note that may not stand beside it (Excludes1)", "codes, semicolons"),
        "code_first": Line("what has to be coded before it and is not, or is missing", "codes or ranges, semicolons"),
        "use_additional": Line("what has to be coded beside it and is missing", "codes or ranges, semicolons"),
        "combined_from": Line("the codes that it says in one", "codes, semicolons"),
        "rests_on": Line(
            "with a code adapter: what of the note speaks for it, and how often coders gave it where that stood",
            "text; semicolons between mentions and words",
            "mentions of it (right in 7 of 9 notes)",
        ),
        "weighed": Line(
            "with a code adapter: the five features that moved its probability most",
            "text, each with the logits that it adds",
            "coders gave it to training notes (+0.8)",
        ),
        "reason": Line("in `candidates`: why a rule took it away", "text; nothing for what stands"),
        "notes": Line("what a coder should know of it", "sentences, semicolons"),
    },
    "mentions": {
        "text": Line("its words, white space as single blanks", "text of the note"),
        "context": Line(
            "what the text says of it", "`affirmed`, or what is not so: `negated`, `family`, `historical`, …"
        ),
        "supports": Line("the codes of the note that rest on it", "codes, semicolons"),
    },
    "annotations": {
        "rank": Line(
            "place among the concepts of the mention", "1 for the best; 0 where an adapter finds all improbable"
        ),
        "evidence": Line("what speaks for the concept", "`lexical`, `vector`, `both`, `stated`"),
        "release": Line("version of the classification", "text"),
        "encoder": Line("what made the vectors", "a name, or `none`"),
    },
    "tags": {
        "token_index": Line("the token in its note", "from 0", "17"),
        "score": Line("the cosine; of a token that is tagged with nothing that of the nearest concept", _SHARE),
    },
    "mapped": {
        "role": Line("of the code, as in `codes`", _listed(ROLES)),
        "now_code": Line("what a retired code is today", "a code", "I26.99"),
        "now_reason": Line("why", "text", "replaced by"),
        "to_system": Line("what it is mapped to", "a classification", "icd10cm"),
        "to_code": Line("the target", "a code, or nothing", "E11.22"),
        "to_name": Line("and its name", "text", "Type 2 diabetes mellitus with diabetic chronic kidney disease"),
        "map_status": Line("what came of it", "`mapped`, `presumed`, `not assessable`, `no target`, …", "mapped"),
        "map_missing": Line("what is not known and would have to be", "text, semicolons", "the age at onset"),
        "map_candidates": Line("what the target may be", "codes, semicolons", "J45.20; J45.30"),
        "map_route": Line(
            "how it leads there", "`map`, `cross-reference`, `over` a UMLS concept, `broader or other meaning`", "map"
        ),
        "map_set": Line("the map set", "an id", "6011000124106"),
        "map_group": Line("the group of the rule: one target from each", "from 1", "1"),
        "map_priority": Line("its place in the group", "from 1", "2"),
        "map_rule": Line("the rule", "as the release prints it", "OTHERWISE TRUE"),
        "map_advice": Line("what the release advises", "text", "ALWAYS E11.9"),
        "map_category": Line("the release's category of the map", "text", "properly classified"),
    },
    "situations": {
        "release": Line("version of the system", "text"),
        "code": Line("what is negated, the family's …", "a code", "38341003"),
        "name": Line("its name", "text", "Hypertensive disorder"),
        "context": Line(
            "what is said of it",
            "`negated`, `historical`, `negated historical`, `suspected`, `family`, `family negated`",
            "family",
        ),
        "situation_code": Line("the concept that says both", "a code, or nothing", "160357008"),
        "situation_name": Line("and its name", "text", "Family history of hypertension"),
        "by": Line(
            "what tells that", "`definition` of the release, `name`, or `itself`: the mention names it", "definition"
        ),
        "of_code": Line("what that concept is about; not `code` with `--situations nearest`", "a code", "38341003"),
        "of_name": Line("and its name", "text", "Hypertensive disorder"),
    },
    "wide": {
        "principal": Line("the principal diagnosis", "a code, or nothing"),
        "codes": Line("all codes in their order", "codes, semicolons"),
        "n_codes": Line("how many", "0 or more"),
    },
    "note_nlp": {
        name: Line("as the OMOP CDM v5.4 has it", _OMOP.get(str(dtype), "")) for name, dtype in NOTE_NLP.items()
    },
    "condition_occurrence": {
        name: Line("as the OMOP CDM v5.4 has it", _OMOP.get(str(dtype), ""))
        for name, dtype in CONDITION_OCCURRENCE.items()
    },
    "omop_notes": {
        "note_id": Line("number of the note in `note_nlp`", "from 1"),
        "note_source_value": Line("its `note_id` as it was given", "text"),
    },
    "brat_notes": {
        "file": Line("its files are `brat/FILE.txt` and `brat/FILE.ann`", "a name"),
        "txt_sha256": Line("what was written into the first", "64 hexadecimal digits"),
        "ann_sha256": Line("and into the second", "64 hexadecimal digits"),
    },
    "spans": {
        "score": Line("the mean of both cosines; without an encoder the strength of the wording", _SHARE),
        "note_id": Line("as in the spans given", "text"),
    },
}
TABLES: dict[str, tuple[str, pl.Schema, str]] = {
    "codes": (
        "codes",
        CODES_ROLLED_UP,
        "A row per note and accepted code, in a coder's order; `rollup_code` and `rollup_name` with `--rollup`. Then "
        "the carried columns. `candidates` (with `--candidates N`) has the same columns for the N best codes of each "
        "note, accepted or not.",
    ),
    "mentions": (
        "mentions",
        MENTIONS,
        "For people: a row per mention (and system) with its best concept. Then the carried columns. What is the same "
        "in every row, such as the release, stands in `run.json`.",
    ),
    "annotations": (
        "annotations",
        ANNOTATIONS,
        "For programs: a row per mention and ranked concept. Then the carried columns.",
    ),
    "tags": (
        "tags",
        TAGS,
        "With `--tags`: a row per token and ranked concept; one without a code where a token has none.",
    ),
    "mapped": ("mapped", MAPPED_CODES, "With `--map SYSTEM`: a row per note, code and target."),
    "situations": (
        "situations",
        SITUATIONS,
        "With `--situations`: a row per mention that is negated, historical, suspected or the family's, with the "
        "concept that says both where the release has one (not ICD-10-CM, whose codes Z80-Z87 stand among `codes`).",
    ),
    "wide": (
        "wide.csv",
        WIDE_COLUMNS,
        "With `--format wide`: a row per note, then the carried columns. Beside it `matrix.parquet`: `note_id`, and "
        "for each code of the run a column that is 1 where the note has it, else 0 (`system:code` where there are "
        "several systems).",
    ),
    "note_nlp": (
        "note_nlp.csv",
        NOTE_NLP,
        "With `--format omop`: a row per mention and standard concept ([how](batch.md)).",
    ),
    "condition_occurrence": (
        "condition_occurrence.csv",
        CONDITION_OCCURRENCE,
        "With `--format omop`: a row per code that the note affirms of its patient and standard concept "
        "([how](batch.md)).",
    ),
    "omop_notes": (
        "omop_notes.csv",
        OMOP_NOTES,
        "With `--format omop`, where note ids are no numbers: a row per note.",
    ),
    "brat_notes": ("brat_notes.csv", BRAT_NOTES, "With `--format brat`: a row per note of the folder `brat`."),
    "spans": ("conceptmap spans -o", SPANS, "What `spans` writes: a row per given span and ranked concept."),
}
BEGIN, END = "<!-- begin of what make outputs writes -->\n", "<!-- end of what make outputs writes -->\n"


def run(folder: Path) -> dict[str, pl.DataFrame]:
    """Every table that one note gives without an encoder, as text."""
    frame = pl.DataFrame({"note_id": ["note-1"], "text": [NOTE], "person_id": ["1"]})
    frame.write_csv(folder / "notes.csv")
    asked = Settings(formats=("csv", "wide", "omop", "brat"), candidates=99, rollup="category", date="2031-05-09")
    code_notes(read_notes(folder / "notes.csv"), ConceptMapper.load("icd10cm", encoder=None), folder / "out", asked)
    return {path.stem: pl.read_csv(path, infer_schema=False) for path in (folder / "out").glob("*.csv")}


def line_of(table: str, column: str) -> Line:
    """What is said of a column.

    Raises:
        KeyError: nothing is.
    """
    own = COLUMNS.get(table, {})
    return own[column] if column in own else COLUMNS[""][column]


def example(table: str, column: str, found: dict[str, pl.DataFrame]) -> str:
    """A value of a column, from the table or from the others that have it.

    Raises:
        KeyError: there is none.
    """
    if given := line_of(table, column).example:
        return given
    if (
        table in found
        and column in found[table].columns
        and table in ("note_nlp", "condition_occurrence")
        and found[table][column].is_null().all()
    ):
        return "left empty"
    for name in (table, "annotations", "candidates"):
        frame = found.get(name)
        for value in frame[column].to_list() if frame is not None and column in frame.columns else ():
            if value not in (None, ""):
                return f"{float(value):.2f}" if column in ("score", "confidence") else _short(value)
    raise KeyError(f"no example of {table}.{column}")


def _short(value: str) -> str:
    return (value if len(value) <= 60 else value[:59] + "…").replace("|", "¦")


def page() -> str:
    """The page with its tables anew; what stands around them is written by hand."""
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder))
    parts = [text[: text.index(BEGIN) + len(BEGIN)]]
    for table, (title, schema, said) in TABLES.items():
        parts.append(f"\n## {title}\n\n{said}\n\n| column | what it is | values | example |\n|---|---|---|---|\n")
        for column in schema:
            line = line_of(table, column)
            parts.append(f"| `{column}` | {line.meaning} | {line.values} | `{example(table, column, found)}` |\n")
    return "".join([*parts, "\n", text[text.index(END) :]])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
