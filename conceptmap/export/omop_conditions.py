"""OMOP CDM v5.4: the table CONDITION_OCCURRENCE as CSV, a row per accepted code and standard concept of a patient.

It stands beside NOTE_NLP, with the same concept ids. A condition is what a note affirms of its patient: codes whose
every mention is denied, of somebody else or only feared are left out, and, where Athena's files say so, those whose
standard concept belongs to another table (Observation, Procedure, Measurement).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import TracebackType

import polars as pl

from conceptmap.export.csv import CsvFile
from conceptmap.export.omop import ConceptIds, day

__all__ = ["CONDITIONS", "CONDITION_OCCURRENCE", "ConditionFile"]

CONDITIONS = "condition_occurrence.csv"
_TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "condition_occurrence_id": pl.Int64,
    "person_id": pl.Int64,
    "condition_concept_id": pl.Int64,
    "condition_start_date": pl.Date,
    "condition_start_datetime": pl.Datetime("us"),
    "condition_end_date": pl.Date,
    "condition_end_datetime": pl.Datetime("us"),
    "condition_type_concept_id": pl.Int64,
    "condition_status_concept_id": pl.Int64,
    "stop_reason": pl.String,
    "provider_id": pl.Int64,
    "visit_occurrence_id": pl.Int64,
    "visit_detail_id": pl.Int64,
    "condition_source_value": pl.String,
    "condition_source_concept_id": pl.Int64,
    "condition_status_source_value": pl.String,
}
CONDITION_OCCURRENCE = pl.Schema(_TYPES)
"""Columns in the order of the CDM."""
_BY_NLP = 32858
"""OMOP's type concept "NLP"."""
_STATUS = {"principal": 32902, "secondary": 32908}
"""Primary and secondary diagnosis, OMOP's condition status."""
_NO_CONDITION = ("history", "status", "external")
"""Roles that are no conditions, where Athena's files do not say what a concept is."""
_WIDEST = 50
_INTEGER = r"^-?\d{1,18}$"


class ConditionFile:
    """``condition_occurrence.csv``.

    Attributes:
        counts: rows written.
    """

    def __init__(
        self, folder: Path, *, ids: ConceptIds | None, date: str | None, spreadsheet_safe: bool = False
    ) -> None:
        self.counts = {"condition_occurrence": 0}
        self._ids, self._date, self._strangers = ids, day(date), 0
        self._file = CsvFile(folder / CONDITIONS, CONDITION_OCCURRENCE, safe=spreadsheet_safe)

    def __enter__(self) -> ConditionFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def notices(self) -> tuple[str, ...]:
        """What is missing."""
        if not self._strangers:
            return ()
        said = f"{CONDITIONS} leaves out {self._strangers:,} notes without a person_id that is an integer"
        return (f"{said}: OMOP's persons are numbers",)

    def write(self, notes: pl.DataFrame, mentions: pl.DataFrame, codes: pl.DataFrame) -> None:
        """Append the conditions of some notes."""
        people = _people(notes, self._date)
        self._strangers += people["person_id"].null_count()
        rows = _affirmed(codes, mentions).join(people.drop_nulls("person_id"), on="note_id", maintain_order="left")
        if self._ids is None:
            rows = rows.filter(~pl.col("role").is_in(_NO_CONDITION).fill_null(value=False))
            rows = rows.with_columns(source_id=pl.lit(0, pl.Int64), standard_id=pl.lit(0, pl.Int64))
        else:
            rows = self._ids.added(rows)
            if self._ids.conditions is not None:
                known = [*self._ids.conditions, 0]
                rows = rows.filter(pl.col("standard_id").is_in(known))
        first = self.counts["condition_occurrence"] + 1
        table = rows.with_row_index("condition_occurrence_id", offset=first).select(
            "condition_occurrence_id",
            "person_id",
            condition_concept_id="standard_id",
            condition_start_date="date",
            condition_type_concept_id=pl.lit(_BY_NLP),
            condition_status_concept_id=pl.col("role").replace_strict(_STATUS, default=0, return_dtype=pl.Int64),
            visit_occurrence_id="visit",
            condition_source_value=pl.col("code").str.slice(0, _WIDEST),
            condition_source_concept_id="source_id",
            condition_status_source_value=pl.col("role").str.slice(0, _WIDEST),
        )
        lacking = [pl.lit(None, dtype=kind).alias(name) for name, kind in _TYPES.items() if name not in table.columns]
        table = table.with_columns(lacking).select(pl.col(name).cast(kind) for name, kind in _TYPES.items())
        self._file.write(table)
        self.counts["condition_occurrence"] += table.height


def _people(notes: pl.DataFrame, date: dt.date) -> pl.DataFrame:
    """``note_id, person_id, visit, date``: numbers, null where they are none; the note's date, else the given one."""
    for name in ("person_id", "encounter_id", "note_date"):
        if name not in notes.columns:
            notes = notes.with_columns(pl.lit(None, dtype=pl.String).alias(name))
    seen = pl.col("note_date").cast(pl.String).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    return notes.select(
        "note_id", _number("person_id"), _number("encounter_id").alias("visit"), date=seen.fill_null(pl.lit(date))
    )


def _number(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String).str.strip_chars()
    return pl.when(text.str.contains(_INTEGER)).then(text).cast(pl.Int64).alias(name)


def _affirmed(codes: pl.DataFrame, mentions: pl.DataFrame) -> pl.DataFrame:
    """The codes with a mention that is affirmed of the patient, and those that rest on none."""
    of_patient = ~pl.col("negated").fill_null(value=False) & (pl.col("subject").fill_null("patient") == "patient")
    of_patient &= pl.col("temporality").fill_null("recent") != "hypothetical"
    said = mentions.filter(pl.col("rank") == 1).select("note_id", "mention_id", said=of_patient)
    said = said.group_by("note_id", "mention_id").agg(pl.col("said").any())
    rows = codes.with_row_index("_row")
    evidence = rows.select("_row", "note_id", mention_id=pl.col("evidence").fill_null("").str.split(" "))
    evidence = evidence.explode("mention_id").join(said, on=["note_id", "mention_id"])
    denied = evidence.group_by("_row").agg(pl.col("said").any()).filter(~pl.col("said"))
    return rows.join(denied, on="_row", how="anti", maintain_order="left").drop("_row")
