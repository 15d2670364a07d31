"""What became of CUIs that a release of the Metathesaurus no longer has: MRCUI, MERGEDCUI, DELETEDCUI.

Source: UMLS Reference Manual, "Retired CUI Mapping (MRCUI.RRF)", "Deleted and Merged Concepts". ``SY`` in MRCUI and
every row of MERGEDCUI say that two concepts were one; ``RB``, ``RN`` and ``RO`` name concepts that are broader,
narrower or otherwise near; ``DEL`` and DELETEDCUI name none.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from conceptmap.ontology.history import followed, retired_concepts

__all__ = ["TABLES", "retired_cuis"]

TABLES = {
    "MRCUI": "CUI1 VER REL RELA MAPREASON CUI2 MAPIN",
    "DELETEDCUI": "PCUI PSTR",
    "MERGEDCUI": "PCUI CUI",
}
"""Columns of the files."""
_WORDS = {
    "SY": "merged (MRCUI, SY)",
    "RB": "broader concept (MRCUI, RB)",
    "RN": "narrower concept (MRCUI, RN)",
    "RO": "related concept (MRCUI, RO)",
    "DEL": "deleted (MRCUI)",
}


def retired_cuis(read: Callable[[str], pl.DataFrame], live: pl.Series) -> pl.DataFrame:
    """Returns the rows of ``concepts`` for retired CUIs: see `conceptmap.ontology.history.retired_concepts`.

    Args:
        read: gives a table of ``TABLES``; one that is not there has no rows.
        live: codes of the concepts that the release has.
    """
    old = read("MRCUI").filter(pl.col("CUI1").is_not_null())
    reason = pl.col("REL").replace_strict(_WORDS, default=pl.format("MRCUI, {}", "REL"), return_dtype=pl.String)
    rows = [
        old.select(id="CUI1", target="CUI2", certain=pl.col("REL") == "SY", change=reason),
        read("MERGEDCUI").select(id="PCUI", target="CUI", certain=pl.lit(True), change=pl.lit("merged (MERGEDCUI)")),
    ]
    deleted = read("DELETEDCUI").select(id="PCUI", name="PSTR")
    links = pl.concat(
        [
            *rows,
            deleted.select(
                "id", target=pl.lit(None, pl.String), certain=pl.lit(value=False), change=pl.lit("deleted (DELETEDCUI)")
            ),
        ]
    )
    links = links.join(pl.DataFrame({"id": live}), on="id", how="anti", maintain_order="left")
    known = pl.DataFrame({"target": live})
    ends = followed(links.drop_nulls("target").select("id", "target", "certain"), known)
    names = deleted.unique("id", keep="first")
    first = links.sort("certain", descending=True, maintain_order=True).unique("id", keep="first", maintain_order=True)
    first = first.select("id", "change").join(names, on="id", how="left", maintain_order="left")
    return retired_concepts(first, ends)
