r"""Markup that notes bring along from where they were written: HTML and its entities, RTF, HL7 escapes.

Each piece of it is read as a line end, a tab (between the cells of a table), a character, or nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

__all__ = ["MARKUP", "markup_pieces"]

_BLOCKS: Final = (
    "br|p|div|li|ul|ol|dl|dt|dd|tr|table|thead|tbody|tfoot|caption|h[1-6]|hr|pre|center|section|article|header|footer"
    "|blockquote|html|body|form|fieldset|linkHtml|paragraph|list|item|content"
)
_INLINE: Final = "b|i|u|s|a|em|strong|span|font|sub|sup|small|big|code|tt|mark|del|ins|strike|label|img|input|abbr"
_HIDDEN: Final = "head|style|script|title"
_TAG: Final = (
    rf"(?P<hidden><(?P<name>{_HIDDEN})\b[^<>]*>.*?</(?P=name)\s*>|<!--.*?-->|<!DOCTYPE[^<>]*>)"
    rf"|(?P<cell></t[dh]\s*>)|(?P<open><t[dh]\b[^<>]*>)"
    rf"|(?P<block></?(?:{_BLOCKS})\b[^<>]*>)|(?P<inline></?(?:{_INLINE}|meta|link|col|colgroup)(?:\s[^<>]*)?/?>)"
)
_ENTITY: Final = r"(?P<entity>&(?:amp;)?(?:[A-Za-z][A-Za-z0-9]{1,30}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});)"
_HL7: Final = (
    r"(?P<hl7_break>\\\.(?:br|sp|ce)[+\-\d]*\\)|(?P<hl7_format>\\(?:\.(?:in|ti|fi|nf|sk)[+\-\d]*|H|N|[CM][0-9A-F]{4,6})\\)"
    r"|(?P<hl7_bytes>\\X(?:[0-9A-Fa-f]{2})+\\)|(?P<hl7_sign>\\[FSTRE]\\)"
)
_SEPARATOR: Final = r"(?P<tilde>(?<=[^\s~])~(?=[A-Za-z+\-])|\s~\s(?=[A-Za-z])|~~+|^~\s?(?=[A-Za-z]))"
_WRITTEN_OUT: Final = r"(?P<written>(?-i:(?:\\r)?\\n(?=[\sA-Z\-*\d\[(]|\\[rn]|\Z)|\\t(?=[A-Z\d])))"
_RTF_WORD: Final = (
    r"(?P<rtf_break>\\(?:par|line|row|sect|page)(?![A-Za-z])-?\d* ?)|(?P<rtf_cell>\\(?:tab|cell)(?![A-Za-z])-?\d* ?)"
)
_RTF: Final = re.compile(
    r"(?P<hidden>\{\\(?:\*\\|fonttbl|colortbl|stylesheet|info|pict|header|footer|generator)(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})"
    rf"|{_RTF_WORD}"
    r"|(?P<rtf_byte>\\'[0-9A-Fa-f]{2})|(?P<rtf_unicode>\\u-?\d{1,6} ?(?:\\'[0-9A-Fa-f]{2}|[?])?)"
    r"|(?P<rtf_sign>\\[~_\-\\{}])|(?P<rtf_word>\\[A-Za-z]+-?\d* ?|\\\*)|(?P<rtf_brace>[{}])|(?P<rtf_line>\r?\n)",
)
_PLAIN: Final = re.compile(
    f"{_TAG}|{_ENTITY}|{_HL7}|{_RTF_WORD}|{_WRITTEN_OUT}|{_SEPARATOR}", re.IGNORECASE | re.DOTALL | re.MULTILINE
)
_RTF_START: Final = re.compile(r"\s*\{\\rtf\d?")

MARKUP: Final = re.compile(r"<[A-Za-z/!]|&#?[A-Za-z0-9]{2,31};|\\[A-Za-z.'*]|~")
"""What may be markup: a note without any of it holds none."""

_READ_AS: Final = {
    "hidden": "",
    "cell": "\t",
    "open": "",
    "block": "\n",
    "inline": "",
    "hl7_break": "\n",
    "hl7_format": "",
    "tilde": "\n",
    "rtf_break": "\n",
    "rtf_cell": "\t",
    "rtf_word": "",
    "rtf_brace": "",
    "rtf_line": "",
}
_SIGNS: Final = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}
_RTF_SIGNS: Final = {"~": " ", "_": "-", "-": ""}


def markup_pieces(text: str) -> list[tuple[int, int, str]]:
    r"""The markup of a note: half-open stretches of code points, and what is read in their place.

    >>> markup_pieces("no fever\\.br\\rash")
    [(8, 13, '\n')]
    """
    return list(_pieces(text, _RTF if _RTF_START.match(text) else _PLAIN))


def _pieces(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int, str]]:
    for match in pattern.finditer(text):
        kind = match.lastgroup or ""
        kind = "hidden" if kind == "name" else kind
        read = _READ_AS.get(kind)
        if read is None:
            read = _character(kind, match[0])
        if read != match[0]:
            yield match.start(), match.end(), read


def _character(kind: str, written: str) -> str:
    """The character that an escape stands for; the escape itself where it stands for none."""
    if kind == "entity":
        read = html.unescape(html.unescape(written))
        return written if read == written else " " if read == "\xa0" else read
    if kind == "hl7_sign":
        return _SIGNS[written[1].upper()]
    if kind == "hl7_bytes":
        read = bytes.fromhex(written[2:-1]).decode("utf-8", "replace")
        return "\n" if read.strip("\r\n") == "" else read
    if kind == "written":
        return "\t" if written.endswith("t") else "\n"
    if kind == "rtf_byte":
        return bytes.fromhex(written[2:4]).decode("cp1252", "replace")
    if kind == "rtf_unicode":
        number = int(re.findall(r"-?\d+", written)[0]) % 65536
        return "" if 0xD800 <= number < 0xE000 else chr(number)
    return _RTF_SIGNS.get(written[1], written[1])
