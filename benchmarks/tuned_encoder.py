"""Make the tuned encoder that comes along again: ``python benchmarks/tuned_encoder.py EVAL -o TUNED``.

EVAL is the folder of evaluation data. Names come from the Human Disease Ontology, ICD-10-CM and our synonyms, notes
from abstracts in the public domain, whose marked mentions are not looked at, and from our own discharge summaries.
Visit notes (D), the coding set, SNOMED CT and the UMLS are not seen.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import polars as pl

from conceptmap.index.building import build_index
from conceptmap.index.embedded import embedded_index
from conceptmap.progress import progress_bar
from conceptmap.readers import load_ontology
from conceptmap.tuning.tune import TuneSettings, tune

DATA = (
    "1,092 abstracts of BC5CDR and NCBI Disease without their marks, and discharge summaries written for this project",
    "public domain; CC0",
)
SETTINGS = TuneSettings(steps=1200, patience=20)


def main() -> int:
    """Tune, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="EVAL")
    parser.add_argument("-o", "--output", required=True, metavar="TUNED")
    args = parser.parse_args()
    indexes = [build_index(load_ontology(args.data / "doid" / "doid2016.obo"), None), embedded_index(None)]
    began = time.perf_counter()
    with progress_bar("tuning", unit="step") as progress:
        done = tune(
            indexes, texts(args.data), args.output, settings=SETTINGS, dtype="bfloat16", about=DATA, progress=progress
        )
    print(f"kept step {done.step} after {time.perf_counter() - began:,.0f} s: {done.before} -> {done.after}")
    return 0


def texts(data: Path) -> list[str]:
    """Abstracts as plain text, and the discharge summaries that may be learned from."""
    with (data / "mentions_train.jsonl").open(encoding="utf-8") as lines:
        abstracts = [json.loads(line)["text"] for line in lines]
    notes = pl.read_csv(data / "discharge" / "notes.csv", infer_schema=False).select("note_id", "text")
    return abstracts + [text for note_id, text in notes.iter_rows() if not note_id.startswith("D")]


if __name__ == "__main__":
    sys.exit(main())
