"""From mentions and what is said of them to one concept for both, out of the release's own definitions, else names.

Of several situations of a finding the one that says no more than the context comes first, then the sufficiently defined
one, then the lower code. What is absent, suspected … is absent of the finding alone: without "no pneumonia" a release
may still hold "no disease", which would say more than the note did. What is past, suspected or the family's, a concept
above it says too, more vaguely; that is given only where it is asked for, and marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import polars as pl

from conceptmap.frames import SITUATIONS
from conceptmap.ontology.ontology import Ontology
from conceptmap.situations.names import named_situations

__all__ = ["LEFT_ALONE", "Situations", "said_of"]

LEFT_ALONE = frozenset({"icd10cm", "icd10"})
"""Classifications whose chapter of circumstances has rules of its own: see ``coding/histories.py``."""

_BY_DEFINITION, _BY_NAME, _ITSELF = "definition", "name", "itself"
_FOUND = ("situation_code", "situation_name", "by", "of_code", "of_name")
_DEFINED = ("node", "finding", "context", "general", "defined")
_VAGUER_ABOVE = frozenset({"family", "historical", "suspected"})


class _Situation(NamedTuple):
    """One way to say a finding and its context; the least is the best."""

    by_name: bool
    special: bool
    primitive: bool
    node: str


def said_of(mentions: pl.DataFrame) -> pl.Series:
    """The context of each mention in one word, null where nothing but the finding itself is said, or no situation.

    What is hypothetical, of somebody outside the family, or probably not so, is none; what is possible of the past or
    of the family neither.

    Args:
        mentions: columns ``negated, subject, temporality, certainty`` of ``frames.ANNOTATIONS``.
    """
    negated, past = pl.col("negated"), pl.col("temporality") == "historical"
    mine, sure = pl.col("subject") == "patient", pl.col("certainty") == "certain"
    family = (pl.col("subject") == "family") & sure
    said = (
        pl.when((pl.col("temporality") == "hypothetical") | negated.is_null())
        .then(None)
        .when(family)
        .then(pl.when(negated).then(pl.lit("family negated")).otherwise(pl.lit("family")))
        .when(mine & sure & negated)
        .then(pl.when(past).then(pl.lit("negated historical")).otherwise(pl.lit("negated")))
        .when(mine & sure & past)
        .then(pl.lit("historical"))
        .when(mine & ~sure & ~negated & ~past)
        .then(pl.lit("suspected"))
    )
    return mentions.select(said.cast(pl.String).alias("context"))["context"]


@dataclass(frozen=True, eq=False)
class Situations:
    """The situations of some releases.

    Attributes:
        ontologies: by system.
    """

    ontologies: Mapping[str, Ontology]

    @classmethod
    def of(cls, ontologies: Iterable[Ontology]) -> Situations:
        """Those of these releases; a classification with rules of its own has none."""
        return cls({one.system: one for one in ontologies if one.system not in LEFT_ALONE})

    def rows(self, mentions: pl.DataFrame, *, nearest: bool = False) -> pl.DataFrame:
        """Returns a row per mention whose context is one that situations say, and per mention that is a situation.

        Args:
            mentions: a mention × rank a row (``frames.ANNOTATIONS``); the best of each counts.
            nearest: also situations of concepts above the mention's, where it has none.

        Returns:
            Schema ``frames.SITUATIONS``; ``situation_code`` is null where the release has no such situation.
        """
        best = mentions.filter((pl.col("rank") == 1) & pl.col("code").is_not_null())
        best = best.filter(pl.col("system").is_in(list(self.ontologies)))
        best = best.with_columns(said_of(best))
        asked = best.select("system", "code", "context").unique(maintain_order=True)
        found = [(*key, *self._found(*key, nearest=nearest)) for key in asked.iter_rows()]
        columns = ["system", "code", "context", "said", *_FOUND]
        answers = pl.DataFrame(found, schema=dict.fromkeys(columns, pl.String), orient="row")
        keys = ["system", "code", "context"]
        rows = best.join(answers, on=keys, how="left", maintain_order="left", nulls_equal=True)
        rows = rows.drop("context").rename({"said": "context"}).drop_nulls("context")
        return rows.select(SITUATIONS.names())

    def _found(self, system: str, code: str, context: str | None, *, nearest: bool) -> tuple[str | None, ...]:
        """The context, and the columns ``_FOUND`` of a concept in it."""
        release = self._of_system(system)
        node = release.ontology.find(code)
        if node is not None and node in release.itself:
            own = release.itself[node]
            return own.context, *release.named(node), _ITSELF, *release.named(own.finding)
        if node is None or context is None:
            return None, *[None] * len(_FOUND)
        of = node if (node, context) in release.best else None
        if of is None and nearest and context in _VAGUER_ABOVE:
            of = release.above(node, context)
        if of is None:
            return context, *[None] * len(_FOUND)
        best = release.best[of, context]
        how = _BY_NAME if best.by_name else _BY_DEFINITION
        return context, *release.named(best.node), how, *release.named(of)

    def _of_system(self, system: str) -> _Release:
        if system not in self._releases:
            self._releases[system] = _Release(self.ontologies[system])
        return self._releases[system]

    @cached_property
    def _releases(self) -> dict[str, _Release]:
        return {}


class _Itself(NamedTuple):
    """What a concept that is a situation says."""

    context: str
    finding: str


@dataclass(frozen=True, eq=False)
class _Release:
    """The situations of one release, by finding and context."""

    ontology: Ontology

    @cached_property
    def _rows(self) -> list[tuple[str, str, str, _Situation]]:
        """Finding, context, node and its place among others, the best first."""
        told = self.ontology.situations
        rows, defined = [], set()
        if told is not None:
            for node, finding, context, general, full in told.select(_DEFINED).iter_rows():
                rows.append((finding, context, node, _Situation(False, not general, not full, node)))
                defined.add(node)
        for node, finding, context in named_situations(self.ontology.concepts, self.ontology.terms).iter_rows():
            if node not in defined:
                rows.append((finding, context, node, _Situation(True, False, False, node)))
        return sorted(rows, key=lambda row: row[3])

    @cached_property
    def best(self) -> dict[tuple[str, str], _Situation]:
        """The situation of a finding in a context."""
        found: dict[tuple[str, str], _Situation] = {}
        for finding, context, _, one in self._rows:
            found.setdefault((finding, context), one)
        return found

    @cached_property
    def itself(self) -> dict[str, _Itself]:
        """What each situation says."""
        found: dict[str, _Itself] = {}
        for finding, context, node, _ in self._rows:
            found.setdefault(node, _Itself(context, finding))
        return found

    def above(self, node: str, context: str) -> str | None:
        """The nearest concept above that has a situation; of several as near the one deepest in the hierarchy."""
        seen: set[str] = set()
        front = set(self.ontology.parents(node))
        while front:
            if having := [one for one in front if (one, context) in self.best]:
                return min(having, key=lambda one: (-self.ontology.depth(one), one))
            seen |= front
            front = {up for one in front for up in self.ontology.parents(one)} - seen
        return None

    def named(self, node: str) -> tuple[str, str]:
        """Code and name of a node."""
        return self.ontology.concepts["code"][self.ontology.positions[node]], self.ontology.name(node)
