"""``conceptmap evaluate``: predictions against a gold standard, with intervals, and against other predictions."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from conceptmap.commands.common import (
    add_command,
    add_keeping,
    add_spreadsheet_safe,
    check_out,
    ontology_of,
    say,
    show,
    write_out,
)
from conceptmap.commands.evaluation.curve import add_curve, run_curve
from conceptmap.commands.options.parser import Repeated
from conceptmap.commands.options.releases import add_history_options, with_history
from conceptmap.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.commands.evaluation.shown import Measurement
    from conceptmap.evaluation.sampled import Measured

__all__ = ["add", "run"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "evaluate", run, summary="score predictions against a gold standard")
    parser.add_argument(
        "gold",
        metavar="GOLD",
        help="codes: a .csv with note_id, code (and role, coder), or a codes.xlsx in which Accept is filled in; "
        "mentions: a .jsonl with note_id, text, mentions, a BRAT folder, a PubTator .txt, or a .csv with "
        "note_id, start_char, end_char, code",
    )
    parser.add_argument(
        "predicted", nargs="?", metavar="PREDICTED", help="codes.csv, annotations.csv, candidates of spans, or tags.csv"
    )
    parser.add_argument(
        "--against",
        metavar="OTHER",
        help="other predictions for the same notes: adds the differences, PREDICTED - OTHER",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--gold-spans", action="store_true", help="PREDICTED ranks concepts for exactly the gold spans")
    how.add_argument("--tokens", action="store_true", help="PREDICTED holds the tags of tokens")
    parser.add_argument("--notes", type=int, metavar="N", help="only the first N notes with marked mentions")
    parser.add_argument(
        "--ontology",
        metavar="INDEX|RELEASE",
        help="adds figures that give credit for what gold and prediction share above, and figures by chapter",
    )
    add_history_options(parser)
    parser.add_argument(
        "--seen",
        action=Repeated,
        default=(),
        metavar="TRAINING",
        help="a .csv with code, or marked notes: tells codes that they have from others; may be repeated",
    )
    _add_outputs(parser)
    add_curve(parser)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--draws",
        type=int,
        default=1000,
        metavar="N",
        help="samples of the notes that the intervals rest on (default 1,000); 0: no intervals",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the samples (default 0)")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.add_argument("--errors", metavar="ERRORS.csv", help="also write what is missed, invented, or nearly right")
    parser.add_argument("--html", metavar="PAGE.html", help="also write a page with plots")
    add_keeping(parser, "replace a file that is there")
    add_spreadsheet_safe(parser, "ERRORS.csv")


def run(args: argparse.Namespace) -> int:
    """Score and print."""
    from conceptmap.commands.evaluation.gold import task_of
    from conceptmap.commands.evaluation.shown import as_json, lines

    _check(args)
    if args.learning_curve:
        return run_curve(args)
    ontology = with_history([ontology_of(args.ontology)], args)[0] if args.ontology else None
    task = task_of(args, ontology)
    predicted = task.read(args.predicted)
    if args.errors and task.errors is None:
        raise InputError("--errors lists wrong mentions and codes", got="--gold-spans or --tokens")
    other = task.read(args.against) if args.against else None
    shown = _shown(args, task.measure(predicted), task.measure(other) if other is not None else None)
    show(json.dumps(as_json(shown), indent=2) if args.json else lines(shown))
    if args.errors or args.html:
        _write(args, shown, task.errors(predicted) if task.errors else None)
    return 0


def _check(args: argparse.Namespace) -> None:
    if not args.predicted and not args.learning_curve:
        raise InputError("PREDICTED is missing", expected="a table of predictions, or --learning-curve TRAINING")
    if (args.earlier or args.conversions) and not args.ontology:
        raise InputError("codes of earlier years need a release of today", then="add --ontology")
    if args.draws < 0 or (args.against and not args.draws):
        raise InputError("--draws is no number of samples", got=args.draws, expected="1,000 or so")
    for path in (args.errors or "-", args.html or "-"):
        check_out(path, overwrite=args.overwrite)


def _shown(args: argparse.Namespace, one: Measured, two: Measured | None) -> Measurement:
    from conceptmap.commands.evaluation.shown import Measurement
    from conceptmap.evaluation.intervals import compared, intervals

    drawn = intervals(one, draws=args.draws, seed=args.seed) if args.draws else {}
    differences = compared(one, two, draws=args.draws, seed=args.seed) if two is not None else {}
    return Measurement(one, drawn, differences)


def _write(args: argparse.Namespace, shown: Measurement, errors: pl.DataFrame | None) -> None:
    from conceptmap.export.csv import csv_bytes

    options = {"overwrite": args.overwrite, "group_readable": args.group_readable}
    if errors is not None:
        counts = errors["error"].value_counts(sort=True, name="n").iter_rows()
        say("errors: " + (", ".join(f"{n:,} {kind}" for kind, n in counts) or "none"))
        if args.errors:
            write_out(args.errors, csv_bytes(errors, safe=args.spreadsheet_safe), **options)
    if args.html:
        from conceptmap.export.figures.evaluation import evaluation_page

        page = evaluation_page(shown.measured, shown.intervals, shown.differences, errors, facts=_facts(args))
        write_out(args.html, page.encode(), **options)


def _facts(args: argparse.Namespace) -> list[str]:
    from pathlib import Path

    against = [f"against {Path(args.against).name}"] if args.against else []
    return [f"{Path(args.predicted).name} by {Path(args.gold).name}", *against]
