"""The adapters that a mapper is given: those of mentions, and those that learned from coded notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from conceptmap.adapters import Adapter
from conceptmap.adapters.compatibility import check_encoder, fitting_adapters
from conceptmap.encoders import TokenEncoder
from conceptmap.errors import IndexMismatchError, InputError
from conceptmap.index.index import ConceptIndex
from conceptmap.learned.code_adapter import NO_ENCODER, CodeAdapter
from conceptmap.learned.store import is_code_adapter, open_code_adapter

__all__ = ["AnyAdapter", "by_words_alone", "check_include_learned", "opened_adapters"]

AnyAdapter = str | Path | Adapter | CodeAdapter


def opened_adapters(
    given: AnyAdapter | Sequence[AnyAdapter], indexes: Sequence[ConceptIndex], encoder: TokenEncoder | None
) -> tuple[tuple[Adapter, ...], tuple[CodeAdapter, ...]]:
    """The adapters of mentions and those of codes; each belongs to one of the indexes and to the encoder.

    Raises:
        IndexMismatchError: one does not, or two are of one system.
    """
    several = [given] if isinstance(given, str | Path | Adapter | CodeAdapter) else [*given]
    mentions: list[str | Path | Adapter] = []
    codes: list[CodeAdapter] = []
    for one in several:
        if isinstance(one, CodeAdapter):
            codes.append(one)
        elif isinstance(one, str | Path) and is_code_adapter(one):
            codes.append(open_code_adapter(one))
        else:
            mentions.append(one)
    if not codes:
        return fitting_adapters(mentions, indexes, encoder), ()
    if mentions:
        raise IndexMismatchError(
            "codes were learned from other mentions than an adapter of mentions gives",
            got="both kinds of adapters",
            expected="one of them",
        )
    for index in indexes:
        check_encoder(index, encoder)
    for adapter in codes:
        _check(adapter, indexes, encoder)
    if len({adapter.made_for.system for adapter in codes}) < len(codes):
        raise IndexMismatchError("there are two code adapters of one system", expected="one an index")
    return (), tuple(codes)


def _check(adapter: CodeAdapter, indexes: Sequence[ConceptIndex], encoder: TokenEncoder | None) -> None:
    same = [index for index in indexes if index.system == adapter.made_for.system]
    name, revision = (NO_ENCODER, "") if encoder is None else (encoder.name, encoder.revision)
    for index in same or indexes:
        adapter.check(index, name, revision)


def by_words_alone(paths: Iterable[str]) -> bool:
    """Whether these are code adapters that learned by words alone, all of them and at least one."""
    found = [is_code_adapter(path) and open_code_adapter(path).is_by_words for path in paths]
    return bool(found) and all(found)


def check_include_learned(include: Iterable[str], adapters: Sequence[CodeAdapter]) -> None:
    """Refuse to include contexts where coders decided what counts.

    Raises:
        InputError: something is to be included.
    """
    if adapters and (asked := sorted(include)):
        raise InputError(
            "a code adapter learned in which contexts coders code",
            got=f"include {', '.join(asked)}",
            expected="nothing included",
        )
