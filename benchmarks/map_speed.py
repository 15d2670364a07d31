"""How long a million codes take to be mapped, rules and all, on an invented hierarchy of SNOMED CT's size.

    python benchmarks/map_speed.py [--codes 1000000] [--concepts 350000]

A tenth of the mapped concepts have two to four rows with rules (sex, age at onset, findings); the codes are of
notes of ten codes each, half of whose patients have no age.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import polars as pl

from conceptmap.maps.mapping import map_codes
from conceptmap.ontology.ontology import Ontology

ONSET = "445518008 | Age at onset of clinical finding (observable entity) |"


def release(rng: np.random.Generator, n: int) -> Ontology:
    """A hierarchy of ``n`` concepts, three quarters of them mapped."""
    codes = pl.Series("code", np.arange(n) * 100 + 10_000_000).cast(pl.String)
    parents = (np.arange(n) * rng.beta(4, 2, n)).astype(np.int64)
    concepts = pl.DataFrame({"node": codes, "code": codes, "name": codes}).with_columns(
        kind=pl.lit("concept"), active=pl.lit(value=True), billable=pl.lit(None, dtype=pl.Boolean)
    )
    edges = pl.DataFrame({"parent": codes.gather(parents[1:]), "child": codes[1:]})
    terms = concepts.select("node", "code", term="name", kind=pl.lit("preferred"))
    return Ontology("snomedct", "invented", concepts, terms, edges, _maps(rng, codes))


def _maps(rng: np.random.Generator, codes: pl.Series) -> pl.DataFrame:
    rows = []
    for code in codes.gather(np.flatnonzero(rng.random(len(codes)) < 0.75)):
        kind, target = rng.random(), f"X{rng.integers(10, 99)}.{rng.integers(0, 9)}"
        if kind > 0.1:
            rows.append((code, 1, 1, "TRUE", target))
            continue
        finding = f"IFA {codes[int(rng.integers(len(codes)))]} | invented finding (disorder) |"
        years = f"IFA {ONSET} < {rng.integers(1, 65)}.0 years"
        tests = ["IFA 248152002 | Female (finding) |", years, f"{finding} AND {years}", finding]
        used = tests[: int(rng.integers(1, 4))]
        rows += [(code, 1, at, rule, f"{target}{at}") for at, rule in enumerate([*used, "OTHERWISE TRUE"], 1)]
    frame = pl.DataFrame(
        rows,
        schema=["code", "map_group", "map_priority", "map_rule", "target_code"],
        orient="row",
        infer_schema_length=1,
    )
    return frame.with_columns(
        target_system=pl.lit("icd10cm"), relation=pl.lit("map"), map_set=pl.lit("1"), map_advice=pl.lit("ALWAYS X")
    )


def main() -> None:
    """Map and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codes", type=int, default=1_000_000)
    parser.add_argument("--concepts", type=int, default=350_000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    ontology = release(rng, args.concepts)
    note = np.arange(args.codes) // 10
    aged = rng.random(args.codes)[note * 10] < 0.5
    codes = pl.DataFrame(
        {
            "note_id": note,
            "code": ontology.concepts["code"].gather(rng.integers(0, args.concepts, args.codes)),
            "sex": pl.Series(["F", "M"]).gather(note % 2),
            "age_years": pl.select(pl.when(pl.Series(aged)).then(pl.Series(note % 90))).to_series(),
        }
    )
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    mapped = map_codes(codes, ontology, to="icd10cm")
    took, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_utime - used
    print(mapped["map_status"].value_counts(sort=True))
    print(f"{args.codes:,} codes: {took:.1f} s ({used:.1f} s of user CPU), {mapped.height:,} rows")


if __name__ == "__main__":
    main()
