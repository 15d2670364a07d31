"""``conceptmap probe``: the same concepts in many wordings and contexts, and which of them are found as the same."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from conceptmap.commands.common import (
    add_command,
    add_keeping,
    add_mapper_options,
    add_spreadsheet_safe,
    check_out,
    load_mapper,
    say,
    show,
    write_out,
)
from conceptmap.commands.options.tables import aligned, terminal_width
from conceptmap.errors import InputError
from conceptmap.progress import waiting

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.evaluation.sampled import Measured
    from conceptmap.mapper import ConceptMapper

__all__ = ["add", "run"]

_COLUMNS = ("same concept", "right context", "both", "nearest")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        commands, "probe", run, summary="say concepts in many wordings and contexts, and see what is found as the same"
    )
    parser.add_argument(
        "-n", "--concepts", type=int, default=200, metavar="N", help="how many concepts (default 200), drawn by --seed"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which concepts and sentences (default 0)")
    parser.add_argument("-o", "--output", metavar="PROBES.csv", help="also write every probe with what was found")
    parser.add_argument("--html", metavar="PAGE.html", help="also write a page")
    parser.add_argument("--json", action="store_true", help="write JSON")
    add_keeping(parser, "replace a file that is there")
    add_spreadsheet_safe(parser, "PROBES.csv")
    add_mapper_options(parser)


def run(args: argparse.Namespace) -> int:
    """Probe and print."""
    if args.concepts < 1 or len(args.ontology) > 1:
        raise InputError(
            "probes are of the concepts of one index", got=", ".join(args.ontology), expected="one, -n 1 or more"
        )
    for path in (args.output or "-", args.html or "-"):
        check_out(path, overwrite=args.overwrite)
    from conceptmap.evaluation.intervals import intervals
    from conceptmap.probing.found import kinds, measured

    mapper, _ = load_mapper(args)
    rows = _rows(args, mapper)
    figures = measured(rows)
    drawn = intervals(figures, seed=args.seed)
    if args.json:
        nested: dict[str, dict[str, list[float]]] = {}
        for (section, name), ends in drawn.items():
            nested.setdefault(section, {})[name] = list(ends)
        show(json.dumps({**figures.scores(), "intervals": nested}, indent=2))
    else:
        show("\n".join(_lines(figures, drawn)))
    wrong = list(kinds(rows))
    say("errors: " + (", ".join(f"{n:,} {what} ({how})" for what, how, n in wrong[:5]) or "none"))
    _write(args, mapper, rows, figures, drawn)
    return 0


def _rows(args: argparse.Namespace, mapper: ConceptMapper) -> pl.DataFrame:
    from conceptmap.probing.found import found
    from conceptmap.probing.probes import probes, sampled

    (index,) = mapper.indexes
    ontology = index.ontology()
    wanted = mapper.scope.within(ontology) if mapper.scope else None
    codes = sampled(ontology, args.concepts, seed=args.seed, wanted=wanted)
    asked = list(probes(ontology, codes, seed=args.seed))
    with waiting(f"conceptmap: reading {len(asked):,} probes of {len(codes):,} concepts …"):
        return found(mapper, asked, system=index.system)


def _lines(figures: Measured, drawn: dict[tuple[str, str], tuple[float, float]]) -> Iterator[str]:
    scores = figures.scores()
    counts, stable = scores.pop("counts"), scores.pop("stable")
    columns = [name for name in _COLUMNS if name in scores["all"]]
    table = [("", *columns)]
    for section, values in scores.items():
        cells = []
        for name in columns:
            low, high = drawn[section, name]
            cells.append(f"{values[name]:.3f} ±{(high - low) / 2:.3f}")
        table.append((section.removeprefix("wording ").removeprefix("context "), *cells))
    width = terminal_width()
    yield from aligned(table, width)
    yield ""
    found = [(f"the same {name}", f"{share:.3f}", "{:.3f} to {:.3f}".format(*drawn["stable", name])) for name, share in
             stable.items()]  # fmt: skip
    yield from aligned([("concepts that are", "share", "95 % interval"), *found], width)
    yield ""
    yield "  ".join(f"{name} {value:,}" for name, value in counts.items())


def _write(
    args: argparse.Namespace,
    mapper: ConceptMapper,
    rows: pl.DataFrame,
    figures: Measured,
    drawn: dict[tuple[str, str], tuple[float, float]],
) -> None:
    from conceptmap.export.csv import csv_bytes
    from conceptmap.export.figures.probe import probe_page
    from conceptmap.probing.found import kinds
    from conceptmap.probing.probes import CONTEXTS
    from conceptmap.probing.wordings import WORDINGS

    options = {"overwrite": args.overwrite, "group_readable": args.group_readable}
    if args.output:
        write_out(args.output, csv_bytes(rows, safe=args.spreadsheet_safe), **options)
    if args.html:
        (index,) = mapper.indexes
        facts = [f"{index.system} {index.release}", f"encoder {args.encoder}", f"seed {args.seed}"]
        page = probe_page(
            rows, figures.scores(), drawn, list(kinds(rows)), wordings=WORDINGS, contexts=CONTEXTS, facts=facts
        )
        write_out(args.html, page.encode(), **options)
