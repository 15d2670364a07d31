"""What forms answer: yes, no, past, nothing, an error; the words are ``data/answers.csv``."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from conceptmap.data.tables import read_table

__all__ = ["ANSWERS", "answer_of", "answer_words", "is_mark"]

ANSWERS: Final = ("yes", "no", "past", "blank", "error")
"""What an answer may say; "blank" where a form holds none, "error" where an entry is taken back."""

_MARK: Final = re.compile(r"(?:[xX✓✔☑☒☓✗✘■●*+•]|\[\s?[xX✓✔]\s?\]|\(\s?[xX✓✔]\s?\)|_+[xX]_+|1)\Z")
_TRIMMED: Final = " \t.:;!()[]{}<>*_"
_SPACES: Final = re.compile(r"\s+")


@cache
def answer_words() -> dict[str, str]:
    """Every answer in lower case, and which of ``ANSWERS`` it is."""
    return {word: row["answer"] for row in read_table("answers") for word in row["words"].split("|")}


def answer_of(text: str) -> str | None:
    """The answer that a cell of a form is; None where it says something else.

    >>> answer_of(" NO. "), answer_of("not detected"), answer_of("no rash")
    ('no', 'no', None)
    """
    return answer_words().get(_SPACES.sub(" ", text.strip(_TRIMMED).lower()))


def is_mark(text: str) -> bool:
    """Whether a cell is ticked and says no more.

    >>> is_mark(" X "), is_mark("[x]"), is_mark("")
    (True, True, False)
    """
    return bool(_MARK.match(text.strip()))
