"""Identifiers of Metathesaurus concepts as numbers: the UMLS's ``C0011849``, and ``CL448395`` of the NCI's."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.readers.tables import Check

__all__ = ["NUMBERS", "code_of", "is_id", "number_of"]

_UMLS = 10**7  # C and seven digits
_SHORT = 10**6  # CL and six
NUMBERS = 2 * _UMLS + _SHORT
"""All numbers are below this one: those of C, then of CL with six digits, then of CL with seven."""


def number_of(column: str) -> pl.Expr:
    """The number of an identifier, Int32."""
    value = pl.col(column)
    umls = value.str.slice(1).cast(pl.Int32, strict=False)
    digits = value.str.slice(2).cast(pl.Int32, strict=False)
    nci = _UMLS + digits + pl.when(value.str.len_bytes() > len("CL448395")).then(_SHORT).otherwise(0)
    return pl.when(value.str.starts_with("CL")).then(nci).otherwise(umls).cast(pl.Int32)


def code_of(column: str) -> pl.Expr:
    """The identifier of a number, as ``code``.

    >>> frame = pl.DataFrame({"cui": ["C0011849", "CL448395", "CL1378217"]})
    >>> frame.select(number=number_of("cui")).select(code_of("number"))["code"].to_list()
    ['C0011849', 'CL448395', 'CL1378217']
    """
    number = pl.col(column)
    short, long = (number - _UMLS).cast(pl.String).str.zfill(6), (number - _UMLS - _SHORT).cast(pl.String).str.zfill(7)
    nci = pl.lit("CL") + pl.when(number < _UMLS + _SHORT).then(short).otherwise(long)
    umls = pl.lit("C") + number.cast(pl.String).str.zfill(7)
    return pl.when(number < _UMLS).then(umls).otherwise(nci).alias("code")


def is_id(column: str) -> Check:
    """True where the column is blank, or holds such an identifier, or, of atoms, A and seven or eight digits."""
    kinds = (("A", (8, 9)),) if column.endswith("AUI") or column.startswith("AUI") else (("CL", (8, 9)), ("C", (8, 8)))

    def check(frame: pl.DataFrame) -> NDArray[np.bool_]:
        value = pl.col(column)
        right = value.is_null()
        for letters, lengths in kinds:
            digits = value.str.slice(len(letters)).cast(pl.UInt32, strict=False).is_not_null()
            right |= value.str.starts_with(letters) & value.str.len_bytes().is_between(*lengths) & digits
        return frame.select(right).to_series().to_numpy()

    return check
