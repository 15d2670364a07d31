"""Packages that only some of what a note becomes needs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from conceptmap.errors import MissingExtraError

__all__ = ["needed"]


def needed(module: str, *, extra: str, purpose: str) -> Any:  # noqa: ANN401 - a module
    """A module of an optional package.

    Raises:
        MissingExtraError: it is not installed; the message holds what to type.

    >>> needed("json", extra="json", purpose="JSON").dumps([1])
    '[1]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(module.partition(".")[0], extra=extra, purpose=purpose) from error
