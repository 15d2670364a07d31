"""Text inside XML 1.0, one character for one: what XML cannot hold becomes a space, and no line end is changed."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

__all__ = ["xml_text"]

_IMPOSSIBLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KEPT = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def xml_text(text: str) -> str:
    r"""A text as the content of an element or attribute, as many characters long once it is read.

    >>> xml_text('a<b>\f "5"\r\n')
    'a&lt;b&gt;  &quot;5&quot;&#13;&#10;'
    """
    return escape(_IMPOSSIBLE.sub(" ", text), _KEPT)
