"""Compatibility of an index, an adapter and an encoder: each knows which of the others it was made for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conceptmap.adapters import Adapter, open_adapter
from conceptmap.encoders import TokenEncoder
from conceptmap.encoders.tuned.names import encoder_named
from conceptmap.errors import IndexMismatchError
from conceptmap.index.index import ConceptIndex

__all__ = ["check_adapter", "check_encoder", "fitting_adapters"]


def fitting_adapters(
    given: str | Path | Adapter | Sequence[str | Path | Adapter],
    indexes: Sequence[ConceptIndex],
    encoder: TokenEncoder | None,
) -> tuple[Adapter, ...]:
    """The adapters, opened; each belongs to the encoder and to one of the indexes, the other indexes to the encoder.

    Raises:
        IndexMismatchError: they do not.
    """
    several = [given] if isinstance(given, str | Path | Adapter) else given
    adapters = tuple(one if isinstance(one, Adapter) else open_adapter(one) for one in several)
    for one in adapters:
        check_adapter(one, indexes, encoder)
    for index in indexes:
        if all(one.made_for.system != index.system for one in adapters):
            check_encoder(index, encoder)
    return adapters


def check_adapter(adapter: Adapter, indexes: Sequence[ConceptIndex], encoder: TokenEncoder | None) -> None:
    """Refuse an adapter that was trained for another encoder, or for none of these indexes.

    Raises:
        IndexMismatchError: it was, or there is no encoder.
    """
    if encoder is None:
        expected = adapter.made_for.encoder
        raise IndexMismatchError("an adapter belongs to an encoder", got="no encoder", expected=expected)
    same = [index for index in indexes if index.system == adapter.made_for.system]
    for index in same or indexes:
        adapter.check(index, encoder.name, encoder.revision, encoder.dim)


def check_encoder(index: ConceptIndex, encoder: TokenEncoder | None) -> None:
    """Refuse an index whose rows come from another encoder.

    Raises:
        IndexMismatchError: they do.
    """
    if encoder is not None and index.dim not in (0, encoder.dim):
        raise IndexMismatchError(
            f"expected vectors of width {index.dim}, got {encoder.dim}: was the index built with another encoder?",
            then=f"it was built with {index.manifest.encoder}; build it again with {encoder.name}",
        )
    built = index.manifest
    if encoder is None or not index.dim or built.encoder in ("given", "custom"):
        return
    if (built.encoder, built.revision or encoder.revision) != (encoder.name, encoder.revision):
        raise IndexMismatchError(
            f"the index of {built.system} was built with another encoder",
            got=f"{encoder.name} {encoder.revision[:12]}",
            expected=f"{built.encoder} {built.revision[:12]}",
            then=f"give {encoder_named(built.encoder)} as the encoder, or build the index again",
        )
