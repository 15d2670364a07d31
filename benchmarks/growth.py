"""How time grows with hostile input: ``python benchmarks/growth.py``.

Each shape is read at n, 2n and 4n characters by words alone, with the codes; tables at n, 2n and 4n columns, exports at
n, 2n and 4n mentions. Times are processor time of this process. The exponent is that of the last doubling: 1 is a
straight line, 2 the square. Exits 1 when one of them is over the bound.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from conceptmap.errors import InputError
from conceptmap.export.fhir import FhirFile
from conceptmap.export.omop import OmopFiles
from conceptmap.mapper import ConceptMapper
from conceptmap.notes.notes import read_notes

BOUND = 1.5
NOTES = Path(__file__).parents[1] / "examples" / "notes"


def repeated(piece: str) -> Callable[[int], str]:
    """A text of a length made of one piece."""
    return lambda n: (piece * (n // len(piece) + 1))[:n]


def letters(n: int) -> str:
    """One word of random letters."""
    return "".join(random.Random(n).choices("acgt", k=n))


def prose(n: int) -> str:
    """The example notes, one after the other, again and again."""
    return repeated("\n\n".join(path.read_text() for path in sorted(NOTES.glob("*.txt"))) + "\n\n")(n)


SHAPES: dict[str, Callable[[int], str]] = {
    "example notes, joined": prose,
    "fever, cough, …": repeated("fever, cough, "),
    "a list of diseases on one line": repeated("pneumonia, type 2 diabetes, hypertension, gout, asthma, stroke, "),
    "a list in lines": repeated("- pneumonia\n- gout\n"),
    "one line without an end": repeated("patient with pneumonia and gout in the left knee "),
    "headings alone": repeated("PLAN:\n"),
    "headings in a line": repeated("fever. Plan: gout; "),
    "negations": repeated("no fever "),
    "brackets": repeated("(gout "),
    "shared words": repeated("left and right knee pain, "),
    "a hyphenated chain": repeated("gout-"),
    "letters alone": letters,
    "drugs and their harm": repeated("rash from amoxicillin, fever on aspirin "),
}


def seconds(work: Callable[[], object]) -> float:
    """Processor time of some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def table(n: int) -> float:
    """A CSV with n columns and one note."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "wide.csv")
        names = ["note_id", "text", *(f"c{i}" for i in range(n))]
        path.write_text(",".join(names) + "\n" + ",".join(["1", "fever", *["x"] * n]) + "\n")
        return seconds(lambda: _refused_or_read(path))


def _refused_or_read(path: Path) -> None:
    with contextlib.suppress(InputError):  # as good, if it is told soon
        read_notes(path).frame()


def exports(mapper: ConceptMapper) -> dict[str, Callable[[int], float]]:
    """FHIR and OMOP of one note with about n mentions."""

    def of(n: int, name: str) -> float:
        text = repeated("pneumonia é, gout, ")(n * 9)
        notes = pl.DataFrame({"note_id": ["1"], "text": [text], "person_id": ["7"]})
        found = mapper.annotate_many(notes)
        with tempfile.TemporaryDirectory() as folder:
            if name == "FHIR":
                with FhirFile(Path(folder)) as file:
                    return seconds(lambda: file.write(notes, found.mentions, found.codes))
            with OmopFiles(Path(folder), ids=None, date="2026-01-01", integer_ids=True) as omop:
                return seconds(lambda: omop.write(notes, found.mentions))

    return {name: lambda n, name=name: of(n, name) for name in ("FHIR", "OMOP")}  # type: ignore[misc]


def main() -> int:
    """A row for each shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--chars", type=int, default=40_000, help="n: characters of the smallest text")
    n = parser.parse_args().chars
    mapper = ConceptMapper.load("icd10cm", encoder=None)
    mapper.annotate("fever, hypertenson")  # what is made once

    def read(text: Callable[[int], str], size: int) -> float:
        notes = pl.DataFrame({"note_id": ["1"], "text": [text(size)]})
        return seconds(lambda: mapper.annotate_many(notes, candidates=50))

    work: dict[str, tuple[Callable[[int], float], int]] = {
        name: (lambda size, text=text: read(text, size), n)  # type: ignore[misc]
        for name, text in SHAPES.items()
    }
    work["columns of a CSV"] = table, n
    work |= {f"mentions, {name}": (of, n // 8) for name, of in exports(mapper).items()}
    print(f"| {'shape':31} | n | s at n | s at 2n | s at 4n | exponent |\n|---|---|---|---|---|---|")
    worst = 0.0
    for name, (at, size) in work.items():
        times = [at(size * factor) for factor in (1, 2, 4)]
        exponent = math.log2(max(times[2], 1e-3) / max(times[1], 1e-3))
        worst = max(worst, exponent if times[2] > 0.1 else 0.0)  # less is noise
        print(f"| {name:31} | {size:,} | {times[0]:.2f} | {times[1]:.2f} | {times[2]:.2f} | {exponent:.2f} |")
    return int(worst > BOUND)


if __name__ == "__main__":
    sys.exit(main())
