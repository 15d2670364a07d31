"""Lexicon: the wordings of an index's terms, each with the key by which the matcher finds it in texts.

A term is a bag of normal forms. Every form has a random 64-bit key, and the key of a bag is the sum of its forms'. Word
order inside a clause is therefore free ("pain in the abdomen", "abdominal pain"); across a comma, a slash, a line end,
"and" or "or" it is not ("abdominal pain, chest tightness" holds no chest pain).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from typing import NamedTuple

import polars as pl

from conceptmap.matching.content import content_words, loose_class, term_forms
from conceptmap.matching.vocabulary import abbreviations, everyday_words, loose_names, stop_terms
from conceptmap.matching.wordings import EXACT, LOOSE, REVIEWED, SHORTENED, variants
from conceptmap.memory import no_collection
from conceptmap.ontology.semantic_types import QUIET, uses
from conceptmap.text.abbreviations import Abbreviation, ShortForms
from conceptmap.text.words import Words

__all__ = [
    "ACRONYM",
    "CLASSIFICATIONS",
    "LENT",
    "LEXICON",
    "LONGEST",
    "MAX_WORDS",
    "Silent",
    "bag_key",
    "build_lexicon",
    "form_key",
    "lexicon_of",
    "loose_form_key",
    "unreachable",
]

CLASSIFICATIONS = ("icd10cm", "icd10")
"""Systems whose titles are no names ("Other and unspecified …") and get shortened wordings."""

LENT = "lent"
"""Kind of a term that another ontology lends. Where it and the release's own wordings say the same, those count."""

_GROUPS = ("chapter", "block")  # names of shelves, not of diseases

LEXICON = pl.Schema(
    {
        "key": pl.UInt64,  # bag of forms, organ adjectives and the like already folded
        "loose_key": pl.UInt64,  # the same with looser word classes folded
        "concept": pl.Int32,  # position in the index's concepts frame
        "quality": pl.Int8,
        "n_words": pl.Int8,
        "forms": pl.String,
        "written": pl.String,  # an acronym, which only matches in its own capitals; null for all else
    }
)
"""A row per wording of a term of a concept."""

MAX_WORDS = 12
"""Words of the longest wording of a classification, and of those that an adapter remembers."""
LONGEST = 40
"""Words of the longest wording of other systems."""
EVERYDAY, TOO_LONG, TOO_SHORT = "everyday words", "too long", "numbers, single letters or function words"
"""Why a term is silent."""
_HEARD = "heard"
_CHOICE = re.compile(r"[:\]] (?:or )?\[")  # "Glucose: [intolerance] or [malabsorption]" is no glucose
_WRITTEN = re.compile(r"[^\W_]+")
_KEY_MASK = 0xFFFFFFFFFFFFFFFF
ACRONYM = re.compile(r"(?=(?:[^A-Z]*[A-Z]){2})[A-Za-z0-9][A-Za-z0-9/-]{1,6}")
"""Two capitals at least: what is only itself as it is written."""


class Silent(NamedTuple):
    """A term that no text can find: its concept, the term, and why."""

    node: str
    term: str
    reason: str


@lru_cache(maxsize=500_000)
def form_key(form: str) -> int:
    """The key of a form: a random number, the same everywhere and always."""
    return int.from_bytes(blake2b(form.encode(), digest_size=8).digest(), "little")


@lru_cache(maxsize=500_000)
def loose_form_key(form: str) -> int:
    """The key of a form's looser class."""
    return form_key(loose_class(form))


def bag_key(keys: Iterable[int]) -> int:
    """The key of a bag of forms, given theirs."""
    return sum(keys) & _KEY_MASK


def lexicon_of(
    system: str, concepts: pl.DataFrame, terms: pl.DataFrame, *, silent: list[Silent] | None = None
) -> pl.DataFrame:
    """The wordings of an index's terms; those of lent terms where no other wording has the same key.

    Args:
        system: of the index.
        concepts: columns node, kind; a row's position is the concept's.
        terms: columns node, term, kind.
        silent: takes the terms that no text can find.

    Returns:
        A frame of schema ``LEXICON``, a row per wording and concept, sorted by key and then best first.
    """
    concept_of = {node: i for i, node in enumerate(concepts["node"].to_list())}
    groups = concepts.filter(pl.col("kind").is_in(_GROUPS))
    named = terms.join(groups, on="node", how="anti")
    lent, quiet = pl.col("kind") == LENT, pl.col("node").is_in(_quiet(system, concepts))
    titles, stop, by_name = system in CLASSIFICATIONS, stop_terms(system), loose_names(system)
    own = pl.concat(
        build_lexicon(
            named.filter(which),
            concept_of,
            stop=words,
            by_name=by_name,
            expand_titles=titles,
            silent=silent,
        )
        for which, words in ((~lent & ~quiet, stop), (~lent & quiet, stop | everyday_words(system)))
    )
    more = build_lexicon(named.filter(lent), concept_of, stop=stop, expand_titles=False)
    both = pl.concat([own, more.join(own, on="key", how="anti")])
    return both.sort("key", -pl.col("quality"), "concept")


def unreachable(system: str, concepts: pl.DataFrame, terms: pl.DataFrame, lexicon: pl.DataFrame) -> pl.DataFrame:
    """The concepts that have terms, none of which a text can find: ``code, name, reason``.

    Args:
        system: of the index.
        concepts: columns node, code, name, kind; chapters and blocks are left out.
        terms: columns node, term, kind.
        lexicon: of schema ``LEXICON``.
    """
    reached = lexicon["concept"].unique()
    shelves = concepts["kind"].is_in(_GROUPS)
    mute = concepts.with_row_index("at", offset=0).filter(~pl.col("at").is_in(reached.implode()) & ~shelves)
    silent: list[Silent] = []
    lexicon_of(system, mute.drop("at"), terms.join(mute, on="node", how="semi"), silent=silent)
    reasons = (
        pl.DataFrame(silent, schema=dict.fromkeys(Silent._fields, pl.String), orient="row")
        .group_by("node")
        .agg(pl.col("reason").unique().sort().str.join(", "))
    )
    return mute.join(reasons, on="node", maintain_order="left").select("code", "name", "reason")


def _quiet(system: str, concepts: pl.DataFrame) -> pl.Series:
    """Nodes of the concepts whose type is no clinical one."""
    found: pl.Series = concepts["node"].filter(uses(system, concepts) == QUIET).implode()
    return found


@no_collection()
def build_lexicon(
    terms: pl.DataFrame,
    concept_of: Mapping[str, int],
    *,
    stop: frozenset[str],
    expand_titles: bool,
    by_name: frozenset[str] = frozenset(),
    silent: list[Silent] | None = None,
) -> pl.DataFrame:
    """Turn the terms of an ontology into the lexicon that a TermMatcher searches.

    Args:
        terms: columns node, term, kind.
        concept_of: position in the concepts frame by node.
        stop: normalised terms that must never match on their own.
        by_name: normalised terms that stand only for a concept of which they are the preferred name.
        expand_titles: add the shortened wordings of ``variants`` (for classifications such as ICD-10-CM).
        silent: takes the terms without a wording.

    Returns:
        A frame of schema ``LEXICON``, a row per wording and concept, sorted by key and then best first.
    """
    stop_keys = {bag_key(map(form_key, term_forms(text))) for text in stop}
    loose_keys = {bag_key(map(form_key, term_forms(text))) for text in by_name}
    most = MAX_WORDS if expand_titles else LONGEST
    rows: dict[tuple[int, int], tuple[int, int, int, int, int, str, str | None]] = {}
    unheard: list[Silent] = []
    for node, term, kind in terms.select("node", "term", "kind").iter_rows():
        concept, reason = concept_of[node], ""
        for wording, forms, quality in _bags(term, kind, titles=expand_titles):
            if not forms or len(forms) > most or not _tells(forms, wording):
                reason = reason or (TOO_LONG if len(forms) > most else TOO_SHORT)
                continue
            key = bag_key(map(form_key, forms))
            if key in stop_keys or (quality <= LOOSE and len(forms) < 2) or (kind != "preferred" and key in loose_keys):
                reason = reason or EVERYDAY
                continue
            known = rows.get((key, concept))
            if known is None or known[3] < quality:
                loose = bag_key(map(loose_form_key, forms))
                written = wording if ACRONYM.fullmatch(wording) else None
                rows[key, concept] = (key, loose, concept, quality, len(forms), " ".join(forms), written)
            reason = _HEARD
        if reason is not _HEARD:
            unheard.append(Silent(node, term, reason))
    if silent is not None:
        silent += unheard
    return pl.DataFrame(list(rows.values()), schema=LEXICON, orient="row").sort(
        ["key", "quality", "concept"], descending=[False, True, False]
    )


def _bags(term: str, kind: str, *, titles: bool) -> Iterator[tuple[str, list[str], int]]:
    """The wordings of a term with their forms and quality; of names also with their short forms in full."""
    for wording, printed in variants(term, curated=kind in ("clinical", "index") or not titles).items():
        if not titles and printed < EXACT and _CHOICE.search(term):
            continue
        yield wording, term_forms(wording), REVIEWED if kind == "clinical" and printed == EXACT else printed
        if not titles and " system " in wording:  # "cardiovascular system disease", which is called without it
            yield wording, term_forms(wording.replace(" system ", " ")), min(printed, SHORTENED)
        if not titles and wording[1:] != wording[1:].lower() and (full := _in_full(wording)):
            yield wording, full, printed


@cache
def _short_forms() -> tuple[ShortForms, frozenset[str]]:
    """The reviewed short forms that need no company, which a text is read without."""
    entries = [Abbreviation(short, long) for short, long, near, _ in abbreviations() if not near]
    return ShortForms.of(entries), frozenset(entry.short for entry in entries)


def _in_full(wording: str) -> list[str]:
    """The forms of a wording with its short forms spelt out, as those of texts are: "CSF culture". None without any."""
    forms, short = _short_forms()
    if short.isdisjoint(_WRITTEN.findall(wording)) or ACRONYM.fullmatch(wording):  # which may mean something else
        return []

    def expand(found: Words) -> dict[int, Sequence[str]]:
        return {i: term_forms(full) for i, full in forms.long_forms(wording, found).items()}

    return content_words(wording, expand).form


def _tells(forms: Sequence[str], wording: str) -> bool:
    """Whether a bag can stand for a concept: numbers and words of one or two letters cannot, acronyms can."""
    return any(map(_tells_alone, forms)) or bool(ACRONYM.fullmatch(wording))


@lru_cache(maxsize=500_000)
def _tells_alone(form: str) -> bool:
    return len(form) > 2 and not form.isdigit()
