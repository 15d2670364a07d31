"""What an index of given vectors costs, from a Parquet table: wall and processor seconds, and the most memory.

    python benchmarks/make_releases.py rf2 FOLDER
    python benchmarks/vector_table.py FOLDER/SnomedCT_….zip WORK [--rows 708000] [--dim 1024]
    python benchmarks/vector_table.py FOLDER/2025AA/META WORK --dim 384 --notes NOTES.csv   # tag and code, too

The table is made up: a vector of float32 for a term of an active concept each, in row groups of 10,000, as data sets of
the hub have them. The defaults are the size of ClinicalMap25-for-SnomedCT. WORK needs some 12 GB and is left behind.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl
from target_size import CLI, OPEN, measured

from conceptmap.readers import load_ontology

_BLOCK = 10_000


def make_table(release: str, folder: Path, *, rows: int, dim: int) -> Path:
    """Writes a folder of Parquet files of one table, unless it is there, and returns it."""
    if (table := folder / f"vectors-{rows}-{dim}").is_dir():
        return table
    ontology = load_ontology(release)
    terms = ontology.terms.select(code="code", term="term")
    terms = pl.concat([terms] * (-(-rows // terms.height))).head(rows)
    table.mkdir(parents=True)
    rng = np.random.default_rng(0)
    each = 10 * _BLOCK
    for number, start in enumerate(range(0, rows, each)):
        part = terms[start : start + each]
        vectors = rng.standard_normal((part.height, dim), dtype=np.float32)
        column = pl.Series("embedding", vectors, dtype=pl.Array(pl.Float32, dim)).arr.to_list()
        part.with_columns(column).write_parquet(table / f"part-{number:03d}.parquet", row_group_size=_BLOCK)
    return table


def main() -> None:
    """Makes the table, builds the index, opens it, and uses it where there are notes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release")
    parser.add_argument("work", type=Path)
    parser.add_argument("--rows", type=int, default=708_000)
    parser.add_argument("--dim", type=int, default=1_024)
    parser.add_argument(
        "--notes", help="also tag a sentence and code these, with the embedded encoder: it has 384 numbers"
    )
    args = parser.parse_args()
    table = make_table(args.release, args.work, rows=args.rows, dim=args.dim)
    index = str(args.work / "index")
    measured("build", *CLI, "build", args.release, "-o", index, "--vectors", str(table), "--overwrite")
    measured("open", "-c", OPEN, index)
    if args.notes:
        common = ("--ontology", index, "--encoder", "embedded")
        measured("tag", *CLI, "tag", "Fever and cough.", *common)
        measured("code", *CLI, "code", args.notes, "-o", str(args.work / "coded"), *common)


if __name__ == "__main__":
    main()
