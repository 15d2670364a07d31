"""Scope: which concepts of an ontology are wanted, by semantic type, by place in the hierarchy, or by a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.errors import InputError, UnknownCodeError, said_codes
from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.semantic_types import SEPARATOR, semantic_types
from conceptmap.ontology.value_sets import ValueSet, read_value_set

__all__ = ["Scope"]

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Scope:
    """Which concepts are wanted. What is given narrows: a concept must be in each part that names any.

    A part narrows the systems that know one of its names, and leaves the others as they are. Make one with ``of``.

    Attributes:
        only: semantic tags, UMLS types (by name, TUI or abbreviation) or groups, or kinds of concepts.
        below: codes; they and all that lies below them.
        listed: codes one by one; ``listed_below`` with their descendants, ``unlisted`` left out again.
        exclude: types as in ``only``, or codes with all that lies below them.

    >>> Scope.of(only="disorder, finding", below="404684003")
    Scope(only=('disorder', 'finding'), below=('404684003',), listed=(), listed_below=(), unlisted=(), exclude=())
    """

    only: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    listed_below: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        only: str | Iterable[str] = (),
        below: str | Iterable[str] = (),
        only_list: str | Path | None = None,
        exclude: str | Iterable[str] = (),
    ) -> Scope:
        """A scope; texts are lists with commas.

        Args:
            only: types.
            below: codes.
            only_list: a file of codes: see `read_value_set`.
            exclude: types or codes.

        Raises:
            InputError: the file cannot be read.
        """
        listed = ValueSet(()) if only_list is None else read_value_set(only_list)
        parts = (_names(only), _names(below), listed.codes, listed.below, listed.without, _names(exclude))
        return cls(*parts)

    def __bool__(self) -> bool:
        """Whether it narrows anything."""
        return any(asdict(self).values())

    @property
    def chooses(self) -> bool:
        """Whether it says what is wanted, and not only what is not."""
        return bool(self.only or self.below or self.listed or self.listed_below)

    def __str__(self) -> str:
        """In words, for a manifest."""
        parts = {
            "only": self.only,
            "below": self.below,
            "a list of": tuple(f"{n:,} codes" for n in [len(self.listed) + len(self.listed_below)] if n),
            "without": self.exclude,
        }
        return "; ".join(f"{name} {', '.join(words)}" for name, words in parts.items() if words)

    def within(self, ontology: Ontology) -> Flags:
        """Whether each concept is wanted. *Shape:* (n_concepts,) bool."""
        wanted = np.ones(ontology.concepts.height, dtype=np.bool_)
        for part in (self._of_types(ontology), self._of_places(ontology), self._of_list(ontology)):
            if part is not None:
                wanted &= part
        for name in self.exclude:
            unwanted = _types(ontology, name)
            unwanted = _below(ontology, [name]) if unwanted is None else unwanted
            wanted &= True if unwanted is None else ~unwanted
        return wanted

    def narrowed(self, ontology: Ontology) -> Ontology:
        """The ontology with terms of wanted concepts alone; the others stay in the hierarchy.

        Raises:
            InputError, UnknownCodeError: as `check`.
        """
        self.check([ontology])
        wanted = ontology.concepts.filter(pl.Series(self.within(ontology)))
        return replace(ontology, terms=ontology.terms.join(wanted, on="node", how="semi", maintain_order="left"))

    def check(self, ontologies: Sequence[Ontology]) -> None:
        """Refuse names that no ontology knows.

        Raises:
            InputError: a type that none has; the message lists some.
            UnknownCodeError: codes that none holds, by ``below``, ``exclude``, or all of a list's.
        """
        for name in (*self.only, *self.exclude):
            known = any(_types(ontology, name) is not None for ontology in ontologies)
            if not known and (name in self.only or not _anywhere([name], ontologies)):
                there = sorted({name for ontology in ontologies for name in _there(ontology)})
                expected = ", ".join(there[:40]) or "no types: these ontologies have none"
                raise InputError("no such semantic type", got=name, expected=expected)
        if unknown := [code for code in self.below if not _anywhere([code], ontologies)]:
            raise UnknownCodeError("codes to look below are in no loaded ontology", got=said_codes(unknown))
        codes = [*self.listed, *self.listed_below]
        if codes and not _anywhere(codes, ontologies):
            raise UnknownCodeError("not one code of the list is in a loaded ontology", got=said_codes(codes))

    def _of_types(self, ontology: Ontology) -> Flags | None:
        parts = [part for name in self.only if (part := _types(ontology, name)) is not None]
        return np.any(parts, axis=0) if parts else None

    def _of_places(self, ontology: Ontology) -> Flags | None:
        return _below(ontology, self.below)

    def _of_list(self, ontology: Ontology) -> Flags | None:
        parts = [_at(ontology, self.listed), _below(ontology, self.listed_below)]
        known = [part for part in parts if part is not None]
        if not known:
            return None
        without = _at(ontology, self.unlisted)
        found: Flags = np.any(known, axis=0)
        return found if without is None else found & ~without


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(dict.fromkeys(name for part in parts if (name := part.strip())))


def _anywhere(codes: Sequence[str], ontologies: Sequence[Ontology]) -> bool:
    return any(ontology.find(code) is not None for ontology in ontologies for code in codes)


def _at(ontology: Ontology, codes: Sequence[str]) -> Flags | None:
    """The concepts of these codes; None where the ontology holds none of them."""
    nodes = [node for code in codes if (node := ontology.find(code)) is not None]
    if not nodes:
        return None
    found = np.zeros(ontology.concepts.height, dtype=np.bool_)
    found[[ontology.positions[node] for node in nodes]] = True
    return found


def _below(ontology: Ontology, codes: Sequence[str]) -> Flags | None:
    """The concepts of these codes with all below them; None where the ontology holds none of them."""
    found = _at(ontology, codes)
    if found is None:
        return None
    front = np.flatnonzero(found)
    while len(front):
        reached = np.unique(ontology.dag.down.of_many(front))
        front = reached[~found[reached]]
        found[front] = True
    return found


def _types(ontology: Ontology, name: str) -> Flags | None:
    """The concepts of a type, group or kind; None where the ontology has none of that name."""
    wanted, concepts = name.casefold(), ontology.concepts
    names = {
        one.name
        for one in semantic_types(ontology.system)
        if wanted in {text.casefold() for text in (one.name, one.tui, one.abbreviation, one.group, one.group_name)}
    }
    found = concepts["kind"].str.to_lowercase() == wanted
    if "semantic_tag" in concepts.columns:
        tags = concepts["semantic_tag"]
        meant = [
            tag
            for tag in tags.drop_nulls().unique()
            if any(part in names or part.casefold() == wanted for part in tag.split(SEPARATOR))
        ]
        found |= tags.is_in(pl.Series(meant, dtype=pl.String).implode()).fill_null(value=False)
    return found.to_numpy() if names or found.any() else None


def _there(ontology: Ontology) -> set[str]:
    """The types that an ontology's concepts have."""
    if "semantic_tag" not in ontology.concepts.columns:
        return set()
    tags = ontology.concepts["semantic_tag"].drop_nulls().unique().to_list()
    return {part for tag in tags for part in tag.split(SEPARATOR)}
