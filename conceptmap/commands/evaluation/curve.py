"""``conceptmap evaluate GOLD --learning-curve TRAINING``: adapters learned from more and more notes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_encoder_options, encoder_of, say, show
from conceptmap.commands.options.parser import Repeated
from conceptmap.commands.options.tables import aligned, terminal_width
from conceptmap.errors import InputError
from conceptmap.progress import waiting

if TYPE_CHECKING:
    from conceptmap.evaluation.sampled import Measured

__all__ = ["add_curve", "run_curve"]


def add_curve(parser: argparse.ArgumentParser) -> None:
    """The options of a learning curve."""
    group = parser.add_argument_group("how much more notes would help (adapters are learned; GOLD has marked mentions)")
    group.add_argument(
        "--learning-curve",
        action=Repeated,
        default=(),
        metavar="TRAINING",
        help="marked notes that are not in GOLD, instead of PREDICTED; may be repeated",
    )
    group.add_argument(
        "--sizes", type=_sizes, metavar="N,…", help="numbers of notes (default: all, half of them, and so on to fifty)"
    )
    group.add_argument("--index", default="icd10cm", metavar="INDEX", help="icd10cm (the default) or an index folder")
    group.add_argument("--encoder", default="embedded", metavar="NAME|PATH", help="embedded (the default), or another")
    add_encoder_options(parser)


def _sizes(text: str) -> list[int]:
    sizes = sorted({int(part) for part in text.split(",")})
    if sizes[0] < 1:
        raise ValueError
    return sizes


def run_curve(args: argparse.Namespace) -> int:
    """Learn, measure, print; each size when it is done."""
    if args.predicted or args.against or args.gold_spans or args.tokens or args.errors or args.html:
        then = "leave out PREDICTED and what is said of it"
        raise InputError("--learning-curve makes its own predictions", then=then)
    from conceptmap.evaluation.intervals import intervals
    from conceptmap.index.embedded import opened_index
    from conceptmap.notes.marked import read_marked
    from conceptmap.training.curve import default_sizes, learning_curve
    from conceptmap.training.train import TrainingSettings

    held_out = read_marked(args.gold)[: args.notes]
    training = [note for path in args.learning_curve for note in read_marked(path)]
    if shared := {note.text for note in held_out} & {note.text for note in training}:
        raise InputError(f"{len(shared):,} notes of the gold standard are among those to learn from")
    sizes = args.sizes or default_sizes(len(training))
    if sizes[-1] > len(training):
        raise InputError("--sizes asks for more notes than there are", got=sizes[-1], expected=f"{len(training):,}")
    encoder = encoder_of(args)
    if encoder is None:
        raise InputError("an adapter belongs to an encoder", got="--encoder none", expected="an encoder")
    settings = TrainingSettings(seed=args.seed)
    points = []
    with waiting("conceptmap: learning from more and more notes …"):
        index = opened_index(args.index, encoder, None)
        for size, measured in learning_curve(index, encoder, training, held_out, sizes=sizes, settings=settings):
            points.append((size, measured, intervals(measured, draws=args.draws or 1, seed=args.seed)))
    if args.json:
        show(json.dumps([{"notes": size, **measured.scores()} for size, measured, _ in points], indent=2))
    else:
        show("\n".join(aligned(list(_rows(points)), terminal_width())))
        gain = points[-1][1].scores()["mentions"]["f1"] - points[max(len(points) - 2, 0)][1].scores()["mentions"]["f1"]
        say(f"the last step brought {gain:+.3f} F1")
    return 0


def _rows(
    points: list[tuple[int, Measured, dict[tuple[str, str], tuple[float, float]]]],
) -> Iterator[tuple[str, ...]]:
    yield "notes", "precision", "recall", "f1", "95 % interval", "seen f1", "unseen f1"
    for size, measured, drawn in points:
        scores = measured.scores()
        values = [f"{scores['mentions'][name]:.3f}" for name in ("precision", "recall", "f1")]
        low, high = drawn["mentions", "f1"]
        groups = [f"{scores[name]['f1']:.3f}" for name in ("seen", "unseen")]
        yield f"{size:,}", *values, f"{low:.3f} to {high:.3f}", *groups
