"""Names of the encoder that comes along. Loads no torch."""

from __future__ import annotations

from pathlib import Path

__all__ = ["EMBEDDED", "EMBEDDED_NAMES", "MODEL", "PLAIN", "encoder_named", "shipped_folder", "tuned_name"]

EMBEDDED = "embedded"
"""The encoder that comes along: tuned where an adapter for it comes along too."""
PLAIN = "embedded-plain"
"""The same as its makers published it."""
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
"""What its makers call it, and so what indexes do."""
EMBEDDED_NAMES = (EMBEDDED, PLAIN)
SHIPPED = ""
"""Folder beside this file that holds the tuned encoder which comes along; none while it is empty."""


def tuned_name(base: str) -> str:
    """What indexes call an encoder that was tuned from one of this name; its revision tells one from another."""
    return f"{base} tuned"


def shipped_folder() -> Path | None:
    """The tuned encoder that comes along; None where ``embedded`` is the plain one."""
    return Path(__file__).parent / SHIPPED if SHIPPED else None


def encoder_named(name: str) -> str:
    """What loads the encoder that an index wrote down; a folder has to be named again by its path.

    >>> encoder_named("sentence-transformers/all-MiniLM-L6-v2 tuned")
    'embedded'
    """
    if name == MODEL:
        return EMBEDDED if shipped_folder() is None else PLAIN
    return EMBEDDED if shipped_folder() is not None and name == tuned_name(MODEL) else name
