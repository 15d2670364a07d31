"""OMOP CDM v5.4: the table NOTE_NLP as CSV, a row per mention and standard concept.

Concept ids are OMOP's own. They come from the vocabulary files that users download from Athena; without these, both
concept columns are 0, which is what OMOP writes for "no matching concept".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.errors import InputError
from conceptmap.export.csv import CsvFile, spreadsheet_safe

if TYPE_CHECKING:
    from conceptmap.index.index import ConceptIndex

__all__ = ["NOTE_NLP", "ConceptIds", "OmopFiles", "day"]

_TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "note_nlp_id": pl.Int64,
    "note_id": pl.Int64,
    "section_concept_id": pl.Int64,
    "snippet": pl.String,
    "offset": pl.String,
    "lexical_variant": pl.String,
    "note_nlp_concept_id": pl.Int64,
    "note_nlp_source_concept_id": pl.Int64,
    "nlp_system": pl.String,
    "nlp_date": pl.Date,
    "nlp_datetime": pl.Datetime("us"),
    "term_exists": pl.String,
    "term_temporal": pl.String,
    "term_modifiers": pl.String,
}
NOTE_NLP = pl.Schema(_TYPES)
"""Columns in the order of the CDM."""
OMOP_NOTES = pl.Schema({"note_id": pl.Int64, "note_source_value": pl.String})

VOCABULARIES = {"icd10cm": "ICD10CM", "icd10": "ICD10", "snomedct": "SNOMED", "hp": "HPO", "mondo": "MONDO"}
"""What Athena calls our systems. UMLS is none of its vocabularies."""
WIDEST, MODIFIERS = 250, 2000
AROUND = 80
"""Characters of the snippet on either side of a mention."""
_SPAN = ("note_id", "start_char", "end_char")


@dataclass(frozen=True)
class ConceptIds:
    """OMOP's ids of the concepts of the loaded indexes.

    Attributes:
        source: columns system, code, source_id.
        standard: columns source_id, standard_id: what each maps to; a standard concept maps to itself.
        conditions: standard ids in the domain Condition; None where Athena's file does not tell domains.
    """

    source: pl.DataFrame
    standard: pl.DataFrame
    conditions: tuple[int, ...] | None = None

    @classmethod
    def read(cls, folder: str | Path, indexes: Iterable[ConceptIndex]) -> ConceptIds:
        """Read an Athena download.

        Args:
            folder: holds CONCEPT.csv and, for the standard concepts of ICD codes, CONCEPT_RELATIONSHIP.csv.
            indexes: only their codes are kept.

        Raises:
            InputError: CONCEPT.csv is missing, damaged, or knows none of the codes.
        """
        home = Path(folder)
        ours = [
            index.concepts.select(pl.lit(index.system).alias("system"), "code")
            for index in indexes
            if index.system in VOCABULARIES
        ]
        if not ours:
            raise InputError("Athena has none of the loaded systems", expected=", ".join(VOCABULARIES))
        wanted = pl.concat(ours).unique()
        names = {vocabulary: system for system, vocabulary in VOCABULARIES.items()}
        concepts = _read(
            home / "CONCEPT.csv", ["concept_id", "vocabulary_id", "concept_code", "standard_concept"], names
        )
        source = concepts.select(
            pl.col("vocabulary_id").replace_strict(names).alias("system"),
            pl.col("concept_code").alias("code"),
            pl.col("concept_id").alias("source_id"),
            (pl.col("standard_concept") == "S").fill_null(value=False).alias("is_standard"),
        ).join(wanted, on=["system", "code"], how="semi")
        if not source.height:
            raise InputError(f"{home / 'CONCEPT.csv'} knows none of the codes", got=f"{wanted.height:,} codes")
        source = source.sort("source_id").unique(["system", "code"], keep="first", maintain_order=True)
        standard = _standard(home / "CONCEPT_RELATIONSHIP.csv", source)
        return cls(source.drop("is_standard"), standard, _conditions(home / "CONCEPT.csv", standard["standard_id"]))

    def added(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with source_id and standard_id, a row for each standard concept; 0 where there is none."""
        found = rows.join(self.source, on=["system", "code"], how="left", maintain_order="left")
        found = found.join(self.standard, on="source_id", how="left", maintain_order="left_right")
        return found.with_columns(pl.col("source_id", "standard_id").fill_null(0))


def _read(path: Path, columns: list[str], vocabularies: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Columns of one of Athena's files: tabs between, no quotes. Columns ending in ``_id`` hold numbers, mostly."""
    if not path.is_file():
        raise InputError(f"cannot read {path}", got="no such file", expected="a folder with Athena's CONCEPT.csv")
    numbers = [name for name in columns if name.startswith("concept_id")]
    try:
        rows = pl.scan_csv(path, separator="\t", quote_char=None, infer_schema=False).select(columns)
        if vocabularies is not None:
            rows = rows.filter(pl.col("vocabulary_id").is_in(list(vocabularies)))
        else:
            rows = rows.filter(pl.col("relationship_id") == "Maps to", pl.col("invalid_reason").fill_null("") == "")
        return rows.with_columns(pl.col(numbers).cast(pl.Int64)).collect()
    except pl.exceptions.PolarsError as error:
        expected = "tab-separated columns " + ", ".join(columns)
        raise InputError(f"cannot read {path}", got=type(error).__name__, expected=expected) from error


def _standard(path: Path, source: pl.DataFrame) -> pl.DataFrame:
    own = source.filter("is_standard").select("source_id", standard_id="source_id")
    if not path.is_file():
        return own
    columns = ["concept_id_1", "concept_id_2", "relationship_id", "invalid_reason"]
    maps = _read(path, columns).select(source_id="concept_id_1", standard_id="concept_id_2")
    return pl.concat([own, maps.join(source, on="source_id", how="semi")]).unique().sort("source_id", "standard_id")


def _conditions(path: Path, standard: pl.Series) -> tuple[int, ...] | None:
    rows = pl.scan_csv(path, separator="\t", quote_char=None, infer_schema=False)
    if "domain_id" not in rows.collect_schema():
        return None
    wanted = pl.col("concept_id").is_in(standard.unique().cast(pl.String).implode())
    found = rows.filter(pl.col("domain_id") == "Condition", wanted).select(pl.col("concept_id").cast(pl.Int64))
    return tuple(sorted(found.collect().to_series()))


class OmopFiles:
    """``note_nlp.csv`` and, where the notes' ids are no integers, ``omop_notes.csv``, which says which number is whose.

    Attributes:
        counts: rows written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ids: ConceptIds | None,
        date: str | None,
        integer_ids: bool,
        spreadsheet_safe: bool = False,
    ) -> None:
        self.counts = {"note_nlp": 0}
        self._safe = spreadsheet_safe
        self._ids, self._integer_ids, self._notes, self._without_id = ids, integer_ids, 0, 0
        self._date = day(date)
        with ExitStack() as stack:
            self._file = CsvFile(folder / "note_nlp.csv", NOTE_NLP, safe=spreadsheet_safe)
            stack.callback(self._file.close)
            if not integer_ids:
                self._names = CsvFile(folder / "omop_notes.csv", OMOP_NOTES, safe=spreadsheet_safe)
                stack.callback(self._names.close)
            self._stack = stack.pop_all()

    def __enter__(self) -> OmopFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def write(self, notes: pl.DataFrame, mentions: pl.DataFrame) -> None:
        """Append the best concept of every mention."""
        numbers = self._numbers(notes)
        rows = mentions.filter(pl.col("rank") == 1)
        rows = rows.with_columns(snippet=pl.Series(_snippets(notes, rows), dtype=pl.String))
        if self._ids is None:
            rows = rows.with_columns(source_id=pl.lit(0, pl.Int64), standard_id=pl.lit(0, pl.Int64))
        else:
            rows = self._ids.added(rows)
        self._without_id += rows.filter(pl.col("standard_id") == 0).height
        rows = rows.join(numbers, on="note_id", how="left", maintain_order="left")
        first = self.counts["note_nlp"] + 1
        table = rows.with_row_index("note_nlp_id", offset=first).select(_columns(self._date))
        table = table.select(pl.col(name).cast(dtype) for name, dtype in NOTE_NLP.items())
        self._file.write(_narrow(spreadsheet_safe(table)) if self._safe else table)
        self.counts["note_nlp"] += table.height

    def _numbers(self, notes: pl.DataFrame) -> pl.DataFrame:
        """The integer of every note."""
        if self._integer_ids:
            return notes.select("note_id", note=pl.col("note_id").cast(pl.Int64))
        numbers = notes.select("note_id").with_row_index("note", offset=self._notes + 1)
        self._notes += notes.height
        self._names.write(numbers.select(pl.col("note").cast(pl.Int64), "note_id"))
        return numbers

    @property
    def notices(self) -> tuple[str, ...]:
        """What is missing."""
        said = []
        if self._ids is None and self.counts["note_nlp"]:
            said.append(
                "note_nlp.csv has 0 for every concept id: --athena FOLDER, with CONCEPT.csv from Athena, fills them"
            )
        elif self._without_id:
            said.append(f"note_nlp.csv has 0 for {self._without_id:,} concept ids that Athena's files do not map")
        if not self._integer_ids:
            said.append("note_nlp.csv numbers the notes, whose ids are no integers: see omop_notes.csv")
        return tuple(said)


def day(text: str | None) -> dt.date:
    """A date as people type it; today if none.

    Raises:
        InputError: it is no date.
    """
    if text is None:
        return dt.datetime.now(dt.UTC).date()
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise InputError("date is not valid", got=text, expected="YYYY-MM-DD") from error


def _snippets(notes: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """The text round each mention; by Python, which need not count a note's characters up to it again and again."""
    texts = dict(notes.select("note_id", "text").iter_rows())
    spans = [(note_id, max(start - AROUND, 0), end) for note_id, start, end in rows.select(*_SPAN).iter_rows()]
    return [texts[note_id][first : min(end + AROUND, first + WIDEST)] for note_id, first, end in spans]


def _columns(date: dt.date) -> list[pl.Expr]:
    present = pl.col("negated").fill_null(value=False).not_() & _is("subject", "patient") & _is("certainty", "certain")
    present &= pl.col("temporality").fill_null("recent") != "hypothetical"
    system = pl.format("conceptmap; {} {}; {}", "system", "release", "encoder")
    modifiers = [
        pl.when(pl.col(name).is_not_null()).then(pl.format(f"{name}={{}}", pl.col(name).cast(pl.String)))
        for name in ("negated", "subject", "temporality", "certainty", "section")
    ]
    return [
        pl.col("note_nlp_id"),
        pl.col("note").alias("note_id"),
        pl.lit(0).alias("section_concept_id"),
        pl.col("snippet"),
        pl.col("start_char").cast(pl.String).alias("offset"),
        pl.col("text").str.slice(0, WIDEST).alias("lexical_variant"),
        pl.col("standard_id").alias("note_nlp_concept_id"),
        pl.col("source_id").alias("note_nlp_source_concept_id"),
        system.str.slice(0, WIDEST).alias("nlp_system"),
        pl.lit(date).alias("nlp_date"),
        pl.lit(None).alias("nlp_datetime"),
        pl.when(present).then(pl.lit("Y")).otherwise(pl.lit("N")).alias("term_exists"),
        pl.col("temporality").alias("term_temporal"),
        pl.concat_str(modifiers, separator=";", ignore_nulls=True).str.slice(0, MODIFIERS).alias("term_modifiers"),
    ]


def _narrow(table: pl.DataFrame) -> pl.DataFrame:
    """Strings no longer than OMOP's columns are wide, now that there may be apostrophes in them."""
    wide = pl.col("snippet", "lexical_variant", "nlp_system").str.slice(0, WIDEST)
    return table.with_columns(wide, pl.col("term_modifiers").str.slice(0, MODIFIERS))


def _is(column: str, value: str) -> pl.Expr:
    """Whether a column holds a value, or nothing was found out."""
    return pl.col(column).fill_null(value) == value
