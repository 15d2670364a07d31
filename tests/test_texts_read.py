"""What the readers of a text make of it: sentences, headings, answers, contexts word by word, forms, wordings, sides.

``data/texts_read.csv``: the module of a reader, a text of its pairs, and what is read. ``make told`` writes what it is
today; the difference is to be looked at before it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import polars as pl
import pytest
from kept_readings import by_module, keep, text_of

from conceptmap.coding.completion import gestation, trimester_of
from conceptmap.coding.derived.drugs import drugs_in, harm, specific
from conceptmap.coding.derived.injury_titles import site_words
from conceptmap.coding.derived.newborns import is_newborn
from conceptmap.coding.derived.obstetrics import episode, is_maternal, weeks_at
from conceptmap.coding.exact.listed_sites import listed_words
from conceptmap.coding.instructions import _grouped
from conceptmap.coding.reporting.setting import is_stay, setting_of
from conceptmap.coding.sides import EARS, EYES, sides
from conceptmap.matching.content import content_words as content_of
from conceptmap.matching.content import long_form, refolded, term_forms
from conceptmap.matching.lexicon import Silent, build_lexicon
from conceptmap.matching.patterns import spelled
from conceptmap.matching.short_forms import expander
from conceptmap.matching.spelling import Speller, correct_words
from conceptmap.matching.wordings import variants
from conceptmap.text.abbreviations import definitions
from conceptmap.text.beginnings import beginnings
from conceptmap.text.context import assess
from conceptmap.text.layout import layout_of
from conceptmap.text.literals import needed
from conceptmap.text.markup import markup_pieces
from conceptmap.text.sections import sections
from conceptmap.text.sentences import sentences
from conceptmap.text.snippets import snippet
from conceptmap.text.triggers import find_triggers, tokens
from conceptmap.text.view import view_of
from conceptmap.text.words import words

WORD = re.compile(r"[A-Za-z]{4,}")
FLAGS = {
    "negated": "no", "family": "family", "other": "other", "historical": "past", "hypothetical": "if",
    "probable": "probable", "possible": "possible",
}  # fmt: skip


def contexts(text: str) -> str:
    """Each word with what is said of it, as if it were a finding."""
    spans = [found.span() for found in WORD.finditer(text)]
    out = []
    for (start, end), found in zip(spans, assess(text, spans, sections(text)), strict=True):
        named = [str(found.subject), str(found.temporality), str(found.certainty)]
        flags = [*(["no"] if found.negated else []), *(FLAGS[name] for name in named if name in FLAGS)]
        flags += ["over"] if found.ended else []
        out.append(f"{text[start:end]}({' '.join(flags)})" if flags else text[start:end])
    return " ".join(out)


def answers(text: str) -> str:
    found = layout_of(text)
    entries = [f"{text[e.start_char : e.end_char]!r} {e.kind} {e.answer}" for e in found.entries]
    return f"{'; '.join(entries)} breaks {[*found.breaks]}"


def headings(text: str) -> str:
    parts = ((one.name, text[one.start_char : one.heading_end], one.loinc, one.end_char) for one in sections(text))
    return "; ".join(f"{name} {heading!r} {loinc} {end}" for name, heading, loinc, end in parts)


def forms(text: str) -> str:
    found = content_of(text)
    changed = refolded(found, {len(found.form) // 2: "elevated"} if found.form else {})
    places = [*zip(found.start, found.end, found.gap, found.first, found.last, strict=True)]
    as_term = f"{' '.join(term_forms(text))} / {' '.join(long_form(text))}"
    return f"{' '.join(found.form)} / {places} / {' '.join(changed.form)} {changed.gap} / {as_term}"


def slips(text: str) -> str:
    return " ".join(KNOWN.correct(form) or "-" for form in words(text).form)


KNOWN = Speller(correct_words())


def named(text: str) -> str:
    found = drugs_in(text, "icd10cm")
    classes = (f"{text[d.start_char : d.end_char]} = {d.ingredient} {harm(d.of, '5')}" for d in specific(found))
    return "; ".join([*classes, str(len(found))])


def records(text: str) -> str:
    return f"{is_maternal(text)} {is_newborn(text)} {episode(text)} {weeks_at(text)}"


def beside(text: str) -> str:
    """The sides of each word."""
    spans = [found.span() for found in WORD.finditer(text)]
    near = ([*spans[max(0, n - 2) : max(0, n - 1)], *spans[n + 2 : n + 3]] for n in range(len(spans)))
    told = [
        "/".join(",".join(sides(text, span, others, organ=organ)) for organ in ("", EYES, EARS))
        for span, others in zip(spans, near, strict=True)
    ]
    return " ".join(told)


def _lists(text: str) -> Iterable[str]:
    for found in WORD.finditer(text):
        items = listed_words(text, 0, found.end())
        if items:
            yield f"{found[0]}: {', '.join(items)}"


def triggered(text: str) -> str:
    read = tokens(text, 0, len(text), nitric_oxide=True)
    hits = (f"{' '.join(read.words[h.first : h.last])} = {h.trigger}" for h in find_triggers(read.words))
    return f"{read.starts} {read.ends} {'; '.join(hits)}"


def wordings(text: str) -> str:
    """The rows of a term in lexicons, by its kind, and why it has none."""
    out = []
    for titles in (True, False):
        for kind in ("preferred", "clinical", "index", "synonym"):
            terms = pl.DataFrame({"node": ["a"], "term": [text], "kind": [kind]})
            silent: list[Silent] = []
            stop, by_name = frozenset({"gout"}), frozenset({"fever"})
            found = build_lexicon(terms, {"a": 1}, stop=stop, by_name=by_name, expand_titles=titles, silent=silent)
            out.append(f"{kind} {found.rows()} {[one.reason for one in silent]}")
    return " ¦ ".join(out)


def instructed(text: str) -> str:
    kinds = ("excludes1", "code_first", "use_additional")
    return " ¦ ".join(str([*_grouped("X", kind, text.split("\n"))]) for kind in kinds)


READERS: dict[str, Callable[[str], str]] = {
    "coding.completion": lambda text: f"{gestation(text)} {trimester_of(text)}",
    "coding.derived.drugs": named,
    "coding.derived.injury_titles": site_words,
    "coding.derived.obstetrics": records,
    "coding.instructions": instructed,
    "coding.exact.listed_sites": lambda text: "; ".join(_lists(text)),
    "coding.reporting.setting": lambda text: f"{setting_of(text, sections(text))} {is_stay(text)}",
    "coding.sides": beside,
    "matching.content": forms,
    "matching.lexicon": wordings,
    "matching.patterns": lambda text: str(spelled(text)),
    "matching.spelling": slips,
    "matching.wordings": lambda text: str(variants(text)),
    "text.abbreviations": lambda text: f"{definitions(text)} {expander(text)(words(text))}",
    "text.beginnings": lambda text: str(beginnings(re.compile(text, re.IGNORECASE))),
    "text.context": contexts,
    "text.layout": answers,
    "text.literals": lambda text: str(needed(re.compile(text, re.IGNORECASE))),
    "text.markup": lambda text: str(markup_pieces(text)),
    "text.sections": headings,
    "text.sentences": lambda text: " ¦ ".join(text[start:end] for start, end in sentences(text)),
    "text.snippets": lambda text: " ¦ ".join(
        snippet(text, *found.span(), within=(0, len(text)), most=20) for found in WORD.finditer(text)
    ),
    "text.statement": contexts,
    "text.triggers": triggered,
    "text.view": lambda text: view_of(text).text,
    "text.words": lambda text: str(words(text)),
}
READERS |= dict.fromkeys(("text.boxes", "text.pairs", "text.tables"), answers)


BY_MODULE = by_module("texts_read")


@pytest.mark.parametrize("module", READERS)
def test_a_text_is_read_as_it_was(module: str) -> None:
    for row in BY_MODULE[module]:
        assert READERS[module](text_of(row["text"])) == row["read"], row["text"]


if __name__ == "__main__":
    keep("texts_read", lambda module, text: READERS[module](text))
