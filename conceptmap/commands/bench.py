"""``conceptmap bench``: what searching an ontology costs on this machine."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_command, say, show
from conceptmap.errors import InputError

if TYPE_CHECKING:
    from conceptmap.topk.speed import Speed

__all__ = ["add", "run"]

SIZES = {"ICD-10-CM": 98_000, "SNOMED CT": 1_300_000, "UMLS": 9_000_000}
"""Terms of each, about."""
NOTE = 800
"""Tokens of a note of 600 words."""
MEASURED = 98_000
MIB = 1 << 20
_ROW = "{ontology:<10} {rows:>10,} {tokens_per_s:>9,} {ms_per_token:>9.3f} {s_per_note:>7.2f} {index_mib:>10,}"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "bench", run, summary="time the search on this machine, for ontologies by size")
    parser.add_argument("--dim", type=int, default=384, metavar="N", help="width of the vectors (default 384)")
    parser.add_argument("--queries", type=int, default=1024, metavar="N", help="tokens at once (default 1024)")
    parser.add_argument("-k", "--k", type=int, default=10, metavar="N", help="concepts for each token (default 10)")
    rows = f"rows to search, at most (default {MEASURED:,}); time for more is reckoned in proportion"
    parser.add_argument("--rows", type=int, default=MEASURED, metavar="N", help=rows)
    parser.add_argument(
        "--device", default="cpu", metavar="DEVICE", help="cpu (default), cuda, cuda:N, cuda:all or auto"
    )
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace) -> int:
    """Measure once, reckon the rest.

    Raises:
        InputError: a number is not positive, or there is no such device.
    """
    for name in ("dim", "queries", "k", "rows"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name} must be at least 1", got=getattr(args, name))
    from conceptmap.topk import check_device, chosen_device
    from conceptmap.topk.speed import backend, measure

    device = chosen_device(args.device)
    check_device(device)
    say(f"searching {args.rows:,} made-up rows for {args.queries:,} tokens; other programs' work slows it down")
    speed = measure(args.rows, args.dim, queries=args.queries, k=args.k, device=device)
    facts = {
        "backend": backend(device),
        "rows measured": speed.rows,
        "dim": speed.dim,
        "seconds": round(speed.seconds, 4),
        "share of the float32 product's speed": round(speed.product_seconds / speed.seconds, 2),
        "extra memory, MiB": None if speed.extra_bytes is None else round(speed.extra_bytes / MIB),
    }
    table = [_line(name, rows, speed) for name, rows in SIZES.items()]
    if args.json:
        show(json.dumps({**facts, "ontologies": table}, indent=2))
        return 0
    show("\n".join(f"{name:<37} {'not known' if value is None else value}" for name, value in facts.items()))
    show(f"\n{'ontology':<10} {'rows':>10} {'tokens/s':>9} {'ms/token':>9} {'s/note':>7} {'index, MiB':>10}")
    for line in table:
        show(_ROW.format_map(line))
    return 0


def _line(name: str, rows: int, speed: Speed) -> dict[str, object]:
    """One ontology, its time reckoned from the measured one in proportion to its rows."""
    per_token = speed.seconds / speed.queries * rows / speed.rows
    return {
        "ontology": name,
        "rows": rows,
        "tokens_per_s": round(1 / per_token),
        "ms_per_token": round(1000 * per_token, 4),
        "s_per_note": round(NOTE * per_token, 3),
        "index_mib": round(rows * (2 * speed.dim + 8) / MIB),
        "measured": rows == speed.rows,
    }
