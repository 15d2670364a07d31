"""Cohorts: which coded notes satisfy an expression of codes, with everything below each code; no vectors needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from conceptmap.errors import InputError, UnknownCodeError, said_codes, said_columns
from conceptmap.frames import frame_of
from conceptmap.ontology.ontology import Ontology
from conceptmap.retrieval.expressions import AskedCode, Expression, parsed

__all__ = ["BRANCHES", "MEMBERS", "Cohort", "cohort"]

MEMBERS = pl.Schema({"note_id": pl.String, "codes": pl.String})
"""A row per note of a cohort; ``codes``: those of the expression's terms that it has, semicolons between."""

BRANCHES = pl.Schema({"term": pl.String, "system": pl.String, "code": pl.String, "name": pl.String, "notes": pl.Int64})
"""Notes of a cohort by term and branch: the concepts one edge below the term's code, or the code itself."""

_CONTEXT = {
    "negated": pl.col("negated").fill_null(value=False),
    "family": pl.col("subject").fill_null("patient") != "patient",
    "historical": pl.col("temporality").fill_null("") == "historical",
    "hypothetical": pl.col("temporality").fill_null("") == "hypothetical",
    "uncertain": pl.col("certainty").fill_null("certain") != "certain",
}
_OF_MENTIONS = {*_CONTEXT, "affirmed", "mentioned"}
_NEEDED = {
    "codes": ("note_id", "code"),
    "mentions": ("note_id", "code", "rank", "negated", "subject", "temporality", "certainty"),
}


@dataclass(frozen=True, eq=False)
class Cohort:
    """The notes that satisfy an expression.

    Attributes:
        expression: what was asked.
        note_ids: the notes, in the order in which they came.
        n_notes: of how many.
        found: for each term the rows that satisfy it: ``note_id, system, node``.
        ontologies: by system.
    """

    expression: Expression
    note_ids: tuple[str, ...]
    n_notes: int
    found: Mapping[AskedCode, pl.DataFrame] = field(repr=False)
    ontologies: Mapping[str, Ontology] = field(repr=False)

    def __len__(self) -> int:
        return len(self.note_ids)

    @cached_property
    def members(self) -> pl.DataFrame:
        """Schema ``MEMBERS``."""
        rows = pl.concat([frame.select("note_id", "code") for frame in self.found.values()])
        codes = rows.unique(maintain_order=True).group_by("note_id", maintain_order=True)
        joined = codes.agg(codes=pl.col("code").str.join("; "))
        asked = pl.DataFrame({"note_id": list(self.note_ids)}, schema={"note_id": pl.String})
        return asked.join(joined, on="note_id", how="left", maintain_order="left").match_to_schema(MEMBERS)

    @cached_property
    def branches(self) -> pl.DataFrame:
        """Schema ``BRANCHES``, the commonest of each term first. A note counts in each branch that it has a code of."""
        own = pl.Series(list(self.note_ids), dtype=pl.String).implode()
        rows: list[tuple[object, ...]] = []
        for term, frame in self.found.items():
            notes: dict[tuple[str, str], set[str]] = {}
            here = frame.filter(pl.col("note_id").is_in(own)).select("system", "top", "node", "note_id")
            for system, top, node, note_id in here.iter_rows():
                for branch in self._branches_of(system, top, node):
                    notes.setdefault((system, branch), set()).add(note_id)
            counted = sorted(notes.items(), key=lambda entry: (-len(entry[1]), entry[0]))
            rows += [
                (str(term), system, branch, self.ontologies[system].name(branch), len(held))
                for (system, branch), held in counted
            ]
        return frame_of(rows, BRANCHES)

    def _branches_of(self, system: str, top: str, node: str) -> Sequence[str]:
        """Children of a concept that are another one, or stand above it; the concept itself where it is the other."""
        if node == top:
            return [top]
        ontology = self.ontologies[system]
        above = ontology.ancestors(node) | {node}
        return sorted(above & ontology.children(top))


def cohort(
    expression: str,
    codes: pl.DataFrame,
    ontologies: Ontology | Iterable[Ontology],
    *,
    mentions: pl.DataFrame | None = None,
    note_ids: Iterable[str] | None = None,
) -> Cohort:
    """The notes that satisfy an expression such as ``I50 AND NOT (N18 OR E11[negated])``.

    A code means itself and everything below it. Without a flag it asks for the notes' accepted codes, with one for
    their mentions: see `expressions.FLAGS`; several flags must hold of one mention.

    Args:
        expression: codes (``system:code`` where several systems are loaded) with AND, OR, NOT and parentheses.
        codes: of the notes, as ``codes.csv``: ``note_id, code`` and, where there are several systems, ``system``.
        ontologies: of the codes.
        mentions: of the notes, as ``annotations.csv``; needed by flags.
        note_ids: all notes, which NOT is taken among; by default those that have a code or a mention.

    Raises:
        InputError: the expression cannot be parsed, a flag is unknown or needs mentions, or a table lacks columns.
        UnknownCodeError: no ontology holds a code.

    >>> columns = ["node", "code", "kind", "name", "active", "billable"]
    >>> rows = [("I50", "I50", "category", "Heart failure", True, False),
    ...     ("I50.9", "I50.9", "code", "Heart failure, unspecified", True, True)]
    >>> concepts = pl.DataFrame(rows, schema=columns, orient="row")
    >>> terms = concepts.select("node", "code", term="name", kind=pl.lit("preferred"))
    >>> edges = pl.DataFrame({"parent": ["I50"], "child": ["I50.9"]})
    >>> codes = pl.DataFrame({"note_id": ["a", "b"], "code": ["I50.9", "E11.9"]})
    >>> cohort("NOT I50", codes, Ontology("icd10cm", "2099", concepts, terms, edges)).note_ids
    ('b',)
    """
    asked = parsed(expression)
    held = {one.system: one for one in ([ontologies] if isinstance(ontologies, Ontology) else ontologies)}
    tables = {"codes": _checked("codes", codes)}
    if mentions is not None:
        tables["mentions"] = _checked("mentions", mentions)
    if note_ids is None:
        note_ids = pl.concat([frame["note_id"] for frame in tables.values()]).unique(maintain_order=True)
    every = tuple(dict.fromkeys(note_ids))
    found = {term: _rows(term, tables, held) for term in asked.terms}
    of = {term: frozenset(frame["note_id"]) for term, frame in found.items()}
    everything = frozenset(every)
    kept = asked.notes(lambda term: of[term] & everything, everything)
    return Cohort(asked, tuple(one for one in every if one in kept), len(every), found, held)


def _checked(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    if missing := [column for column in _NEEDED[name] if column not in frame.columns]:
        got = said_columns(frame.columns)
        raise InputError(f"the table of {name} lacks columns", got=got, expected=f"{', '.join(missing)} among them")
    return frame


def _rows(term: AskedCode, tables: Mapping[str, pl.DataFrame], ontologies: Mapping[str, Ontology]) -> pl.DataFrame:
    """The rows that satisfy a term: ``note_id, system, code, node, top``."""
    of_mentions = bool(term.flags & _OF_MENTIONS)
    if of_mentions and "mentions" not in tables:
        raise InputError(f"{term} asks for mentions", got="codes alone", expected="annotations.csv of the same run")
    if of_mentions and "principal" in term.flags:
        raise InputError("principal is of codes, the other flags are of mentions", then="ask for both, joined by AND")
    frame = tables["mentions"].filter(pl.col("rank") == 1) if of_mentions else tables["codes"]
    for flag in term.flags & _CONTEXT.keys():
        frame = frame.filter(_CONTEXT[flag])
    if "affirmed" in term.flags:
        frame = frame.filter(~pl.any_horizontal(*_CONTEXT.values()))
    if "principal" in term.flags:
        if "role" not in frame.columns:
            raise InputError("the table of codes has no column role", then="code the notes again")
        frame = frame.filter(pl.col("role") == "principal")
    parts = [
        _below(frame, system, ontology, node, exact="exact" in term.flags)
        for system, ontology, node in _meant(term.code, ontologies)
    ]
    return pl.concat(parts)


def _meant(code: str, ontologies: Mapping[str, Ontology]) -> list[tuple[str, Ontology, str]]:
    """The concepts that a code names: of its system, or of each ontology that holds it."""
    system, _, rest = code.partition(":")
    if system in ontologies:
        return [(system, ontologies[system], ontologies[system].node(rest))]
    found = [(name, one, node) for name, one in ontologies.items() if (node := one.find(code)) is not None]
    if not found:
        systems = ", ".join(ontologies)
        raise UnknownCodeError("no loaded ontology holds a code", got=said_codes([code]), expected=f"one of {systems}")
    return found


def _below(frame: pl.DataFrame, system: str, ontology: Ontology, node: str, *, exact: bool) -> pl.DataFrame:
    """The rows of a system whose code is a concept or, unless ``exact``, lies below it."""
    nodes = {node} if exact else {node, *ontology.descendants(node)}
    own = frame if "system" not in frame.columns else frame.filter(pl.col("system") == system)
    codes = own["code"].drop_nulls().unique().to_list()
    placed = {code: at for code in codes if (at := ontology.find(code)) is not None and at in nodes}
    keys = pl.DataFrame(
        {"code": list(placed), "node": list(placed.values())}, schema=dict.fromkeys(("code", "node"), pl.String)
    )
    joined = own.select("note_id", "code").join(keys, on="code", how="inner", maintain_order="left")
    return joined.select("note_id", pl.lit(system).alias("system"), "code", "node", pl.lit(node).alias("top"))
