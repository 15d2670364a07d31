"""Every error that conceptmap raises on purpose: one small tree, each saying got, expected and what to do next.

The command line turns the class into its exit code, so a script can tell bad usage from a bad index.
No message ever holds note text.
"""

from __future__ import annotations

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
]


class ConceptMapError(Exception):
    """Base of all errors raised on purpose.

    >>> str(ConceptMapError("the vectors do not fit", got="width 384", expected="width 1024", then="rebuild the index"))
    'the vectors do not fit: got width 384, expected width 1024; rebuild the index'
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, got: object = None, expected: object = None, then: str | None = None) -> None:
        facts = [f"{word} {value}" for word, value in (("got", got), ("expected", expected)) if value is not None]
        message = f"{what}: {', '.join(facts)}" if facts else what
        super().__init__(f"{message}; {then}" if then else message)


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
