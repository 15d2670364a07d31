"""Probes of an ontology: short texts in which a concept is said in some wording and some context."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.data.tables import read_table
from conceptmap.errors import InputError
from conceptmap.ontology.ontology import Ontology
from conceptmap.probing.wordings import chance, wordings

__all__ = ["CONTEXTS", "Probe", "probes", "sampled"]

CONTEXTS = ("affirmed", "negated", "family", "past", "hypothetical", "possible")
MOST_WORDS = 6
"""Words of a name that is probed: longer ones are those of classifications, which nobody says."""


class Probe(NamedTuple):
    """A text and what should be found in it.

    Attributes:
        code: of the concept.
        name: its name.
        wording: one of `wordings.WORDINGS`.
        context: one of `CONTEXTS`.
        text: the note.
        start_char: where the wording begins.
        end_char: where it ends.
        codes: all concepts that have the term that was worded.
    """

    code: str
    name: str
    wording: str
    context: str
    text: str
    start_char: int
    end_char: int
    codes: frozenset[str]


def sampled(ontology: Ontology, n_concepts: int, *, seed: int, wanted: NDArray[np.bool_] | None = None) -> list[str]:
    """Codes of so many concepts with a name of at most six words; of classifications such as may be billed.

    Args:
        ontology: whose concepts are meant.
        n_concepts: how many; all where there are fewer.
        seed: decides which. A concept keeps its chance in other releases.
        wanted: which may be taken. *Shape:* (n_concepts of the ontology,).

    Raises:
        InputError: there is none.
    """
    concepts = ontology.concepts.with_columns(wanted=pl.lit(value=True) if wanted is None else pl.Series(wanted))
    named = concepts.filter(pl.col("wanted") & pl.col("active").fill_null(value=True))
    named = named.join(ontology.terms.filter(pl.col("kind") == "preferred"), on="node", how="semi")
    named = named.filter(pl.col("name").str.count_matches(r"\S+") <= MOST_WORDS)
    if named["billable"].any():
        named = named.filter("billable")
    if not named.height:
        raise InputError("no concept has a name to probe", then="ask for others by --only, --below or --only-list")
    return sorted(named["code"].unique(), key=lambda code: chance(seed, code))[:n_concepts]


@cache
def _templates() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = dict.fromkeys(CONTEXTS, ())
    for row in read_table("probe_templates"):
        found[row["context"]] += (row["template"],)
    return found


def probes(ontology: Ontology, codes: list[str], *, seed: int) -> Iterator[Probe]:
    """The probes of concepts: every wording that each has in every context.

    Args:
        ontology: whose concepts are meant.
        codes: of the concepts.
        seed: decides templates, synonyms and slips.
    """
    terms = ontology.terms.select("code", "term", key=pl.col("term").str.to_lowercase())
    of_term = terms.group_by("key").agg("code")
    same = {key: frozenset(group) for key, group in of_term.iter_rows()}
    named = dict(ontology.concepts.select("code", "name").iter_rows())
    own = terms.filter(pl.col("code").is_in(codes)).group_by("code").agg("term")
    synonyms = {code: sorted(group) for code, group in own.iter_rows()}
    for code in codes:
        short = [term for term in synonyms[code] if len(term.split()) <= MOST_WORDS]
        for wording in wordings(named[code], short, seed=seed):
            right = same.get(wording.of.lower(), frozenset()) | {code}
            for context, templates in _templates().items():
                template = templates[chance(seed, code, wording.kind, context) % len(templates)]
                before, after = template.split("{term}")
                start = len(wording.before) + len(before)
                text = f"{wording.before}{before}{wording.term}{after}"
                end = start + len(wording.term)
                yield Probe(code, named[code], wording.kind, context, text, start, end, right)
