"""How long a million pairs take to be compared: ICD-10-CM, and an invented hierarchy of SNOMED CT's size.

python benchmarks/similarity_speed.py [--pairs 1000000]
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from map_speed import release

from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.similarity import MEASURES, Similarity
from conceptmap.readers import load_ontology


def measure(name: str, ontology: Ontology, n: int) -> None:
    """Compare random pairs by every measure and report."""
    rng = np.random.default_rng(0)
    one, two = (rng.integers(0, ontology.concepts.height, n) for _ in range(2))
    began = time.perf_counter()
    similarity = Similarity.of(ontology)
    print(f"{name}: {ontology.concepts.height:,} concepts, information content {time.perf_counter() - began:.1f} s")
    for kind in MEASURES:
        began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
        similarity.of_positions(one, two, measure=kind)
        took, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_utime - used
        print(f"  {kind}: {n:,} pairs in {took:.1f} s ({used:.1f} s of user CPU)")


def main() -> None:
    """Both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    args = parser.parse_args()
    measure("ICD-10-CM", load_ontology("icd10cm"), args.pairs)
    measure("invented", release(np.random.default_rng(0), 350_000), args.pairs)


if __name__ == "__main__":
    main()
