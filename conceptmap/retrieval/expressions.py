"""Cohort expressions: codes with flags, joined by AND, OR, NOT and parentheses, parsed by the library boolean.py."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conceptmap.errors import InputError, MissingExtraError, said_codes

__all__ = ["FLAGS", "AskedCode", "Expression", "parsed"]

FLAGS = {
    "negated": "denied mentions",
    "family": "mentions of relatives or others",
    "historical": "mentions of the past",
    "hypothetical": "mentions of what may come or is advised",
    "uncertain": "mentions that are probable or possible",
    "affirmed": "mentions that are certain, recent, of the patient and not denied",
    "mentioned": "any mention",
    "principal": "the note's principal code",
    "exact": "this code alone, none below it",
}
"""What may stand in brackets after a code, and what it asks for."""

_TERM = re.compile(r"(?P<code>[^\[\]]+)(?:\[(?P<flags>[a-z,]+)\])?")
_SPACED = re.compile(r"\s*([\[,])\s*|\s+(\])")
_ALLOWED = (".", ":", "_", "-", "[", "]", ",")


@dataclass(frozen=True, slots=True)
class AskedCode:
    """One code of an expression.

    Attributes:
        code: as it is written: ``I50``, ``icd10cm:I50``.
        flags: of ``FLAGS``.
    """

    code: str
    flags: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.code + (f"[{','.join(sorted(self.flags))}]" if self.flags else "")


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression.

    Attributes:
        terms: in the order in which they stand, each once.
        tree: of boolean.py.
    """

    terms: tuple[AskedCode, ...]
    tree: Any

    def notes(self, of: Callable[[AskedCode], frozenset[str]], everything: frozenset[str]) -> frozenset[str]:
        """The notes that satisfy it.

        Args:
            of: the notes that satisfy a term.
            everything: all notes: NOT means the others of these.
        """
        return _satisfying(self.tree, of, everything)


def parsed(text: str) -> Expression:
    """Parse an expression; NOT binds closer than AND, AND closer than OR.

    >>> str(parsed("icd10cm:I50 AND NOT (N18 OR E11 [negated])").terms[2])
    'E11[negated]'

    Raises:
        InputError: it cannot be parsed, or a flag is unknown.
        MissingExtraError: boolean.py is not installed.
    """
    try:
        import boolean
    except ImportError:
        raise MissingExtraError("boolean.py", extra="retrieval", purpose="a cohort expression") from None
    algebra = boolean.BooleanAlgebra(allowed_in_token=_ALLOWED)
    close = _SPACED.sub(lambda found: found[1] or found[2], text)
    try:
        tree = algebra.parse(close) if text.strip() else None
    except boolean.ParseError as error:
        where = f", character {error.position + 1}" if isinstance(error.position, int) else ""
        raise _wrong(f"{str(boolean.PARSE_ERRORS.get(error.error_code, 'no expression')).lower()}{where}") from None
    except Exception as error:  # noqa: BLE001 - the library raises what it likes on a few of them
        raise _wrong(type(error).__name__) from None
    if tree is None:
        raise _wrong("nothing")
    terms: dict[AskedCode, None] = {}
    _collect(tree, terms)
    return Expression(tuple(terms), tree)


def _wrong(got: str) -> InputError:
    return InputError(
        "this is no cohort expression", got=got, expected="codes with AND, OR, NOT and parentheses: I50 AND NOT N18"
    )


def _collect(node: Any, terms: dict[AskedCode, None]) -> None:  # noqa: ANN401 - boolean.py's nodes
    if not node.args:
        terms[_term(node)] = None
    for part in node.args:
        _collect(part, terms)


def _term(node: Any) -> AskedCode:  # noqa: ANN401
    obj = getattr(node, "obj", None)
    if not isinstance(obj, str):
        raise _wrong("0 or 1 alone, which stand for never and always: write system:code for such a code")
    found = _TERM.fullmatch(obj)
    if found is None:
        raise InputError("this is no code with flags", got=said_codes([obj]), expected="CODE[flag,…]")
    flags = frozenset((found["flags"] or "").split(",")) - {""}
    if unknown := sorted(flags - FLAGS.keys()):
        raise InputError("no such flag", got=", ".join(unknown)[:60], expected=", ".join(FLAGS))
    return AskedCode(found["code"], flags)


def _satisfying(node: Any, of: Callable[[AskedCode], frozenset[str]], everything: frozenset[str]) -> frozenset[str]:  # noqa: ANN401
    if not node.args:
        return of(_term(node))
    parts = [_satisfying(part, of, everything) for part in node.args]
    if node.operator == "~":
        return everything - parts[0]
    if node.operator == "&":
        return frozenset.intersection(*parts)
    return frozenset.union(*parts)
