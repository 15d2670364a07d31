"""Marked notes: notes in which people marked mentions, out of JSON Lines, BRAT folders and PubTator files.

Offsets are code points of the note, half-open. A mention without a code that can be used is a span to leave alone:
neither an example nor a counter-example.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conceptmap.errors import InputError
from conceptmap.files import json_of

__all__ = ["MarkedNote", "MarkedSpan", "read_marked"]

_PUBTATOR = re.compile(r"(?P<id>[^|\t]+)\|(?P<part>[ta])\|(?P<text>.*)")
_NO_CODE = {"", "-", "-1", "none", "null"}


@dataclass(frozen=True, slots=True)
class MarkedSpan:
    """A mention as somebody marked it.

    Attributes:
        start_char: first code point.
        end_char: one past the last.
        codes: any of them is right; none when the mention has no usable code.
    """

    start_char: int
    end_char: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MarkedNote:
    """A note and its mentions.

    Attributes:
        note_id: as given.
        text: the note.
        mentions: with their codes.
        ignored: spans to leave alone.
    """

    note_id: str
    text: str
    mentions: tuple[MarkedSpan, ...]
    ignored: tuple[tuple[int, int], ...]

    @classmethod
    def of(
        cls, note_id: str, text: str, spans: Iterable[MarkedSpan], ignored: Iterable[tuple[int, int]] = ()
    ) -> MarkedNote:
        """A note whose spans with codes are mentions; those without are left alone, as the ignored ones are."""
        marked = list(spans)
        uncoded = [(span.start_char, span.end_char) for span in marked if not span.codes]
        return cls(note_id, text, tuple(span for span in marked if span.codes), (*uncoded, *ignored))


def read_marked(path: str | Path) -> list[MarkedNote]:
    """Notes with marked mentions.

    Args:
        path: ``.jsonl`` (note_id, text, mentions of start, end and codes, ignored spans), a BRAT folder (``.txt`` with
            ``.ann``), or a PubTator file (``.txt``, ``.pubtator``).

    Raises:
        InputError: it cannot be read, or a line does not fit; the message names file and line and never the text.
    """
    source = Path(path)
    if source.is_dir():
        return [_brat_note(file) for file in _annotated_files(source)]
    lines = _lines(source)
    if source.suffix.lower() in (".jsonl", ".ndjson"):
        notes = [_json_note(line, f"{source}, line {n}") for n, line in enumerate(lines, 1) if line.strip()]
    else:
        notes = list(_pubtator_notes(lines, source))
    if not notes:
        raise InputError(f"{source} holds no note", expected="JSON Lines, a BRAT folder or a PubTator file")
    return notes


def _lines(source: Path) -> list[str]:
    try:
        return source.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        got = getattr(error, "strerror", None) or "bytes that are not UTF-8"
        raise InputError(f"cannot read {source}", got=got, expected="a UTF-8 file or a BRAT folder") from None


def _span(text: str, start: int, end: int, codes: Iterable[str], said: str | None, where: str) -> MarkedSpan:
    """A span that fits its note.

    Raises:
        InputError: it is outside the note, or the note says something else there.
    """
    if not 0 <= start < end <= len(text):
        raise InputError(f"{where}: a span is outside its note", got=(start, end), expected=f"within 0 and {len(text)}")
    if said is not None and said.split() != text[start:end].split():
        then = "count code points from 0, the end excluded"
        raise InputError(f"{where}: the note says something else at {start} to {end}", then=then)
    usable = tuple(code for code in (code.strip() for code in codes) if code.lower() not in _NO_CODE)
    return MarkedSpan(start, end, usable)


# -- JSON Lines -------------------------------------------------------------------------------------------------------


def _json_note(line: str, where: str) -> MarkedNote:
    try:
        note = json_of(line)
        text, mentions = str(note["text"]), list(note["mentions"])
        rows = [(int(m["start"]), int(m["end"]), [str(c) for c in m["codes"]], m.get("text")) for m in mentions]
        skipped = [(int(start), int(end)) for start, end in note.get("ignored", ())]
        note_id = str(note["note_id"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        expected = "note_id, text, mentions of start, end and codes, and ignored spans"
        raise InputError(f"{where} is no note with mentions", got=type(error).__name__, expected=expected) from None
    return MarkedNote.of(note_id, text, [_span(text, *row, where) for row in rows], skipped)


# -- BRAT -------------------------------------------------------------------------------------------------------------


def _annotated_files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.glob("*.txt") if path.with_suffix(".ann").is_file())
    if not found:
        raise InputError(f"{folder} holds no annotated note", expected="pairs of .txt and .ann files")
    return found


def _brat_note(file: Path) -> MarkedNote:
    """A ``.txt`` with its ``.ann``: entities (T), and the references (N) that give them codes."""
    text = "\n".join(_lines(file))
    spans: dict[str, tuple[int, int, str, bool]] = {}
    lines: dict[str, int] = {}
    codes: dict[str, list[str]] = defaultdict(list)
    annotations = file.with_suffix(".ann")
    for number, line in enumerate(_lines(annotations), 1):
        where = f"{annotations}, line {number}"
        try:
            if line.startswith("T"):
                name, place, said = line.rstrip("\r").split("\t", 2)
                lines[name] = number
                spans[name] = (*_hull(place.split(maxsplit=1)[1]), said, ";" not in place)
            elif line.startswith("N"):
                _, target, reference = line.rstrip("\r").split("\t")[1].split()
                codes[target].append(reference)
        except (ValueError, IndexError) as error:
            expected = "T<n>, TYPE START END, TEXT or N<n>, Reference T<n> SYSTEM:CODE, parted by tabs"
            raise InputError(f"{where} is no annotation", got=type(error).__name__, expected=expected) from None
    whole = [
        _span(text, start, end, codes[name], said if joined else None, f"{annotations}, line {lines[name]}")
        for name, (start, end, said, joined) in spans.items()
    ]
    joined = {name for name, span in spans.items() if span[3]}
    kept = [span if name in joined else MarkedSpan(span.start_char, span.end_char, ()) for name, span in
            zip(spans, whole, strict=True)]  # fmt: skip
    return MarkedNote.of(file.stem, text, kept)


def _hull(offsets: str) -> tuple[int, int]:
    """First and last offset of ``0 5`` or, in pieces, ``0 5;9 12``."""
    numbers = [int(number) for number in offsets.replace(";", " ").split()]
    return numbers[0], numbers[-1]


# -- PubTator ---------------------------------------------------------------------------------------------------------


def _pubtator_notes(lines: Sequence[str], source: Path) -> Iterator[MarkedNote]:
    """Blocks of ``id|t|title``, ``id|a|abstract`` and lines of id, start, end, text, type, codes."""
    texts: dict[str, dict[str, str]] = {}
    rows: dict[str, list[tuple[int, int, list[str], str, str]]] = defaultdict(list)
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        where = f"{source}, line {number}"
        if part := _PUBTATOR.fullmatch(line):
            texts.setdefault(part["id"], {})[part["part"]] = part["text"]
            continue
        cells = line.split("\t")
        if len(cells) == 4 and not cells[1].isdigit():
            continue  # a relation between concepts, such as CID
        try:
            codes = re.split(r"[|,;+]", cells[5]) if len(cells) > 5 else []
            rows[cells[0]].append((int(cells[1]), int(cells[2]), codes, cells[3], where))
        except (ValueError, IndexError) as error:
            expected = "id|t|title, id|a|abstract, or id, start, end, text, type and codes parted by tabs"
            raise InputError(f"{where} is no PubTator line", got=type(error).__name__, expected=expected) from None
    if lost := [rows[note_id][0][-1] for note_id in rows if note_id not in texts]:
        raise InputError(f"{lost[0]} marks a note that the file does not hold", expected="id|t|title above it")
    for note_id, parts in texts.items():
        text = " ".join(parts[part] for part in ("t", "a") if part in parts)
        yield MarkedNote.of(note_id, text, [_span(text, *row) for row in rows[note_id]])
