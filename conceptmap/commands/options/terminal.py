"""A note in a terminal: its text with mentions marked, in the colours of their chapters, and its codes below."""

from __future__ import annotations

import colorsys
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from conceptmap.commands.options.tables import columns, cut
from conceptmap.errors import printable

if TYPE_CHECKING:
    from conceptmap.export.report.codes import CodeLine
    from conceptmap.export.report.views import NotePage, TextPart

__all__ = ["colours_wanted", "note_lines"]

_PIECE: Final = re.compile(r"\n|[^\S\n]+|[^\s]+")
_LABELS: Final = {"no": "denied", "fam": "family", "if": "if", "hx": "past", "?": "uncertain", "other": "another"}
_SOFT: Final = "2"
_BOLD: Final = "1"


def colours_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether lines may hold colours: not with NO_COLOR, always with FORCE_COLOR, else where a terminal shows them.

    Source: no-color.org, force-color.org.

    >>> colours_wanted({"NO_COLOR": "1", "FORCE_COLOR": "1"}), colours_wanted({"FORCE_COLOR": "1"})
    (False, True)
    """
    if environment.get("NO_COLOR"):
        return False
    if forced := environment.get("FORCE_COLOR"):
        return forced not in ("0", "false")
    return sys.stdout.isatty() and environment.get("TERM") != "dumb"


def note_lines(note: NotePage, *, width: int, colour: bool) -> Iterator[str]:
    """A note as lines of at most ``width`` columns; nothing in its text steers the terminal.

    Args:
        note: see `conceptmap.export.report.views.note_page`.
        width: columns of a line.
        colour: mark mentions by colour, those that code in bold type; else by brackets.
    """
    yield _styled(" · ".join([printable(note.note_id), *note.facts]), _BOLD, on=colour)
    yield ""
    yield from _wrapped(_pieces(note.parts, colour=colour), width)
    for group in note.groups:
        yield ""
        yield _styled(" ".join(filter(None, (group.title, group.system))), _BOLD, on=colour)
        for chapter in group.chapters:
            if chapter.top:
                yield _styled(_fit(f"{chapter.top.code} {chapter.top.name}", width), _SOFT, on=colour)
            for line in chapter.codes:
                yield from _code_lines(line, width, colour=colour)


def _pieces(parts: Sequence[TextPart], *, colour: bool) -> Iterator[tuple[str, str]]:
    """Stretches of text with how they look: numbers of the terminal's own (SGR), or nothing."""
    for part in parts:
        if not part.anchor:
            yield part.text, ""
            continue
        label = _LABELS.get(part.label, "")
        said = f"{part.text}{f' ({label})' if label else ''}"
        idle = "idle" in part.look
        look = _SOFT if "off" in part.look else f"{4 if idle else 1};{_colour(part.hue)}"
        yield (said, look) if colour else (said if idle else f"[{said}]", "")


def _wrapped(pieces: Iterator[tuple[str, str]], width: int) -> Iterator[str]:
    """Lines, broken between words where they are too long; a word is never broken."""
    line, used, space = "", 0, ""
    for text, look in pieces:
        for piece in _PIECE.findall(text.replace("\r\n", "\n").replace("\t", "    ")):
            if piece == "\n":
                yield line
                line, used, space = "", 0, ""
            elif piece.isspace():
                space += piece
            else:
                shown = printable(piece)
                if used and used + len(space) + columns(shown) > width:
                    yield line
                    line, used, space = "", 0, ""
                space = space[: max(width - columns(shown), 0)] if not used else space
                line += space + _styled(shown, look, on=bool(look))
                used += len(space) + columns(shown)
                space = ""
    yield line


def _code_lines(line: CodeLine, width: int, *, colour: bool) -> Iterator[str]:
    code = f"  {line.code:<9}"
    room = width - columns(code) - 6
    name = _fit(f"{line.name}{'' if line.billable else ' (not billable)'}", room)
    padded = name + " " * (room - columns(name))
    yield f"{_styled(code, f'1;{_colour(line.hue)}', on=colour)}{padded}  {line.score.said}"
    if line.words:
        yield _styled(_fit(f"{' ' * 11}{line.words}", width), _SOFT, on=colour)


def _fit(text: str, width: int) -> str:
    return cut(printable(text), width)


def _styled(text: str, look: str, *, on: bool) -> str:
    return f"\x1b[{look}m{text}\x1b[0m" if on and look else text


def _colour(hue: int) -> str:
    """A chapter's colour among the 256 of a terminal, of a brightness that light and dark ones show.

    >>> _colour(0), _colour(42)
    ('38;5;131', '38;5;67')
    """
    from conceptmap.export.report.marks import HUES

    red, green, blue = (round(part * 5) for part in colorsys.hsv_to_rgb(hue / HUES, 0.8, 0.65))
    return f"38;5;{16 + 36 * red + 6 * green + blue}"
