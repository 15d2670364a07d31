"""What the rows of given vectors are keyed by: codes in any spelling, ids of SNOMED CT descriptions, or terms."""

from __future__ import annotations

import polars as pl

from conceptmap.errors import InputError, UnknownCodeError
from conceptmap.ontology.concepts import SYSTEMS, check_code
from conceptmap.ontology.ontology import Ontology

__all__ = ["keyed", "nodes_of", "spelled"]


def keyed(keys: pl.Series, ontology: Ontology) -> tuple[pl.Series, str]:
    """Node of each key, null where the release knows none; and in words how many are no codes.

    A term that several concepts have stands for the one whose name it is, if it is the name of one alone.
    """
    nodes = nodes_of(keys, ontology)
    said = ""
    for what, known in (("by the id of a description", _by_description), ("by a term", _by_term)):
        if nodes.null_count():
            found = _looked_up(keys, known(ontology))
            gained = int((nodes.is_null() & found.is_not_null()).sum())
            nodes = nodes.zip_with(nodes.is_not_null(), found)
            said += f", {gained:,} {what}" if gained else ""
    return nodes, said


def _looked_up(keys: pl.Series, known: pl.DataFrame) -> pl.Series:
    return keys.to_frame("key").join(known, on="key", how="left", maintain_order="left")["node"]


def _by_description(ontology: Ontology) -> pl.DataFrame:
    """``key, node``: ids of descriptions."""
    if "description_ids" not in ontology.terms.columns:
        return pl.DataFrame(schema={"key": pl.String, "node": pl.String})
    rows = ontology.terms.select("node", key="description_ids").explode("key").drop_nulls()
    return rows.unique("key", keep="first").select("key", "node")


def _by_term(ontology: Ontology) -> pl.DataFrame:
    """``key, node``: terms of one concept, or that are the name of one."""
    names = pl.col("kind") == "preferred"
    rows = ontology.terms.select("node", key="term", named=names).unique(["node", "key"], keep="first")
    rows = rows.filter(pl.col("named") == pl.col("named").max().over("key"))
    return rows.filter(pl.len().over("key") == 1).select("key", "node")


def nodes_of(codes: pl.Series, ontology: Ontology) -> pl.Series:
    """Node of each code, null where the release holds none: as it is written, else in another spelling."""
    rows = ontology.rows_of(codes)
    nodes = ontology.concepts["node"].gather(rows)
    if not nodes.null_count():
        return nodes
    odd = codes.filter(nodes.is_null()).drop_nulls().unique(maintain_order=True)
    spelled = {code: node for code in odd if (node := _node(ontology, code)) is not None}
    others = codes.replace_strict(spelled, default=None, return_dtype=pl.String) if spelled else nodes
    return nodes.zip_with(nodes.is_not_null(), others)


def _node(ontology: Ontology, code: str) -> str | None:
    for spelling in (code, spelled(ontology, code)):
        if spelling is not None:
            try:
                return ontology.node(spelling)
            except UnknownCodeError:
                continue
    return None


def spelled(ontology: Ontology, code: str) -> str | None:
    """The code as its system writes it, None if it can be none: out of a CURIE, an IRI or ``code | name |``."""
    if ontology.system not in SYSTEMS:
        return None
    bare = code.partition("|")[0].strip().replace("#", "/").rpartition("/")[2].replace("_", ":")
    for spelling in dict.fromkeys((bare, bare.rpartition(":")[2])):
        try:
            return check_code(ontology.system, spelling)
        except InputError:
            continue
    return None
