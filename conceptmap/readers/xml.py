"""XML of a release into an element tree, refusing entities and naming file and line of every mistake."""

from __future__ import annotations

from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from conceptmap.errors import ReaderError

__all__ = ["line_of", "read_xml"]


def read_xml(content: bytes, file: str) -> Element:
    """Returns the root element.

    Entity declarations are refused, so that a small file cannot grow in memory or reach other files;
    the releases that conceptmap reads declare none.

    Args:
        content: the whole file.
        file: its name, for errors.

    Raises:
        ReaderError: not well-formed, or an entity declaration; names file and line.
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
    return root


def line_of(element: Element, root: Element, content: bytes) -> int:
    """Returns the line on which an element starts: the file is read once more, as only errors ask."""
    wanted = next(position for position, other in enumerate(root.iter()) if other is element)
    lines: list[int] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda *_: lines.append(parser.CurrentLineNumber)
    parser.Parse(content, True)
    return lines[wanted]
