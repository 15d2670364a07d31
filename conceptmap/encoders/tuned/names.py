"""Names of the encoder that comes along. Loads no torch."""

from __future__ import annotations

from pathlib import Path

__all__ = ["EMBEDDED", "EMBEDDED_NAMES", "MODEL", "PLAIN", "SHIPPED", "encoder_named", "tuned_name"]

EMBEDDED = "embedded"
"""The encoder that comes along: all-MiniLM-L6-v2, tuned to clinical names."""
PLAIN = "embedded-plain"
"""The same as its makers published it."""
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
"""What its makers call it, and so what indexes do."""
EMBEDDED_NAMES = (EMBEDDED, PLAIN)
SHIPPED = Path(__file__).parent / "shipped"
"""The tuned encoder that comes along, made by ``benchmarks/tuned_encoder.py``."""


def tuned_name(base: str) -> str:
    """What indexes call an encoder that was tuned from one of this name; its revision tells one from another."""
    return f"{base} tuned"


def encoder_named(name: str) -> str:
    """What loads the encoder that an index wrote down; a folder has to be named again by its path.

    >>> encoder_named("sentence-transformers/all-MiniLM-L6-v2 tuned")
    'embedded'
    """
    return {MODEL: PLAIN, tuned_name(MODEL): EMBEDDED}.get(name, name)
