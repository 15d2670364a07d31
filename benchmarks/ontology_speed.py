"""Times the hierarchy at SNOMED CT's size and the ICD-10-CM and OBO readers beside their peers.

    python benchmarks/ontology_speed.py                        everything that needs no file of yours
    python benchmarks/ontology_speed.py --obo doid.obo         and an OBO file beside obonet

Peers are timed in the same run, in turns; each figure is the best of ``--rounds``. Memory is the process's peak so far.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.rollup import closure, roll_up, roll_up_frame

N_CONCEPTS = 520_000
N_CODES = 1_000_000


def synthetic(n_concepts: int, *, seed: int) -> Ontology:
    """A hierarchy shaped like SNOMED CT's: one root, 1.45 parents and 31 ancestors a concept."""
    rng = np.random.default_rng(seed)
    rows = np.arange(1, n_concepts)
    children = np.concatenate([rows, rows[rng.random(len(rows)) < 0.35], rows[rng.random(len(rows)) < 0.1]])
    parents = (rng.random(len(children)) ** 1.2 * children * 0.6).astype(np.int64)
    edges = pl.DataFrame({"parent": parents, "child": children}).unique(maintain_order=True)
    nodes = pl.Series([str(10_000_000 + row) for row in range(n_concepts)])
    concepts = pl.DataFrame({"node": nodes, "code": nodes, "name": nodes}).with_columns(
        kind=pl.lit("concept"), active=pl.lit(True), billable=pl.lit(None, dtype=pl.Boolean)
    )
    terms = concepts.select("node", "code", term="name", kind=pl.lit("preferred"))
    return Ontology(
        "synthetic",
        f"seed-{seed}",
        concepts,
        terms,
        edges.select(pl.all().map_batches(nodes.gather, return_dtype=pl.String)),
    )


def best(call: Callable[[], object], rounds: int) -> float:
    """Least wall-clock seconds of some rounds."""
    return best_of([call], rounds)[0]


def best_of(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """The same for several, in turns, so that whatever else the machine does slows all of them."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, taken in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in seconds]


def python(code: str) -> None:
    """Runs the code in a fresh interpreter."""
    subprocess.run([sys.executable, "-c", code], check=True)


def say(what: str, seconds: float, more: str = "") -> None:
    """Prints one line of the result."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what:<58} {seconds:8.3f} s   {peak:5.2f} GiB   {more}", flush=True)


def hierarchy(rounds: int) -> None:
    """Loading checks, closure and roll-up at SNOMED CT's size, beside networkx."""
    start = time.perf_counter()
    ontology = synthetic(N_CONCEPTS, seed=7)
    say(f"synthetic ontology, {ontology.concepts.height:,} concepts, checked", time.perf_counter() - start)
    above = closure(ontology)
    say("closure of every concept", best(lambda: closure(ontology), rounds), f"{above.nnz:,} pairs")

    rng = np.random.default_rng(11)
    nodes = ontology.nodes
    targets = [nodes[row] for row in rng.choice(len(nodes) // 10, 2_000, replace=False).tolist()]
    uniform = rng.integers(0, len(nodes), N_CODES)
    skewed = rng.permutation(len(nodes))[(rng.zipf(1.3, N_CODES) - 1) % len(nodes)]
    for what, rows in (("each concept equally often", uniform), ("Zipf frequencies, as in notes", skewed)):
        roll_up_beside_networkx(ontology, [nodes[row] for row in rows.tolist()], targets, what, rounds)


def roll_up_beside_networkx(ontology: Ontology, codes: list[str], targets: list[str], what: str, rounds: int) -> None:
    """Rolls the codes up; networkx gets 2,000 of them, and need not even find out which targets are the nearest."""
    import networkx as nx

    several = sum(len(found) > 1 for found in roll_up(codes, ontology, to=targets))
    print(f"{len(codes):,} codes, {len(set(codes)):,} distinct, {what}; {several:,} reach several of {len(targets):,}")
    graph, wanted, sample, frame = ontology.graph, set(targets), codes[:2_000], pl.DataFrame({"code": codes})
    calls: list[Callable[[], object]] = [
        lambda: roll_up(codes, ontology, to=targets),
        lambda: roll_up_frame(frame, ontology, to=targets),
        lambda: [nx.ancestors(graph, code) & wanted for code in sample],
    ]
    sets, frames, theirs = best_of(calls, rounds)
    theirs *= len(codes) / len(sample)
    say("  roll_up", sets)
    say("  roll_up_frame", frames)
    say(f"  networkx.ancestors & targets, per code × {len(codes):,}", theirs, f"{theirs / sets:,.0f} times as long")


def readers(obo: str | None, rounds: int) -> None:
    """Release files into an Ontology, beside the peers that read the same files."""
    load = "from conceptmap.readers import load_ontology; load_ontology('icd10cm')"
    ours, theirs = best_of([lambda: python(load), lambda: python("import simple_icd_10_cm")], rounds)
    say("process: load_ontology('icd10cm')", ours)
    say("process: import simple_icd_10_cm", theirs, f"{theirs / ours:.2f} times as long")
    if obo is None:
        return
    import obonet

    from conceptmap.readers import load_ontology

    ours, theirs = best_of([lambda: load_ontology(obo), lambda: obonet.read_obo(obo, ignore_obsolete=False)], rounds)
    say(f"load_ontology({obo.rsplit('/', 1)[-1]!r})", ours)
    say("obonet.read_obo, a graph only", theirs, f"{theirs / ours:.2f} times as long")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--obo", help="an OBO file")
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    readers(given.obo, given.rounds)
    hierarchy(given.rounds)
