"""Wordings of the vocabulary that change nothing: the release alone finds them, to the same code.

    python benchmarks/wordings_without_effect.py [--limit 50]

Every wording is read as a note of its own, by an index with the vocabulary and by one without it. One that gives the
same mentions and the same codes by both changes nothing by itself. It may still be needed where other words lean on it
(the long form of a short one, a word that would count as misspelt): compare the codes of real notes before a row goes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace

import polars as pl

from conceptmap.index.building import build_index
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper
from conceptmap.matching.vocabulary import clinical_synonyms
from conceptmap.readers import load_ontology

SYSTEM = "icd10cm"


def found(index: ConceptIndex, wordings: list[str]) -> dict[str, set[tuple[str, ...]]]:
    """Spans with their codes, and the codes of the note, by the number of the wording."""
    notes = [(str(i), wording[:1].upper() + wording[1:] + ".") for i, wording in enumerate(wordings)]
    results = ConceptMapper((index,), None).annotate_many(notes)
    out: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    first = results.mentions.filter(pl.col("rank") == 1)
    for note, *rest in first.select("note_id", "start_char", "end_char", "code").iter_rows():
        out[note].add(tuple(map(str, rest)))
    for note, code in results.codes.select("note_id", "code").iter_rows():
        out[note].add((code,))
    return out


def main() -> None:
    """Print the wordings that the release alone finds as well."""
    parser = argparse.ArgumentParser(description="Wordings that change nothing by themselves.")
    parser.add_argument("--limit", type=int, default=50, help="wordings to print")
    asked = parser.parse_args()
    synonyms = clinical_synonyms(SYSTEM)
    assert synonyms is not None
    whole = build_index(load_ontology(SYSTEM), None)
    own = whole.terms["kind"] == "clinical"
    bare = replace(whole, terms=whole.terms.filter(~own), lexicon=None)
    wordings = synonyms["term"].to_list()
    with_them, without = found(whole, wordings), found(bare, wordings)
    idle = [i for i in range(len(wordings)) if with_them[str(i)] and with_them[str(i)] == without[str(i)]]
    print(f"{len(wordings):,} wordings, {len(idle):,} that change nothing by themselves")
    for i in idle[: asked.limit]:
        print(synonyms["code"][i], wordings[i], sep="\t")


if __name__ == "__main__":
    main()
