"""Which row holds a code: a hash table for codes that are numbers, such as SNOMED CT's and the UMLS's.

A join of strings builds its table anew each time and waits for the memory at every string; numbers lie in two small
arrays that are made once. Codes of other kinds belong to systems small enough to be joined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["NumberedRows", "places_in"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: Knuth, The Art of Computer Programming, volume 3, 6.4
_SLOTS_PER_ROW = 4


@dataclass(frozen=True, eq=False)
class NumberedRows:
    """Rows of codes that are one prefix and a number: ``C0011849``, ``22298006``.

    Attributes:
        prefix: what all codes begin with; empty, or a letter.
        numbers: the number in each row's code. *Shape:* (n_rows,) int64.
        lengths: bytes of each row's code, which tell 7 from 007. *Shape:* (n_rows,) uint32.
        slots: row in each slot, -1 where there is none; a number is in the first free slot from its own on.
            *Shape:* (a power of two,) int32.
    """

    prefix: str
    numbers: NDArray[np.int64]
    lengths: NDArray[np.uint32]
    slots: NDArray[np.int32]

    @classmethod
    def of(cls, codes: pl.Series) -> NumberedRows | None:
        """The table of these codes; None if they are not numbers, or stand on several rows."""
        if not len(codes):
            return None
        prefix = str(codes[0])[:1]
        prefix = "" if prefix.isdigit() else prefix
        found = _numbers(codes, prefix)
        if found.null_count():
            return None
        numbers = found.to_numpy()
        size = 1 << int(len(numbers) * _SLOTS_PER_ROW - 1).bit_length()
        slots = np.full(size, -1, dtype=np.int32)
        at, rows = _slots(numbers, size), np.arange(len(numbers), dtype=np.int32)
        while len(rows):
            free = slots[at] < 0
            slots[at[free]] = rows[free]
            holder = slots[at]
            if ((numbers[holder] == numbers[rows]) & (holder != rows)).any():
                return None
            waiting = holder != rows
            rows, at = rows[waiting], (at[waiting] + 1) & (size - 1)
        return cls(prefix, numbers, codes.str.len_bytes().to_numpy(), slots)

    def rows_of(self, codes: pl.Series) -> NDArray[np.int64]:
        """Returns the row of each code, -1 where there is none. *Shape:* (n_codes,) int64."""
        numbers = _numbers(codes, self.prefix).fill_null(-1).to_numpy()
        found = np.full(len(numbers), -1, dtype=np.int64)
        asked = np.arange(len(numbers))
        at = _slots(numbers, len(self.slots))
        while len(asked):
            holder = self.slots[at]
            same = (holder >= 0) & (self.numbers[holder] == numbers[asked])
            found[asked[same]] = holder[same]
            on = (holder >= 0) & ~same
            asked, at = asked[on], (at[on] + 1) & (len(self.slots) - 1)
        found[(found >= 0) & (self.lengths[found] != codes.str.len_bytes().fill_null(0).to_numpy())] = -1
        return found


def _numbers(codes: pl.Series, prefix: str) -> pl.Series:
    """The number in each code, null where there is something else. *Shape:* (n_codes,) Int64."""
    digits = codes.str.strip_prefix(prefix) if prefix else codes
    numbers = digits.cast(pl.Int64, strict=False)
    odd = (numbers < 0) | digits.str.starts_with("+")
    if prefix:
        odd |= ~codes.str.starts_with(prefix)
    return numbers.set(odd, None) if odd.any() else numbers


def _slots(numbers: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    bits = np.uint64(64 - (size.bit_length() - 1))
    return ((numbers.astype(np.uint64) * _GOLDEN) >> bits).astype(np.int64)


def places_in(codes: pl.Series, asked: pl.Series, numbered: NumberedRows | None) -> pl.Series:
    """Returns the place of each asked code among ``codes``, null where there is none.

    Args:
        codes: *Shape:* (n_codes,).
        asked: *Shape:* (n,).
        numbered: of ``codes``; None where they are not numbers.
    """
    if numbered is None:
        known = pl.DataFrame({"code": codes, "place": np.arange(len(codes))})
        return asked.to_frame("code").join(known, on="code", how="left", maintain_order="left")["place"]
    rows = numbered.rows_of(asked)
    found = pl.Series("place", rows)
    return found if rows.min(initial=0) >= 0 else found.set(found < 0, None)
