"""Codes that ClaML leaves to be composed: a class, and characters that a modifier appends at a position of its code.

Source: EN 14463, ClaML 2.0.0 (Modifier, ModifierClass, ModifiedBy, ExcludeModifier, ValidModifierClass). ICD-10 states
modifiers on chapters, blocks and categories; they hold for all classes below unless one excludes them, and compose the
code of the lowest: ``E10`` + ``.0``, ``I70.0`` + ``1``, and ``M45`` + ``0`` as ``M45.X0`` where a position stays empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Composed", "ModifiedBy", "ModifierClass", "Stated", "composed", "with_dot"]

_ICD = re.compile(r"[A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]+)?")
_POSITION = re.compile(r"_([45])$")  # WHO and its national editions name modifiers by the position that they fill


@dataclass(frozen=True)
class ModifierClass:
    """One value of a modifier.

    Attributes:
        code: what it appends, such as ``.0`` or ``1``.
        name: what that means.
        inclusions: its inclusion terms.
        usage: ``dagger``, ``aster`` or None.
        notes: its notes, ``(kind, text)``.
        not_after: values of other modifiers, ``modifier code``, that it cannot follow.
    """

    code: str
    name: str
    inclusions: tuple[str, ...] = ()
    usage: str | None = None
    notes: tuple[tuple[str, str], ...] = ()
    not_after: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ModifiedBy:
    """That a class takes a modifier.

    Attributes:
        modifier: its code.
        position: character of the code that it fills, counted from 1 without the dot; None if the file does not say.
        only: the values that are allowed; None for all.
    """

    modifier: str
    position: int | None
    only: frozenset[str] | None

    def place(self, values: tuple[ModifierClass, ...], code: str) -> int:
        """Returns the position: as stated, by the modifier's name, by a dot in its values, else the next one."""
        if self.position is not None:
            return self.position
        if named := _POSITION.search(self.modifier):
            return int(named[1])
        if any(value.code.startswith(".") for value in values):
            return 4
        return len(code.replace(".", "")) + 1


@dataclass(frozen=True)
class Stated:
    """What one class and those above it say of modifiers, the class itself first.

    Attributes:
        is_category: whether the class is a category and not a chapter or block.
        modified_by: the modifiers that it takes.
        excluded: the modifiers that it does not take, though a class above does.
    """

    is_category: bool
    modified_by: tuple[ModifiedBy, ...]
    excluded: frozenset[str]


@dataclass(frozen=True)
class Composed:
    """A composed code.

    Attributes:
        parent: the code that it refines.
        code: itself.
        value: the modifier's value that was appended.
        optional: whether it is a supplementary subdivision (a fifth character, or one that a whole block takes) and
            not a subcategory of its own.
    """

    parent: str
    code: str
    value: ModifierClass
    optional: bool


def composed(code: str, stated: list[Stated], modifiers: Mapping[str, tuple[ModifierClass, ...]]) -> Iterator[Composed]:
    """Composes the codes below a class that has no classes below it.

    A position that the code fills already is left alone. Of several modifiers for one position the nearest counts.

    Args:
        code: of the class.
        stated: what the class and each one above it states, from the class upwards.
        modifiers: values by the modifier's code.
    """
    bases: list[tuple[str, str]] = [(code, "")]
    for position, (taken, near) in sorted(_in_force(code, stated, modifiers).items()):
        longer: list[tuple[str, str]] = []
        for base, last in bases:
            for value in modifiers[taken.modifier]:
                if (taken.only is None or value.code in taken.only) and last not in value.not_after:
                    new = _appended(base, value.code, position)
                    longer.append((new, f"{taken.modifier} {value.code}"))
                    yield Composed(base, new, value, optional=not near or position > 4)
        bases = longer or bases


def _in_force(
    code: str, stated: list[Stated], modifiers: Mapping[str, tuple[ModifierClass, ...]]
) -> dict[int, tuple[ModifiedBy, bool]]:
    """Position -> the modifier for it, and whether a category states it."""
    found: dict[int, tuple[ModifiedBy, bool]] = {}
    excluded: set[str] = set()
    filled = len(code.replace(".", ""))
    for level in stated:
        excluded |= level.excluded
        for taken in level.modified_by:
            position = taken.place(modifiers[taken.modifier], code)
            if taken.modifier not in excluded and position > filled:
                found.setdefault(position, (taken, level.is_category))
    return found


def _appended(code: str, characters: str, position: int) -> str:
    """The code with characters from a position on, positions in between filled with X.

    >>> _appended("E10", ".0", 4), _appended("I70.0", "1", 5), _appended("M45", "0", 5), _appended("W00", "3", 4)
    ('E10.0', 'I70.01', 'M45.X0', 'W00.3')
    """
    return with_dot(code.replace(".", "").ljust(position - 1, "X") + characters.lstrip("."))


def with_dot(code: str) -> str:
    """Returns an ICD-10 category's code with its dot; other codes stay as they are.

    >>> with_dot("E109"), with_dot("A00-A09")
    ('E10.9', 'A00-A09')
    """
    if len(code) > 3 and "." not in code and _ICD.fullmatch(code):
        return f"{code[:3]}.{code[3:]}"
    return code
