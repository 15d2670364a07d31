"""``conceptmap tag``: the concepts of every word of a text, as a table, as JSON or as a page."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptmap.commands.common import add_command, add_mapper_options, load_mapper, show, write_stdout
from conceptmap.commands.options.tables import aligned, terminal_width
from conceptmap.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.export.tagged_words import TaggedWord
    from conceptmap.mapper import ConceptMapper

__all__ = ["add", "run"]

NOTHING = "·"
SAME = "″"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "tag", run, summary="show the concepts of every word of a text")
    parser.add_argument("text", metavar="TEXT|-|FILE", help="the text itself, - for stdin, or a text file")
    parser.add_argument("-k", type=int, default=3, metavar="K", help="concepts for each word (default 3)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="write the tokens with their concepts as JSON")
    how.add_argument(
        "--layout", action="store_true", help="show how the text is understood: sections, statements, answers"
    )
    how.add_argument(
        "--show",
        action="store_true",
        help="show the text with its mentions marked, and its codes; in colour on a terminal (NO_COLOR, FORCE_COLOR)",
    )
    how.add_argument("--html", action="store_true", help="write a page in which pointing at a word explains it")
    add_mapper_options(parser)


def run(args: argparse.Namespace) -> int:
    """Tag the text."""
    if args.k < 1:
        raise InputError("-k must be at least 1", got=args.k)
    text = _text(args.text)
    if args.layout:
        from conceptmap.export.layout_rows import layout_rows

        show("\n".join(aligned(layout_rows(text), terminal_width())))
        return 0
    mapper, _ = load_mapper(args)
    if args.show:
        print(_shown(mapper, text))  # made printable piece by piece: `show` would take the colours for what steers
        return 0
    if args.html:
        from conceptmap.export.html import report
        from conceptmap.export.paths import paths_of

        note = mapper.annotate(text, k=args.k)
        page = report([note], path=paths_of(mapper.path, mapper.indexes), title="Tagged text")
        write_stdout(page.encode())
        return 0
    tags = mapper.tag(text, k=args.k)
    show(_as_json(tags) if args.json else table(text, tags, k=args.k, width=terminal_width()))
    return 0


def _shown(mapper: ConceptMapper, text: str) -> str:
    """The text with its mentions marked, and its codes."""
    from conceptmap.commands.options.terminal import colours_wanted, note_lines
    from conceptmap.export.html import view_of
    from conceptmap.export.paths import paths_of
    from conceptmap.export.report.views import note_page

    path = paths_of(mapper.path, mapper.indexes)
    note = note_page(view_of(mapper.annotate(text, note_id="text")), path=path, anchor="n")
    lines = note_lines(note, width=terminal_width() or 80, colour=colours_wanted())
    return "\n".join(lines)


def _text(given: str) -> str:
    """What to tag.

    Raises:
        InputError: it cannot be read, is not UTF-8, is empty, or is a table of notes.
    """
    path = Path(given)
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # a text too long for a file's name
        is_file = False
    if given == "-":
        data, name = sys.stdin.buffer.read(), "standard input"
    elif is_file:
        if path.suffix.lower() in (".csv", ".jsonl", ".parquet", ".gz"):
            raise InputError(f"{path} is a table of notes", expected="a text", then="use conceptmap code")
        data, name = path.read_bytes(), str(path)
    elif path.suffix == ".txt" and not any(map(str.isspace, given)):
        raise InputError(f"cannot read {given}", got="no such file", expected="a text, - or a text file")
    else:
        data, name = given.encode("utf-8", "surrogateescape"), "the text"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8", got=f"byte 0x{data[error.start]:02x} at byte {error.start}") from None
    if not text.strip():
        raise InputError(f"{name} is empty", expected="words to tag")
    return text


def _as_json(tags: pl.DataFrame) -> str:
    """Tokens in reading order, each with its ranked concepts; none where the tagger abstains."""
    tokens: dict[int, dict[str, Any]] = {}
    for row in tags.iter_rows(named=True):
        place = {key: row[key] for key in ("token_index", "start_char", "end_char", "text")}
        concepts = tokens.setdefault(row["token_index"], {**place, "concepts": []})["concepts"]
        if row["code"] is not None:
            concept = {key: row[key] for key in ("rank", "system", "code", "name", "why")}
            concepts.append({**concept, **{key: round(row[key], 4) for key in ("confidence", "score")}})
    return json.dumps(list(tokens.values()), ensure_ascii=False, indent=1)


def table(text: str, tags: pl.DataFrame, *, k: int, width: int | None = None) -> str:
    """The words of a text with their concepts, aligned: ``·`` for none, ``″`` for the same as the word before.

    Args:
        text: what was tagged.
        tags: its rows of ``frames.TAGS``.
        k: most concepts of a word in each system.
        width: most columns of a line.
    """
    from conceptmap.export.tagged_words import tagged_words

    several = tags["system"].n_unique() > 1
    rows = [("word", *(("system",) if several else ()), "code", "confidence", "cosine", "name", "why")]
    before: Sequence[object] = ()
    for word in tagged_words(text, tags):
        rows += _rows(word, before, k=k, several=several)
        before = [concept.code for concept in word.concepts]
    return "\n".join(aligned(rows, width))


def _rows(word: TaggedWord, before: Sequence[object], *, k: int, several: bool) -> Iterable[tuple[str, ...]]:
    blank = ("",) if several else ()
    if not word.concepts:
        yield (word.text, *blank, NOTHING, *[""] * 4)
    elif before == [concept.code for concept in word.concepts]:
        yield (word.text, *blank, SAME, *[""] * 4)
    else:
        counts: dict[str, int] = {}
        label = word.text
        for concept in sorted(word.concepts, key=lambda concept: concept.system):
            counts[concept.system] = counts.get(concept.system, 0) + 1
            if counts[concept.system] <= k:
                system = (concept.system,) if several else ()
                figures = f"{concept.confidence:.2f}", f"{concept.score:.2f}"
                yield (label, *system, concept.code, *figures, concept.name, concept.why)
                label = ""
