"""``conceptmap evaluate GOLD --learning-curve TRAINING``: adapters learned from more and more notes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_encoder_options, encoder_of, say, show, write_out
from conceptmap.commands.evaluation.gold import MARKED
from conceptmap.commands.options.parser import Repeated
from conceptmap.commands.options.tables import aligned, read_table, terminal_width
from conceptmap.errors import InputError
from conceptmap.progress import waiting

if TYPE_CHECKING:
    from conceptmap.evaluation.sampled import Measured
    from conceptmap.export.figures.curve import Point

__all__ = ["add_curve", "run_curve"]

Key = tuple[str, str]
MENTIONS: tuple[Key, ...] = (("mentions", "f1"), ("seen", "f1"), ("unseen", "f1"))
CODES: tuple[Key, ...] = (("full code", "f1"), ("category", "f1"), ("ranked", "map"))
"""Figures that are plotted; the first is told with precision, recall and its interval."""


def add_curve(parser: argparse.ArgumentParser) -> None:
    """The options of a learning curve."""
    group = parser.add_argument_group("how much more notes would help (adapters are learned)")
    group.add_argument(
        "--learning-curve",
        action=Repeated,
        default=(),
        metavar="TRAINING",
        help="instead of PREDICTED: marked notes that are not in GOLD, or, where GOLD has the codes of notes, these "
        "notes, each part of which is coded by what others taught; may be repeated",
    )
    group.add_argument(
        "--sizes",
        type=_sizes,
        metavar="N,…",
        help="numbers of notes (default: all, half of them, and so on to fifty; of coded notes to an eighth)",
    )
    group.add_argument("--index", default="icd10cm", metavar="INDEX", help="icd10cm (the default) or an index folder")
    group.add_argument(
        "--encoder",
        metavar="NAME|PATH|none",
        help="embedded (the default for mentions), another, or none: words alone (the default for codes)",
    )
    group.add_argument("--setting", choices=("inpatient", "visit", "report"), help="of all coded notes; see adapt")
    group.add_argument("--model", choices=("trees", "logistic"), help="what learns codes; see adapt")
    add_encoder_options(parser)


def _sizes(text: str) -> list[int]:
    sizes = sorted({int(part) for part in text.split(",")})
    if sizes[0] < 1:
        raise ValueError
    return sizes


def run_curve(args: argparse.Namespace) -> int:
    """Learn, measure, print."""
    if args.predicted or args.against or args.gold_spans or args.tokens or args.errors:
        then = "leave out PREDICTED and what is said of it"
        raise InputError("--learning-curve makes its own predictions", then=then)
    from conceptmap.export.figures.curve import curve_page

    of_mentions = Path(args.gold).is_dir() or Path(args.gold).suffix.lower() in MARKED
    with waiting("conceptmap: learning from more and more notes …"):
        points = _points(args, _of_mentions(args) if of_mentions else _of_codes(args))
    shown = MENTIONS if of_mentions else CODES
    if args.json:
        show(json.dumps([{"notes": point.n_notes, **point.scores} for point in points], indent=2))
    else:
        show("\n".join(aligned(list(_rows(points, shown)), terminal_width())))
        section, name = shown[0]
        gain = points[-1].scores[section][name] - points[max(len(points) - 2, 0)].scores[section][name]
        say(f"the last step brought {gain:+.3f} F1")
    if args.html:
        facts = [f"{Path(path).name} by {Path(args.gold).name}" for path in args.learning_curve]
        page = curve_page(points, shown, facts=facts)
        write_out(args.html, page.encode(), overwrite=args.overwrite, group_readable=args.group_readable)
    return 0


def _points(args: argparse.Namespace, measured: Iterator[tuple[int, Measured]]) -> list[Point]:
    from conceptmap.evaluation.intervals import intervals
    from conceptmap.export.figures.curve import Point

    return [Point(size, one.scores(), intervals(one, draws=args.draws or 1, seed=args.seed)) for size, one in measured]


def _of_mentions(args: argparse.Namespace) -> Iterator[tuple[int, Measured]]:
    from conceptmap.index.embedded import opened_index
    from conceptmap.notes.marked import read_marked
    from conceptmap.training.curve import default_sizes, learning_curve
    from conceptmap.training.train import TrainingSettings

    if args.setting or args.model:
        raise InputError("--setting and --model are of coded notes", got=f"marked mentions in {args.gold}")
    held_out = read_marked(args.gold)[: args.notes]
    training = [note for path in args.learning_curve for note in read_marked(path)]
    if shared := {note.text for note in held_out} & {note.text for note in training}:
        raise InputError(f"{len(shared):,} notes of the gold standard are among those to learn from")
    sizes = _checked(args.sizes or default_sizes(len(training)), len(training))
    args.encoder = args.encoder or "embedded"
    encoder = encoder_of(args)
    if encoder is None:
        raise InputError("an adapter belongs to an encoder", got="--encoder none", expected="an encoder")
    index = opened_index(args.index, encoder, None)
    yield from learning_curve(
        index, encoder, training, held_out, sizes=sizes, settings=TrainingSettings(seed=args.seed)
    )


def _of_codes(args: argparse.Namespace) -> Iterator[tuple[int, Measured]]:
    import polars as pl

    from conceptmap.commands.adapt_codes import usual_model
    from conceptmap.learning.code_curve import code_curve, code_sizes, most_notes
    from conceptmap.learning.fit_codes import coded_notes, patients_of, read_with
    from conceptmap.learning.learn_codes import CodeSettings
    from conceptmap.mapper import ConceptMapper
    from conceptmap.notes.notes import read_notes
    from conceptmap.notes.reviewed import accepted_codes, is_reviewed

    settings = CodeSettings(model=args.model or usual_model(), setting=args.setting, seed=args.seed)
    settings.check()
    codes = read_table(args.gold, ("note_id", "code"))
    notes = pl.concat([read_notes(path).frame() for path in args.learning_curve], how="diagonal_relaxed")
    if is_reviewed(codes):
        codes, _, reviewed = accepted_codes(codes, args.gold)
        notes = notes.filter(notes["note_id"].is_in(reviewed))
    args.encoder = args.encoder or "none"
    mapper = ConceptMapper.load(args.index, encoder=encoder_of(args))
    (linker,) = mapper.linkers
    parts = mapper.readings(notes[: args.notes]), linker, mapper.instructions[0], codes
    coded, lost = coded_notes(*parts, setting=args.setting, patients=patients_of(notes))
    if lost:
        say(f"{lost:,} codes were left out: the index does not hold them")
    most = most_notes(coded, args.seed)
    sizes = _checked(args.sizes or code_sizes(most), most)
    yield from code_curve(coded, read_with(linker, mapper.encoder), linker.book, settings, sizes=sizes)


def _checked(sizes: Sequence[int], n_notes: int) -> Sequence[int]:
    if sizes and sizes[-1] > n_notes:
        raise InputError("--sizes asks for more notes than there are", got=sizes[-1], expected=f"{n_notes:,}")
    return sizes


def _rows(points: Sequence[Point], shown: Sequence[Key]) -> Iterator[tuple[str, ...]]:
    (section, name), *others = shown
    heads = [f"{of} {what}" if what == "f1" else what for of, what in others]
    yield "notes", "precision", "recall", "f1", "95 % interval", *heads
    for point in points:
        values = [f"{point.scores[section][what]:.3f}" for what in ("precision", "recall", name)]
        low, high = point.intervals[section, name]
        more = [f"{point.scores[of][what]:.3f}" if of in point.scores else "" for of, what in others]
        yield f"{point.n_notes:,}", *values, f"{low:.3f} to {high:.3f}", *more
