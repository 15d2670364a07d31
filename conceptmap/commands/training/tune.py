"""``conceptmap tune``: an encoder learns the names of concepts and how plain notes say them."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_command, add_keeping, say
from conceptmap.commands.options.notes import add_note_options, notes_of
from conceptmap.commands.options.parser import Repeated
from conceptmap.errors import InputError
from conceptmap.progress import progress_bar
from conceptmap.tuning.settings import TuneSettings

if TYPE_CHECKING:
    from conceptmap.index.index import ConceptIndex
    from conceptmap.tuning.figures import Figures

__all__ = ["add", "run"]

_WEIGHTS = {
    "names": "pulling the names of a concept together, others away",
    "context": "pulling the tokens of a mention to names of its concept",
    "parents": "pulling names to those of parents",
    "background": "pushing tokens of no concept away from all names",
    "keeping": "staying near the encoder as it was, on plain sentences",
}
_NUMBERS = {
    "steps": "most steps",
    "rate": "learning rate",
    "rank": "rank of the changes",
    "patience": "looks without a better one",
    "seed": "of every random choice",
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "tune", run, summary="teach an encoder the names of concepts in plain notes")
    parser.add_argument(
        "--ontology",
        action=Repeated,
        default=["icd10cm"],
        metavar="INDEX|RELEASE",
        help="concepts, names and hierarchy: icd10cm (the default), an index folder or a release; may be repeated",
    )
    parser.add_argument(
        "--notes", action=Repeated, default=[], required=True, metavar="NOTES", help="plain notes; may be repeated"
    )
    parser.add_argument(
        "--mentions",
        action=Repeated,
        default=[],
        metavar="MENTIONS",
        help="notes with marked mentions besides: .jsonl, a BRAT folder or a PubTator file; may be repeated",
    )
    add_note_options(parser)
    parser.add_argument("-o", "--output", required=True, metavar="TUNED", help="folder for the tuned encoder")
    add_keeping(parser, "replace a tuned encoder that was changed since it was written")
    parser.add_argument(
        "--encoder", default="embedded", metavar="NAME|PATH", help="embedded (the default), a model folder, a hub name"
    )
    parser.add_argument(
        "--device", default="cpu", metavar="DEVICE", help="where to learn: cpu (default), cuda or cuda:N"
    )
    parser.add_argument(
        "--dtype",
        default="auto",
        choices=["auto", "float32", "bfloat16"],
        help="what products are computed in; auto: bfloat16 where the device has it, else float32",
    )
    parser.add_argument("--data", metavar="TEXT", help="what the notes are, for the card")
    parser.add_argument("--licence", metavar="TEXT", help="under which licence they may be used, for the card")
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it learns")
    usual = TuneSettings()
    for name, what in _NUMBERS.items():
        _add_number(group, f"--{name}", getattr(usual, name), what)
    for name, what in _WEIGHTS.items():
        _add_number(group, f"--weight-{name}", getattr(usual, name), f"weight of {what}", dest=name)


def _add_number(group: argparse._ArgumentGroup, flag: str, usual: float, what: str, *, dest: str | None = None) -> None:
    kind, letter = (int, "N") if isinstance(usual, int) else (float, "X")
    said = f"{what} (default {usual})"
    group.add_argument(flag, dest=dest or flag[2:], type=kind, default=usual, metavar=letter, help=said)


def run(args: argparse.Namespace) -> int:
    """Tune, save, say what came of it."""
    from conceptmap.files import GROUP, PRIVATE
    from conceptmap.topk import check_device, chosen_device

    if args.encoder == "none":
        raise InputError("there is nothing to tune", got="--encoder none", expected="an encoder")
    settings, device = _settings(args), chosen_device(args.device)
    check_device(device if device.startswith("cuda") else "cpu")
    from conceptmap.notes.marked import read_marked
    from conceptmap.tuning.tune import tune

    began = time.perf_counter()
    texts = [text for path in args.notes for text in notes_of(path, args).frame()["text"]]
    marked = [note for path in args.mentions for note in read_marked(path)]
    indexes = [_index(source) for source in args.ontology]
    with progress_bar("tuning", unit="step") as progress:
        done = tune(
            indexes,
            texts,
            args.output,
            encoder=args.encoder,
            marked=marked,
            settings=settings,
            device=device,
            dtype=args.dtype,
            about=(args.data or "not stated", args.licence or "not stated"),
            overwrite=args.overwrite,
            access=GROUP if args.group_readable else PRIVATE,
            progress=progress,
        )
    if done.resumed:
        say(f"gone on from step {done.resumed:,} of an earlier run")
    say(_told(done.before, done.after))
    seconds = time.perf_counter() - began
    say(f"tuned in {seconds:,.0f} s, kept step {done.step:,}: {done.folder}; figures in {done.folder / 'README.md'}")
    return 0


def _settings(args: argparse.Namespace) -> TuneSettings:
    return TuneSettings(**{name: getattr(args, name) for name in (*_NUMBERS, *_WEIGHTS)})


def _told(before: Figures, after: Figures) -> str:
    pairs = [
        (what, getattr(before, name), getattr(after, name))
        for what, name in (("names", "names_1"), ("mentions", "mentions_1"))
        if getattr(before, name) is not None
    ]
    parts = [f"{what} {100 * was:.1f} %, now {100 * now:.1f} %" for what, was, now in pairs]
    better = "" if after.score > before.score else ": no better than the encoder as it was"
    return (f"held back, right at once: {'; '.join(parts)}" if parts else "nothing was held back") + better


def _index(source: str) -> ConceptIndex:
    """The names of an index folder, of a release, or of the embedded one."""
    from conceptmap.index.building import build_index
    from conceptmap.index.embedded import EMBEDDED, embedded_index
    from conceptmap.index.index import ConceptIndex
    from conceptmap.readers import load_ontology

    if source == EMBEDDED:
        return embedded_index(None)
    if (Path(source) / "manifest.json").is_file():
        return ConceptIndex.open(source)
    return build_index(load_ontology(source), None)
