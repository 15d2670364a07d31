"""``conceptmap adapt --notes NOTES --codes GOLD``: learn from notes and the codes that coders gave them."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.common import encoder_of, say
from conceptmap.commands.options.notes import notes_of
from conceptmap.commands.options.tables import read_table
from conceptmap.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.learned.code_adapter import CodeAdapter

__all__ = ["add_code_options", "run_codes", "usual_model"]


def add_code_options(parser: argparse.ArgumentParser) -> None:
    """What is asked only where codes are learned from."""
    group = parser.add_argument_group("to learn from coded notes (see docs/learning.md)")
    group.add_argument(
        "--codes",
        metavar="GOLD",
        help="the codes of --notes: a table of note_id and code, a row a code; evidence, where it has that column, are "
        "the words of the note that the coder marked for it, several phrases parted by semicolons",
    )
    group.add_argument(
        "--model",
        choices=("trees", "logistic"),
        help="trees: LightGBM (the default where it is installed); logistic: needs no extra, and is a little worse",
    )
    group.add_argument(
        "--setting",
        choices=("inpatient", "visit", "report"),
        help="of all notes, then and when they are coded; default: what each note shows",
    )
    group.add_argument(
        "--vectors",
        choices=("auto", "always", "never"),
        help="weigh what vectors of mentions tell (needs --encoder): by default auto: where it gains on notes held out",
    )
    group.add_argument("--keep-note-ids", action="store_true", help="name the training notes in the adapter")


def run_codes(args: argparse.Namespace) -> int:
    """Learn, save, say what came of it."""
    from conceptmap.index.embedded import EMBEDDED
    from conceptmap.index.files import check_target
    from conceptmap.learned.store import LAYOUT
    from conceptmap.learning.code_cards import is_better
    from conceptmap.learning.learn_codes import CodeSettings
    from conceptmap.mapper import ConceptMapper
    from conceptmap.notes.reviewed import accepted_codes, is_reviewed

    check_target(Path(args.output), LAYOUT, overwrite=args.overwrite)
    if args.vectors == "always" and args.encoder == "none":
        raise InputError("--vectors always has no vectors to weigh", got="no encoder", expected="--encoder embedded")
    settings = CodeSettings(model=args.model or usual_model(), setting=args.setting, vectors=args.vectors or "auto")
    settings.check()
    began = time.perf_counter()
    codes = read_table(args.codes, ("note_id", "code"))
    read = notes_of(args.notes, args)
    if args.index != EMBEDDED and not Path(args.index).is_dir():
        raise InputError("--index names no index", got=args.index, expected="icd10cm or an index folder")
    mapper = ConceptMapper.load(args.index, encoder=encoder_of(args))
    notes = read.frame()
    if is_reviewed(codes):  # what was rejected is not learned as right, nor what nobody looked at as wrong
        codes, _, reviewed = accepted_codes(codes, args.codes)
        notes = notes.filter(notes["note_id"].is_in(reviewed))
    (adapter,) = mapper.fit(notes, codes, settings).code_adapters
    facts = {"data": args.data or "not stated", "licence": args.licence or "not stated", **adapter.card}
    if args.keep_note_ids:
        facts["note ids"] = _used(notes, codes)
    adapter = replace(adapter, card=facts)
    folder = _saved(adapter, args)
    counts, figures = adapter.card["counts"], adapter.card["figures"]
    if counts["codes not in the index"]:
        say(f"{counts['codes not in the index']:,} codes were left out: the index does not hold them")
    seconds, before, after = time.perf_counter() - began, figures["rules"]["f1"], figures["learned"]["f1"]
    say(f"learned from {counts['codes']:,} codes of {counts['notes']:,} notes in {seconds:.1f} s: {folder}")
    say(f"F1 on notes held out {after:.3f}, by the rules alone {before:.3f}; more in {folder / 'README.md'}")
    if "phrases marked" in counts:
        then = f"{counts['marked words kept']:,} words, pairs and triples of these are kept"
        n, there = counts["phrases marked"], counts["phrases found"]
        say(f"of {n:,} phrases that coders marked {there:,} stand in their notes; {then}")
    if (found := adapter.card["vectors"]) is not None:
        low, high = found["log loss"][2:]
        then = "weighed" if found["kept"] else "left out"
        say(f"vectors of mentions are {then}: they lower the log loss a note by {low:.3f} to {high:.3f} (95 %)")
    if not is_better(adapter):
        say("it codes these notes no better than the rules do: learn from more notes before you use it")
    return 0


def usual_model() -> str:
    """Trees where LightGBM is installed."""
    from importlib.util import find_spec

    if find_spec("lightgbm") is not None:
        return "trees"
    say("learning a logistic regression; trees are better: pip install 'conceptmap[learn]'")
    return "logistic"


def _used(notes: pl.DataFrame, codes: pl.DataFrame) -> list[str]:
    return sorted({*notes["note_id"].cast(str).to_list()} & {*codes["note_id"].drop_nulls().to_list()})


def _saved(adapter: CodeAdapter, args: argparse.Namespace) -> Path:
    from conceptmap.files import GROUP, PRIVATE
    from conceptmap.learned.store import save_code_adapter
    from conceptmap.learning.code_cards import code_card
    from conceptmap.training.cards import reliability_svg

    pages = {"README.md": code_card(adapter)}
    if bins := adapter.card["reliability"]:
        pages["reliability.svg"] = reliability_svg(bins)
    access = GROUP if args.group_readable else PRIVATE
    return save_code_adapter(adapter, args.output, pages=pages, overwrite=args.overwrite, access=access)
