"""XML of a release into an element tree, refusing entities and naming file and line of every mistake."""

from __future__ import annotations

from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from conceptmap.errors import ReaderError

__all__ = ["line_of", "read_xml"]

MAX_DEPTH = 100
"""Elements within one another. Releases nest up to 15 deep, and what walks down their trees calls itself."""


def read_xml(content: bytes, file: str) -> Element:
    """Returns the root element.

    Entity declarations are refused, so that a small file cannot grow in memory or reach other files;
    the releases that conceptmap reads declare none.

    Args:
        content: the whole file.
        file: its name, for errors.

    Raises:
        ReaderError: not well-formed, an entity declaration, or nested too deeply; names file and line.
    """
    parser, builder = expat.ParserCreate(), TreeBuilder()

    def refuse(name: str, *_: object) -> NoReturn:
        line = parser.CurrentLineNumber
        raise ReaderError(f"{file}, line {line}: an entity declaration", got=name, expected="XML without entities")

    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise ReaderError(f"{file}, line {error.lineno}: not well-formed XML", got=str(reason)) from None
    root: Element = builder.close()
    _check_depth(root, content, file)
    return root


def _check_depth(root: Element, content: bytes, file: str) -> None:
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for element in level for child in element]
        if not level:
            return
    line = line_of(level[0], root, content)
    raise ReaderError(f"{file}, line {line}: elements nested too deeply", expected=f"at most {MAX_DEPTH} deep")


def line_of(element: Element, root: Element, content: bytes) -> int:
    """Returns the line on which an element starts: the file is read once more, as only errors ask."""
    wanted = next(position for position, other in enumerate(root.iter()) if other is element)
    lines: list[int] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda *_: lines.append(parser.CurrentLineNumber)
    parser.Parse(content, True)
    return lines[wanted]
