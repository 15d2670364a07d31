"""What is known of the patients that map rules ask about: sex, age now, age at onset, findings; and what is not known.

An age is an interval in every unit: "45 years" is at least 45 and under 46, two dates give it to the day. So "before
18 years" is true of one who is 12, false of one who is 45, and not assessable where the age is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from conceptmap.ontology.ontology import Ontology

__all__ = ["AGE_UNITS", "KNOWN", "around", "found_concepts", "patients"]

AGE_UNITS = ("year", "month", "day")
"""Units that an age is held in; shorter ones are parts of a day, weeks seven of them."""
KNOWN = ("sex", "age_years", "birth_date", "note_date", "onset_age_years")
"""Columns that say something of a patient."""
_DATE = r"^(\d{4}-\d\d-\d\d)"
_ENDS = ("low", "high")


def patients(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns sex (F, M or null) and the ends of the age now and at onset in each unit, a row per row of the frame.

    Args:
        frame: of ``KNOWN`` the columns that there are, dates written year first. An age in dates is exact.

    Returns:
        ``sex, age_year_low, age_year_high, age_month_low, …, onset_day_high``; the high end is not reached, unless
        both ends are equal. Null where nothing is known.

    >>> found = patients(pl.DataFrame({"sex": ["female"], "age_years": [45]}))
    >>> found.select("sex", "age_year_low", "age_year_high", "onset_year_low").row(0)
    ('F', 45.0, 46.0, None)
    """
    lacking = [pl.lit(None, dtype=pl.String).alias(name) for name in KNOWN if name not in frame.columns]
    texts = frame.with_columns(lacking).select(pl.col(KNOWN).cast(pl.String).str.strip_chars())
    sex = pl.col("sex").str.to_uppercase().str.slice(0, 1)
    told = texts.select(
        pl.when(sex.is_in(["F", "M"])).then(sex).alias("sex"),
        *_of_years(_years("age_years"), "told"),
        *_of_years(_years("onset_age_years"), "onset"),
        *_of_dates(_date("birth_date"), _date("note_date")),
    )
    now = [
        pl.coalesce(f"dated_{unit}", f"told_{unit}_{end}").alias(f"age_{unit}_{end}")
        for unit in AGE_UNITS
        for end in _ENDS
    ]
    return told.select("sex", *now, pl.col("^onset_.*$"))


def _years(name: str) -> pl.Expr:
    years = pl.col(name).cast(pl.Float64, strict=False)
    return pl.when(years.is_finite() & (years >= 0)).then(years)


def _date(name: str) -> pl.Expr:
    return pl.col(name).str.extract(_DATE).str.to_date("%Y-%m-%d", strict=False)


def _of_years(years: pl.Expr, name: str) -> Iterator[pl.Expr]:
    """The ends in each unit of an age in years: a whole number says nothing of the months beyond it."""
    upper = pl.when(years == years.floor()).then(years + 1).otherwise(years)
    shortest, longest = {"year": 1.0, "month": 12.0, "day": 365.0}, {"year": 1.0, "month": 12.0, "day": 366.0}
    for unit in AGE_UNITS:
        yield (years * shortest[unit]).alias(f"{name}_{unit}_low")
        yield (upper * longest[unit]).alias(f"{name}_{unit}_high")


def _of_dates(born: pl.Expr, seen: pl.Expr) -> Iterator[pl.Expr]:
    """The exact age between two dates: whole years and months, and the part of the next that has gone by."""
    alive = seen >= born
    months = (seen.dt.year() - born.dt.year()) * 12 + seen.dt.month().cast(pl.Int32) - born.dt.month().cast(pl.Int32)
    months = pl.when(alive).then(months - (seen.dt.day() < born.dt.day()).cast(pl.Int32))
    rest = (seen - born.dt.offset_by(pl.format("{}mo", months))).dt.total_days()
    exact = months + pl.min_horizontal(rest / 31, pl.lit(0.999))
    yield (exact / 12).alias("dated_year")
    yield exact.alias("dated_month")
    yield pl.when(alive).then((seen - born).dt.total_days().cast(pl.Float64)).alias("dated_day")


def around(concepts: Iterable[str], ontology: Ontology | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns ``concept, code`` of each concept with all codes at and below it, and with all at and above it.

    Args:
        concepts: that rules ask for.
        ontology: that they are of; None: a concept stands for itself alone.
    """
    asked = list(dict.fromkeys(concepts))
    return _around(asked, ontology, down=True), _around(asked, ontology, down=False)


def found_concepts(said: pl.DataFrame, below: pl.DataFrame, above: pl.DataFrame) -> pl.DataFrame:
    """Returns ``note, concept, truth`` for the asked concepts that something is said of.

    A finding means every concept above it too (2, true), a denied one every concept below it (0, false).

    Args:
        said: ``note, code, denied``.
        below: of :func:`around`.
        above: likewise.
    """
    parts = []
    for pairs, denied, truth in ((below, False, 2), (above, True, 0)):
        rows = said.filter(pl.col("denied") == denied).join(pairs, on="code")
        parts.append(rows.select("note", "concept", truth=pl.lit(truth, dtype=pl.Int8)))
    return pl.concat(parts).group_by("note", "concept").agg(pl.col("truth").max())


def _around(concepts: list[str], ontology: Ontology | None, *, down: bool) -> pl.DataFrame:
    """``concept, code``: each concept with all codes at and below it, or at and above it."""
    itself = pl.DataFrame({"concept": concepts, "code": concepts}, schema={"concept": pl.String, "code": pl.String})
    if ontology is None or not concepts:
        return itself
    dag, positions = ontology.dag_with_history, ontology.positions
    links = dag.down if down else dag.up
    known = [concept for concept in concepts if concept in positions]
    reached = [np.fromiter(links.reached(positions[concept]), dtype=np.int64) for concept in known]
    sizes = np.array([len(found) for found in reached], dtype=np.int64)
    at = np.concatenate(reached) if reached else np.zeros(0, dtype=np.int64)
    far = pl.DataFrame({"concept": pl.Series(known, dtype=pl.String).gather(np.repeat(np.arange(len(known)), sizes))})
    return pl.concat([itself, far.with_columns(code=ontology.concepts["code"].gather(at))])
