"""What a mapper finds in probes, and the figures of it: the same concept and context, by words and by vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from conceptmap.encoders.embeddings import on_host
from conceptmap.evaluation.errors import Relation, relation
from conceptmap.evaluation.sampled import Figures, Measured, mean_of, per_note
from conceptmap.frames import frame_of
from conceptmap.linking.pooling import pool
from conceptmap.mapper import ConceptMapper
from conceptmap.probing.probes import CONTEXTS, Probe
from conceptmap.probing.wordings import WORDINGS

__all__ = ["PROBES", "found", "kinds", "measured"]

PROBES = pl.Schema(
    {
        "code": pl.String,
        "name": pl.String,
        "wording": pl.String,
        "context": pl.String,
        "text": pl.String,
        "start_char": pl.Int64,
        "end_char": pl.Int64,
        "found": pl.String,
        "found_code": pl.String,
        "found_name": pl.String,
        "found_text": pl.String,
        "found_context": pl.String,
        "evidence": pl.String,
        "nearest_code": pl.String,
        "nearest_score": pl.Float64,
        "same_concept": pl.Boolean,
        "right_context": pl.Boolean,
        "nearest_same": pl.Boolean,
    }
)
"""A row per probe. ``found`` is ``same``, how near another concept is, ``situation`` (one that has the words before it,
such as "family history of asthma", and no other context), ``other`` or ``missed``; ``nearest_…`` is the concept nearest
to the words' own vectors (null without an encoder)."""
NOTES = 256
"""Probes that are read together."""


def found(mapper: ConceptMapper, asked: Sequence[Probe], *, system: str) -> pl.DataFrame:
    """Returns what is found in probes: schema ``PROBES``.

    Args:
        mapper: with the index that the probes were made from.
        asked: probes.
        system: of that index.
    """
    rows: list[tuple[object, ...]] = []
    (index,) = (index for index in mapper.indexes if index.system == system)
    near = relation(index.ontology())
    for at in range(0, len(asked), NOTES):
        some = asked[at : at + NOTES]
        notes = pl.DataFrame({"note_id": [str(i) for i in range(len(some))], "text": [probe.text for probe in some]})
        mentions = mapper.annotate_many(notes).mentions.filter((pl.col("rank") == 1) & (pl.col("system") == system))
        by_note = mentions.partition_by("note_id", as_dict=True)
        nearest = _nearest(mapper, system, some)
        for i, probe in enumerate(some):
            best = _overlapping(probe, by_note.get((str(i),)))
            rows.append(
                (*_asked(probe), *_judged(probe, best, near), *nearest[i], *_verdict(probe, best, nearest[i][0]))
            )
    return frame_of(rows, PROBES)


Row = dict[str, object]


def _asked(probe: Probe) -> tuple[object, ...]:
    return probe[:7]


def _overlapping(probe: Probe, mentions: pl.DataFrame | None) -> Row | None:
    """The mention that shares most with the wording; of equal ones a right one."""
    if mentions is None:
        return None
    inside = [
        (_shared(probe, row), row["code"] in probe.codes, -at) for at, row in enumerate(mentions.iter_rows(named=True))
    ]
    most, _, at = max(inside)
    return mentions.row(-at, named=True) if most > 0 else None


def _shared(probe: Probe, mention: Row) -> int:
    """Characters that a mention shares with the wording."""
    start, end = (int(str(mention[name])) for name in ("start_char", "end_char"))
    return min(end, probe.end_char) - max(start, probe.start_char)


def _judged(probe: Probe, best: Row | None, near: Relation) -> tuple[object, ...]:
    if best is None:
        return "missed", None, None, None, None, None
    code = str(best["code"])
    kind = "same" if code in probe.codes else near(code, probe.code) or "other"
    kind = "situation" if kind == "other" and _has_its_context(probe, best) else kind
    return kind, code, best["name"], best["text"], context_of(best), best["evidence"]


def _verdict(probe: Probe, best: Row | None, nearest: object) -> tuple[object, ...]:
    same = best is not None and best["code"] in probe.codes
    told = best is not None and (same or not _has_its_context(probe, best))
    context = context_of(best) == probe.context if best is not None and told else None
    return same, context, None if nearest is None else nearest in probe.codes


def _has_its_context(probe: Probe, best: Row) -> bool:
    """Whether a mention takes in words of the template."""
    return int(str(best["start_char"])) < probe.start_char


def context_of(mention: Row) -> str:
    """The one word for what is said of a mention: one of `CONTEXTS`.

    >>> context_of({"negated": True, "subject": "family", "temporality": "recent", "certainty": "certain"})
    'family'
    """
    if mention["subject"] not in (None, "patient"):
        return "family"
    if mention["negated"]:
        return "negated"
    times = {"hypothetical": "hypothetical", "historical": "past"}
    if mention["temporality"] in times:
        return times[str(mention["temporality"])]
    return "affirmed" if mention["certainty"] in (None, "certain") else "possible"


def _nearest(mapper: ConceptMapper, system: str, asked: Sequence[Probe]) -> list[tuple[str | None, float | None]]:
    """The concept nearest to the vectors of the wording where it stands, and the cosine; None without vectors."""
    (index,) = (index for index in mapper.indexes if index.system == system)
    if mapper.encoder is None or index.vectors is None or mapper.encoder.dim != index.dim:
        return [(None, None)] * len(asked)
    spans = [[(probe.start_char, probe.end_char)] for probe in asked]
    tokens = mapper.encoder.tokens([probe.text for probe in asked])
    vectors = np.concatenate([on_host(pool(one, span)) for one, span in zip(tokens, spans, strict=True)])
    usable = np.linalg.norm(vectors, axis=1) > 0
    answers: list[tuple[str | None, float | None]] = [(None, None)] * len(asked)
    if usable.any():
        scores, rows = index.search(vectors[usable], k=1)
        codes = dict(index.terms.select("row", "code").drop_nulls("row").iter_rows())
        for at, score, row in zip(np.flatnonzero(usable), scores[:, 0], rows[:, 0], strict=True):
            answers[at] = (codes[int(row)], float(score))
    return answers


# -- figures ----------------------------------------------------------------------------------------------------------


def measured(rows: pl.DataFrame) -> Measured:
    """Returns the figures of probes; a concept is what a sample draws.

    ``same concept`` is the share of all probes, ``right context`` that of those in which something was found, ``both``
    of all; ``nearest`` the share in which the concept nearest to the vectors is the same. ``stable`` has the share of
    concepts that are the same in every probe of theirs, in every wording where they are affirmed, and by name in every
    context.

    Args:
        rows: schema ``PROBES``.
    """
    codes = rows["code"].unique().sort()
    rows = rows.rename({"code": "note_id"})
    figures: Figures = _shares("all", rows, codes)
    for column, names in (("wording", WORDINGS), ("context", CONTEXTS)):
        for name in names:
            if (some := rows.filter(pl.col(column) == name)).height:
                figures |= _shares(f"{column} {name}", some, codes)
    kept = {
        "in all probes": rows,
        "in all wordings": rows.filter(pl.col("context") == "affirmed"),
        "in all contexts": rows.filter(pl.col("wording") == "name"),
    }
    for name, some in kept.items():
        always = some.group_by("note_id").agg(pl.col("same_concept").all().cast(pl.Float64))
        figures["stable", name] = mean_of(per_note(codes, always, ["same_concept"])[:, 0])
    return Measured(codes.to_list(), figures, {"concepts": len(codes), "probes": rows.height})


def _shares(section: str, rows: pl.DataFrame, codes: pl.Series) -> Figures:
    flags = ["same_concept", "right_context", "nearest_same"]
    told = [pl.col(flag).is_not_null().cast(pl.Float64).alias(f"n {flag}") for flag in flags]
    both = (pl.col("same_concept") & pl.col("right_context").fill_null(value=False)).alias("both")
    sums = rows.with_columns(*told, both)
    columns = [*flags, *(f"n {flag}" for flag in flags), "both"]
    same, context, nearest, n, n_context, n_nearest, right = per_note(codes, sums, columns).T
    figures: Figures = {
        (section, "same concept"): mean_of(same, n),
        (section, "right context"): mean_of(context, n_context),
        (section, "both"): mean_of(right, n),
    }
    return figures | ({(section, "nearest"): mean_of(nearest, n_nearest)} if n_nearest.any() else {})


def kinds(rows: pl.DataFrame) -> Iterator[tuple[str, str, int]]:
    """What went wrong, how it was said, and how often: the commonest first."""
    concept = rows.filter(pl.col("found") != "same").select(what="found", how="wording")
    other = rows.filter(~pl.col("right_context")).select(
        what=pl.col("context") + " read as " + pl.col("found_context"), how="wording"
    )
    counted = pl.concat((concept, other)).group_by("what", "how").len("n")
    yield from counted.sort(["n", "what", "how"], descending=[True, False, False]).iter_rows()
