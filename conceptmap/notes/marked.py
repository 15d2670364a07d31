"""Read notes in which people marked mentions: JSON Lines, BRAT folders, PubTator files.

Offsets are code points of the note, half-open. A mention without a code that can be used is a span to leave alone:
neither an example nor a counter-example.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from conceptmap.errors import InputError
from conceptmap.linking.alignment import Crosswalk
from conceptmap.ontology.ontology import Ontology

__all__ = ["MarkedNote", "MarkedSpan", "over_codes", "read_marked", "with_known_codes"]

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


def _note(note_id: str, text: str, spans: Iterable[MarkedSpan], skipped: Iterable[tuple[int, int]]) -> MarkedNote:
    """Spans with codes are mentions, those without are left alone."""
    kept = list(spans)
    uncoded = [(span.start_char, span.end_char) for span in kept if not span.codes]
    return MarkedNote(note_id, text, tuple(s for s in kept if s.codes), (*uncoded, *skipped))


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
        note = json.loads(line)
        text, mentions = str(note["text"]), list(note["mentions"])
        rows = [(int(m["start"]), int(m["end"]), [str(c) for c in m["codes"]], m.get("text")) for m in mentions]
        skipped = [(int(start), int(end)) for start, end in note.get("ignored", ())]
        note_id = str(note["note_id"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        expected = "note_id, text, mentions of start, end and codes, and ignored spans"
        raise InputError(f"{where} is no note with mentions", got=type(error).__name__, expected=expected) from None
    return _note(note_id, text, [_span(text, *row, where) for row in rows], skipped)


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
    codes: dict[str, list[str]] = defaultdict(list)
    annotations = file.with_suffix(".ann")
    for number, line in enumerate(_lines(annotations), 1):
        where = f"{annotations}, line {number}"
        try:
            if line.startswith("T"):
                name, place, said = line.rstrip("\r").split("\t", 2)
                spans[name] = (*_hull(place.split(maxsplit=1)[1]), said, ";" not in place)
            elif line.startswith("N"):
                _, target, reference = line.rstrip("\r").split("\t")[1].split()
                codes[target].append(reference)
        except (ValueError, IndexError) as error:
            expected = "T<n>, TYPE START END, TEXT or N<n>, Reference T<n> SYSTEM:CODE, parted by tabs"
            raise InputError(f"{where} is no annotation", got=type(error).__name__, expected=expected) from None
    whole = [
        _span(text, start, end, codes[name], said if joined else None, f"{annotations}, {name}")
        for name, (start, end, said, joined) in spans.items()
    ]
    joined = {name for name, span in spans.items() if span[3]}
    kept = [span if name in joined else MarkedSpan(span.start_char, span.end_char, ()) for name, span in
            zip(spans, whole, strict=True)]  # fmt: skip
    return _note(file.stem, text, kept, ())


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
    if lost := sorted(rows.keys() - texts.keys()):
        raise InputError(f"{source} marks a note that it does not hold", got=f"note {lost[0][:40]}")
    for note_id, parts in texts.items():
        text = " ".join(parts[part] for part in ("t", "a") if part in parts)
        yield _note(note_id, text, [_span(text, *row) for row in rows[note_id]], ())


def over_codes(notes: Sequence[MarkedNote], release: Ontology, system: str) -> list[MarkedNote]:
    """Notes whose codes, of one release, are taken to another system by its cross-references.

    A code becomes all the codes that it refers to, any of them right; one that refers to none stays as it is.

    Args:
        notes: as read.
        release: of the codes that they have.
        system: where to.

    Raises:
        InputError: no code of the notes has a cross-reference to that system.
    """
    codes = {code for note in notes for mention in note.mentions for code in mention.codes}
    joined = Crosswalk({release.system: release}).joined(codes, release.system, system)
    if not joined:
        raise InputError(
            f"{release.system} {release.release} has no cross-reference to {system} for any code of the mentions",
            got=", ".join(sorted(codes)[:3]) or "no codes",
        )

    def taken(span: MarkedSpan) -> MarkedSpan:
        ends = (end for code in span.codes for end in sorted(joined.get(code, (code,))))
        return replace(span, codes=tuple(dict.fromkeys(ends)))

    return [replace(note, mentions=tuple(taken(span) for span in note.mentions)) for note in notes]


def with_known_codes(notes: Sequence[MarkedNote], code_of: Callable[[str], str | None]) -> tuple[list[MarkedNote], int]:
    """Notes with the codes of an index; a mention that has none of them is left alone.

    Args:
        notes: as read.
        code_of: the index's spelling of a code, None where it does not hold it.

    Returns:
        The notes, and how many mentions were left alone for their codes.
    """
    out, lost = [], 0
    for note in notes:
        spans = [
            MarkedSpan(m.start_char, m.end_char, tuple(c for c in map(code_of, m.codes) if c is not None))
            for m in note.mentions
        ]
        lost += sum(not span.codes for span in spans)
        out.append(_note(note.note_id, note.text, spans, note.ignored))
    return out, lost
