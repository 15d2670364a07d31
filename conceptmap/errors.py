"""Every error that conceptmap raises on purpose: one small tree, each saying got, expected and what to do next.

The command line turns the class into its exit code, so a script can tell bad usage from a bad index.
No message ever holds note text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sized
from typing import ClassVar

__all__ = [
    "ConceptMapError",
    "DamagedShardError",
    "IndexMismatchError",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "OutOfSpaceError",
    "ReaderError",
    "UnknownCodeError",
    "check_not_forked",
    "counted",
    "printable",
    "said_codes",
    "said_columns",
    "said_id",
]

_CODE = re.compile(
    r"(?:[A-Za-z_]{1,12}:)?[A-Za-z]{0,3}[0-9][A-Za-z0-9.]{0,17}(?:-[A-Za-z]{0,3}[0-9][0-9A-Za-z.]{0,7})?"
)
_LONGEST_ID = 64

_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control characters, those that turn the direction of writing, ends of lines, halves of characters, invisible tags."""


def printable(text: str) -> str:
    r"""A text in which nothing steers the terminal that it is printed on; such characters are spelled out as JSON does.

    Ids, headers and names come from files; everything that is printed goes through here.

    >>> print(printable("\x1b[31mnote\n1\u202e"))
    \u001b[31mnote\u000a1\u202e
    """
    return _STEERING.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class ConceptMapError(Exception):
    """Base of all errors raised on purpose.

    >>> str(ConceptMapError("the vectors do not fit", got="width 384", expected="width 1024", then="rebuild the index"))
    'the vectors do not fit: got width 384, expected width 1024; rebuild the index'
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, got: object = None, expected: object = None, then: str | None = None) -> None:
        facts = [f"{word} {value}" for word, value in (("got", got), ("expected", expected)) if value is not None]
        message = f"{what}: {', '.join(facts)}" if facts else what
        super().__init__(printable(f"{message}; {then}" if then else message))


class InputError(ConceptMapError):
    """The caller's notes, files or arguments cannot be used as they are."""

    exit_code = 2


class UnknownCodeError(InputError):
    """A code or concept kind that the loaded ontology does not hold."""


class MissingExtraError(InputError):
    """An optional dependency is not installed; the message holds the pip command to type."""

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed", then=f"type: pip install 'conceptmap[{extra}]'"
        )


class ReaderError(ConceptMapError):
    """A release file is missing, malformed or unsafe; the message names the file and, where it can, the line."""

    exit_code = 2


class IndexMismatchError(ConceptMapError):
    """An index folder is damaged, of another format version, or does not fit the encoder that it is used with."""

    exit_code = 4


class ModelError(ConceptMapError):
    """Model files are missing, have other bytes than expected, or do not hold an encoder that can be used."""

    exit_code = 4


class DamagedShardError(ConceptMapError):
    """A finished piece of a run does not hold what it says; it is removed, and coding it again mends the run."""


class OutOfSpaceError(ConceptMapError):
    """The disk or the memory would not hold the result."""

    exit_code = 5


# -- what of an input a message may hold ------------------------------------------------------------------------------


def said_columns(columns: Sized) -> str:
    """How many columns a table has: their names are cells of note text where the header is missing.

    >>> said_columns(["Pt admitted with fever", " no cough"])
    '2 columns'
    """
    return counted(len(columns), "column")


def counted(n: int, what: str) -> str:
    """A number of things, whose name is given in the singular.

    >>> counted(1, "code"), counted(1_200, "code")
    ('1 code', '1,200 codes')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def said_codes(values: Iterable[object], most: int = 3) -> str:
    """The first few values, but only what looks like a code: a column that is called so may hold anything.

    >>> said_codes(["E11.9", "HP:0001250", "fever since Monday"])
    'E11.9, HP:0001250 and 1 that looks like no code'
    """
    known, strange = [], 0
    for value in map(str, values):
        if _CODE.fullmatch(value):
            known.append(value)
        else:
            strange += 1
    parts = [", ".join(known[:most]) + (", …" if len(known) > most else "")] if known else []
    if strange:
        parts.append(f"{strange:,} that look{'s' * (strange == 1)} like no code")
    return " and ".join(parts) or "none"


def said_id(note_id: str | None) -> str | None:
    """A note's id where it is surely one; None where it is long or holds white space, as a text would.

    >>> said_id("n-17"), said_id("Pt admitted with fever")
    ('n-17', None)
    """
    if not note_id or len(note_id) > _LONGEST_ID or not note_id.isprintable() or " " in note_id:
        return None
    return note_id


_STARTED_IN: list[int] = []
"""The process that first loaded or used a mapper."""


def check_not_forked() -> None:
    """Refuse to work in a fork of a process that has: threads of Polars, PyTorch and others do not come along.

    Whatever waits for them waits for ever.

    Raises:
        InputError: says how to start processes instead.
    """
    if not _STARTED_IN:
        _STARTED_IN.append(os.getpid())
    if os.getpid() not in _STARTED_IN:
        raise InputError(
            "this process was forked from one that had loaded conceptmap",
            got="a fork, which would wait for ever for threads that it does not have",
            expected="a process of its own",
            then='start it with "spawn" or "forkserver" (multiprocessing.get_context("spawn"), or'
            ' DataLoader(multiprocessing_context="spawn")) and load the mapper there; or use conceptmap code --workers',
        )
