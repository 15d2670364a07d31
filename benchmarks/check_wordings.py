"""Check every wording of the vocabulary against the tabular list's own notes, and say which to look at.

    python benchmarks/check_wordings.py [--limit 50] [--sample 200 --seed 1]

A wording is *said* where its words are the title or an inclusion term of its code, or of one above or below it. It is
*flagged* where its words are what a note "Excludes1" or "Excludes2" at its code, or above it, sends elsewhere, or the
title or an inclusion term of another code. A flag is a question and no verdict: a default of the Alphabetic Index may
well say less than a title. ``--sample`` draws rows of the tables by a
seed, with the title of their code, for a person to judge.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import defaultdict
from collections.abc import Iterator

import simple_icd_10_cm as tabular

from conceptmap.data.tables import read_rows
from conceptmap.matching.content import term_forms
from conceptmap.matching.vocabulary import clinical_synonyms
from conceptmap.matching.wordings import variants

_ELSEWHERE = re.compile(r"\s*\(([A-Z0-9][A-Z0-9.,\s-]+)\)\s*$")
_OPPOSITES = [
    tuple(pair.split("/"))
    for pair in """acute/chronic left/right upper/lower benign/malignant primary/secondary male/female closed/open
    congenital/acquired internal/external high/low elevated/decreased increased/decreased hyper/hypo inferior/superior
    anterior/posterior medial/lateral proximal/distal sensory/motor positive/negative nontraumatic/traumatic""".split()
]
_CHAPTERS = {  # a word, and where it may be coded
    "congenital": "QPDEGHIKLMNBAOZ",
    "neonatal": "PQZAER",
    "newborn": "PQZ",
    "fetal": "OPQRZ",
    "pregnancy": "OZNPL",
    "postpartum": "OFZ",
    "metastatic": "CGEM",
    "metastasis": "CM",
    "cancer": "CZDGRO",
    "carcinoma": "CDZ",
    "sarcoma": "CZ",
    "lymphoma": "CDZ",
    "leukemia": "CDZ",
    "tuberculosis": "ABZOPJKMNRL",
    "fracture": "SMZTOP",
    "laceration": "SOTIPWKNX",
    "poisoning": "TAZXF",
    "overdose": "TXZFD",
}
_PLAIN = re.compile(r"\([^)]*\)|\[[^\]]*\]")
Bag = tuple[str, ...]


def bag(text: str) -> Bag:
    """The content words of a text, in order of the alphabet."""
    return tuple(sorted(term_forms(text)))


def bags(term: str) -> set[Bag]:
    """The content words of a term and of its shorter wordings."""
    return {found for wording in variants(term) if (found := bag(wording))}


def above(code: str) -> list[str]:
    """A code and those above it."""
    return [code, *tabular.get_ancestors(code)]


def named() -> dict[Bag, set[str]]:
    """The codes that titles and inclusion terms give a bag of words to."""
    out: dict[Bag, set[str]] = defaultdict(set)
    for code in tabular.get_all_codes(with_dots=True):
        if tabular.is_chapter(code) or tabular.is_block(code):
            continue
        for term in (tabular.get_description(code), *tabular.get_inclusion_term(code), *tabular.get_includes(code)):
            for found in bags(term):
                out[found].add(code)
    return out


def excluded(code: str) -> Iterator[tuple[Bag, str, str]]:
    """What the notes at a code send elsewhere: words, where to, and the note."""
    for note in (*tabular.get_excludes1(code), *tabular.get_excludes2(code)):
        to = _ELSEWHERE.search(note)
        if to and (found := bag(_PLAIN.sub("", note[: to.start()]))):
            yield found, to[1], note


def within(code: str, ranges: str) -> bool:
    """Whether a code lies in what a note points to: "K35-K37, O75.2"."""
    for part in re.split(r",\s*", ranges):
        first, _, last = (piece.strip(" .-") for piece in part.partition("-"))
        low, high = first, last or first
        if low <= code[: len(low)] and code[: len(high)] <= high:
            return True
    return False


def near(code: str, other: str) -> bool:
    """Whether one of two codes lies above the other, or both below one category with the same words."""
    short, long = sorted((code, other), key=len)
    return long.startswith(short) or code[:3] == other[:3]


def contradiction(code: str, term: str) -> str:
    """What a wording says against the title of its code, or where such a word is never coded."""
    said = set(re.findall(r"[a-z]+", term.lower()))
    title = set(re.findall(r"[a-z]+", tabular.get_description(code).lower())) if tabular.is_valid_item(code) else set()
    for one, other in (*_OPPOSITES, *((b, a) for a, b in _OPPOSITES)):
        if one in said and other in title and one not in title and other not in said:
            return f"{one}, and the title says {other}"
    wrong = [word for word, chapters in _CHAPTERS.items() if word in said and code[0] not in chapters]
    return f"{wrong[0]}, and in chapter {code[0]}" if wrong else ""


def checked(code: str, term: str, titles: dict[Bag, set[str]], notes: dict[str, list[tuple[Bag, str, str]]]) -> str:
    """What there is to say of a wording: that it is said, a flag, or nothing."""
    own = bag(term)
    codes = titles.get(own, set())
    if any(code.startswith(other) or other.startswith(code) for other in codes):
        return "said"
    for place in above(code) if tabular.is_valid_item(code) else ():
        if place not in notes:
            notes[place] = list(excluded(place))
        for words, to, note in notes[place]:
            same = words == own or (len(words) > 1 and set(words) <= set(own))
            if same and not within(code, to):
                return f"excluded at {place}: {note}"
    if contradicted := contradiction(code, term):
        return contradicted
    others = sorted(other for other in codes if not near(code, other))
    return f"words of {', '.join(others[:4])}" if others and not any(near(code, other) for other in codes) else ""


def patterns() -> list[tuple[str, str]]:
    """Code and pattern of every row of the tables, in their order."""
    rows = [(row["code"], row["term"]) for name in ("synonyms", "translated") for row in read_rows(name, "icd10cm")]
    return rows + [(row["code"], f"{row['set']}: {row['fact']}") for row in read_rows("facts", "icd10cm")]


def main() -> None:
    """Print the flags, or a sample to judge."""
    parser = argparse.ArgumentParser(description="Check the wordings of ICD-10-CM against the tabular list.")
    parser.add_argument("--limit", type=int, default=50, help="flags to print")
    parser.add_argument("--sample", type=int, default=0, help="wordings to draw instead")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    synonyms = clinical_synonyms("icd10cm")
    assert synonyms is not None
    rows = list(synonyms.select("code", "term").iter_rows())
    titles, notes = named(), {}  # type: ignore[var-annotated]
    if asked.sample:
        for code, pattern in sorted(random.Random(asked.seed).sample(patterns(), asked.sample)):
            print(code, tabular.get_description(code) if tabular.is_valid_item(code) else "", pattern, sep="\t")
        return
    answers = [(code, term, checked(code, term, titles, notes)) for code, term in rows]
    flags = [answer for answer in answers if answer[2] not in ("", "said")]
    said = sum(answer[2] == "said" for answer in answers)
    print(f"{len(rows):,} wordings, {said:,} said by the tabular list, {len(flags):,} flagged")
    for code, term, flag in flags[: asked.limit]:
        print(f"{code}\t{term}\t{flag}")


if __name__ == "__main__":
    main()
