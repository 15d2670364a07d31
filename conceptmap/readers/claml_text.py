"""Labels of ClaML rubrics as text: fragments joined, references left out of terms and kept in notes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element

__all__ = ["Marks", "plain_text", "with_references"]

Marks = Mapping[str, str]

_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")
_BEFORE_STOP = re.compile(r"\s+([,;:.)])")
_BLOCKS = {"Fragment", "Para", "ListItem", "Cell", "Caption"}


def plain_text(label: Element) -> str:
    """Returns a label as a term, without the codes that it refers to.

    >>> from xml.etree.ElementTree import fromstring
    >>> label = '<Label>Vitamin B <Term class="subscript">12</Term> lack <Reference>D51</Reference></Label>'
    >>> plain_text(fromstring(label))
    'Vitamin B12 lack'
    """
    return _tidy(_text(label, None))


def with_references(label: Element, marks: Marks) -> str:
    """Returns a label as a note, each code that it refers to with the mark of its usage."""
    return _tidy(_text(label, marks))


def _text(element: Element, marks: Marks | None) -> str:
    parts = [element.text or ""]
    for child in element:
        if child.tag == "Reference":
            parts.append(_reference(child, marks))
        elif child.tag == "Term" and child.get("class") in ("subscript", "superscript"):
            parts[-1] = parts[-1].rstrip()
            parts.append(_text(child, marks).strip())
        else:
            inside = _text(child, marks)
            parts.append(f" {inside} " if child.tag in _BLOCKS else inside)
        parts.append(child.tail or "")
    return "".join(parts)


def _reference(element: Element, marks: Marks | None) -> str:
    if marks is None:
        return " "
    usage = element.get("usage", "")
    text = _text(element, marks).strip()
    if usage and not text.endswith(marks.get(usage, "")):
        text += marks.get(usage, "")
    return f" ({text}) " if "bracket" in element.get("class", "") else f" {text} "


def _tidy(text: str) -> str:
    text = " ".join(_EMPTY_BRACKETS.sub(" ", text).split())
    return _BEFORE_STOP.sub(r"\1", text).replace("( ", "(")
