"""The cause that a note gives for a finding chooses the code that says both.

"Anemia from chemotherapy", "opioid-induced constipation", "encephalopathy: septic" have codes of their own. Which codes
open that choice, which words name the cause and what they give is ``data/causes_<system>.csv``; the first row that fits
decides. A row may ask for letters of the finding's own name: R41.0 is any confusion, F05 a delirium. A cause counts
where the sentence joins it to the finding: before it ("septic encephalopathy", "drug-induced fever"), or after it
behind "due to", "from", "on" and their like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import base_code
from conceptmap.ontology.codebook import CodeBook

__all__ = ["caused"]

_BEFORE_CHARS: Final = 40
_AFTER_CHARS: Final = 90
_JOIN: Final = (
    r"(?:due to|from|2/2|2°(?: to)?|secondary to|caused by|attributed to|because of|related to"
    r"|felt (?:to be )?(?:from|due to)|in (?:the )?setting of|in|on|with|after|of|likely|c/w"
    r"|consistent with|[(/:\u2013\u2014-]|,)"
)
_DENIED: Final = re.compile(r"\b(?:no|not|without|w/o|never|denies|unlikely|rather than|than)\b", re.IGNORECASE)
_ACTED_ON: Final = re.compile(
    r"(?: (?:was|were|is|dose))?,?"
    r" (?:stopped|held|reduced|decreased|discontinued|restarted|resumed|started|added|switched)\b",
    re.IGNORECASE,
)
"""What was done with a drug behind a comma does not say that the drug did it."""
_STOP: Final = re.compile(r"[.;\n](?=\s|\Z)")


@dataclass(frozen=True, slots=True)
class _Row:
    before: re.Pattern[str]
    after: re.Pattern[str]
    gives: str
    reason: str
    named: str


def caused(concept: int, text: str, span: tuple[int, int], book: CodeBook) -> tuple[int, str] | None:
    """The code that a finding and its cause have together, and what was said; None where no cause is given.

    Args:
        concept: the code of the finding.
        text: the note.
        span: of the mention.
        book: of the index.
    """
    rows = _rows(book.system).get(base_code(book.codes[concept]))
    if not rows:
        return None
    start, end = span
    before = _STOP.split(text[max(0, start - _BEFORE_CHARS) : start])[-1]
    after = _STOP.split(text[end : end + _AFTER_CHARS])[0]
    for row in rows:
        if row.named not in text[start:end].lower():
            continue
        said = row.before.search(before) or row.after.match(after)
        if said and said.string is after and _ACTED_ON.match(after, said.end()):
            continue
        if said and not _DENIED.search(said[0]) and row.gives in book.position_of_code:
            return book.default(book.position_of_code[row.gives]), f"{said[1].lower()}: {row.reason}"
    return None


@cache
def _rows(system: str) -> Mapping[str, Sequence[_Row]]:
    out: dict[str, list[_Row]] = {}
    for row in read_rows("causes", system):
        words = rf"(?<!\w)({'|'.join(re.escape(word) for word in row['cause'].split('|'))})(?!\w)"
        brought = r"(?:[- ](?:induced|related|associated|mediated))?"
        made = _Row(
            re.compile(
                rf"{words}{brought}[\s/,-]{{1,3}}(?:\w+[\s/-]+)?\Z",
                re.IGNORECASE,
            ),
            re.compile(rf"[\w\s,%/]{{0,30}}?(?<!\w){_JOIN}\s*(?:[\w/-]+[\s,(]+){{0,4}}?{words}", re.IGNORECASE),
            row["gives"],
            row["reason"],
            row["named"],
        )
        for code in row["codes"].split():
            out.setdefault(code, []).append(made)
    return out
