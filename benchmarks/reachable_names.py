"""How many concepts of a release are found by their own name, in "The note mentions NAME today.".

    python benchmarks/reachable_names.py RELEASE …          # lexical evidence alone, 300 random names of each

Prints a line a release: the share of the names whose concept has rank 1 somewhere in its sentence, and how many of the
concepts with terms no words can find.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import polars as pl

from conceptmap.index.building import build_index
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper
from conceptmap.readers import load_ontology


def found_by_name(index: ConceptIndex, *, n: int = 300, seed: int = 0) -> tuple[float, list[tuple[str, str]]]:
    """Share of n random names whose concept has rank 1, and the (code, name) of those that have not."""
    with_terms = index.concepts.join(index.terms.select("node").unique(), on="node", how="semi", maintain_order="left")
    drawn = np.random.default_rng(seed).permutation(with_terms.height)[:n]
    chosen = with_terms[np.sort(drawn)].select("code", "name").rows()
    texts = [f"The note mentions {name} today." for _, name in chosen]
    notes = pl.DataFrame({"note_id": [str(i) for i in range(len(texts))], "text": texts})
    found = ConceptMapper.load(index, encoder=None).annotate_many(notes).mentions.filter(rank=1)
    right = set(found.select("note_id", "code").iter_rows())
    lost = [one for i, one in enumerate(chosen) if (str(i), one[0]) not in right]
    return 1 - len(lost) / len(chosen), lost


def unreachable(index: ConceptIndex) -> pl.DataFrame:
    """Concepts with terms of which no wording is listed: code, name."""
    assert index.lexicon is not None
    reached = np.zeros(index.concepts.height, dtype=np.bool_)
    reached[index.lexicon["concept"].unique().to_numpy()] = True
    named = index.concepts.filter(~pl.Series(reached)).join(index.terms.select("node").unique(), on="node", how="semi")
    return named.select("code", "name")


def main() -> None:
    """Prints the figures of each release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("releases", nargs="+")
    parser.add_argument("--list", action="store_true", help="also print the names that were not found")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for release in args.releases:
        index = build_index(load_ontology(release), None)
        share, lost = found_by_name(index)
        without = unreachable(index)
        print(
            f"{index.system} {index.release}: {100 * share:.1f} % at rank 1; {without.height} without a reachable name"
        )
        if args.list:
            print("  not at rank 1:", *(f"{code} {name}" for code, name in lost), sep="\n    ")
            print("  unreachable:", *(f"{code} {name}" for code, name in without.head(60).iter_rows()), sep="\n    ")


if __name__ == "__main__":
    main()
