"""Given vectors: a table of concept vectors that others made, brought to the concepts of an ontology.

Which column holds the codes is told by the codes themselves: the one that the release knows most of, or whose check
digits come out. Codes that the release has retired go to what replaced them; nothing is left out without being listed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.encoders.folder import read_card
from conceptmap.errors import InputError, UnknownCodeError, said_codes
from conceptmap.index.spooled import picked
from conceptmap.index.vector_files import VectorTable, fetch_data_set, read_vector_table
from conceptmap.index.vector_keys import keyed, nodes_of, spelled
from conceptmap.ontology.history import today
from conceptmap.ontology.ontology import Ontology

__all__ = ["GivenVectors", "read_vectors"]

_SAMPLE = 5_000
_LEAST_KNOWN = 0.5
_LEAST_NAMED = 0.2
_LABELS = ("label", "term", "name", "text", "description", "preferred_term", "fsn", "title", "concept_name")
_LEFT_OUT = pl.Schema({"row": pl.Int64, "code": pl.String, "reason": pl.String, "now": pl.String, "change": pl.String})


@dataclass(frozen=True, eq=False)
class GivenVectors:
    """Vectors and the concepts that they stand for: what ``ConceptIndex.from_vectors`` takes.

    Attributes:
        codes: node of each row. *Shape:* (n_rows,).
        vectors: *Shape:* (n_rows, dim) float32.
        terms: what each row stands for, or None where the table does not say.
        about: what was found in the table, a line each.
        changed: ``row, code, reason, now, change``: rows whose code is not in the release (``unknown``), or inactive:
            mapped to what replaced it (``replaced``, ``now`` says to which), or left out (``inactive``, with no
            replacement or several); ``change`` is what the release says of it. Rows are counted from 0.
        source: where they are from: a file or folder name, or the data set with its revision.
        licence: what the card beside them names, ``unknown`` where there is none.
        dtype: the type to store them in, which holds all their values: see ``VectorTable``.
    """

    codes: list[str]
    vectors: NDArray[np.float32]
    terms: list[str] | None
    about: tuple[str, ...]
    changed: pl.DataFrame
    source: str = ""
    licence: str = "unknown"
    dtype: str = "float32"

    def of_rows(self, wanted: NDArray[np.bool_]) -> GivenVectors:
        """Some of the rows. ``wanted``: *Shape:* (n_rows,) bool."""
        kept = np.flatnonzero(wanted).tolist()
        terms = None if self.terms is None else [self.terms[row] for row in kept]
        return replace(self, codes=[self.codes[row] for row in kept], vectors=picked(self.vectors, wanted), terms=terms)


def read_vectors(
    source: str | Path,
    ontology: Ontology,
    *,
    code_column: str | None = None,
    term_column: str | None = None,
    vector_column: str | None = None,
    codes_file: str | Path | None = None,
) -> GivenVectors:
    """Read a table of concept vectors; what its columns are is found out unless said.

    Several rows of a concept are kept as rows. Codes may be written as numbers, with or without their dot, as CURIEs or
    as IRIs that end with the code. Ids of SNOMED CT descriptions, and terms just as the release has them, stand for
    their concepts, in any mixture.

    Args:
        source: a file or folder as `read_vector_table` takes it, or a data set of the
            hub with its revision, ``owner/name@commit``.
        ontology: where the codes live.
        code_column: the column of the codes.
        term_column: the column of the names that the vectors were made of.
        vector_column: the column or tensor of the vectors, or the prefix of one column per dimension.
        codes_file: codes for a matrix without: a row per vector.

    Raises:
        InputError: no such file, or it cannot be told which column is which; the message says what there is.
        UnknownCodeError: not one of the codes is an active concept of the release.
    """
    path = Path(source).expanduser()
    name = path.name if path.exists() else str(source)
    path = path if path.exists() else fetch_data_set(name)
    card = read_card(path if path.is_dir() else path.parent)
    table = read_vector_table(path, vector_column=vector_column, codes_file=codes_file)
    rows, dim = table.vectors.shape
    about = [f"{rows:,} vectors of width {dim:,} in {table.where}, kept in {table.dtype}"]
    if card.non_commercial:
        about.append(f"they may not be used commercially: {card.licence}")
    column = _code_column(table, ontology, code_column)
    codes = _texts(table.others[column])
    found, others = keyed(codes, ontology)
    about.append(f"codes in column {column}, {_share(found.is_not_null())} of which the release holds{others}")
    nodes, changed = _current(codes, found, ontology)
    kept = nodes.is_not_null()
    if not kept.any():
        what = f"no code in column {column} is a concept of {ontology.system} {ontology.release}"
        raise UnknownCodeError(what, got=said_codes(codes.drop_nulls()))
    terms = _term_column(table.others.drop(column), nodes, ontology, term_column)
    if terms is not None:
        about.append(f"terms in column {terms.name}")
        names = ontology.concepts["name"].gather(ontology.rows_of(nodes))
        terms = terms.set(terms == "", None).zip_with(terms.is_not_null() & (terms != ""), names).filter(kept)
    vectors = picked(table.vectors, kept.to_numpy())
    listed = None if terms is None else terms.to_list()
    found_codes = nodes.filter(kept).to_list()
    return GivenVectors(found_codes, vectors, listed, tuple(about), changed, name, card.licence, table.dtype)


def _share(known: pl.Series) -> str:
    share = float(known.mean() or 0.0)  # type: ignore[arg-type]
    return "all" if share == 1 else f"{100 * share:.1f} %"


# -- codes ------------------------------------------------------------------------------------------------------------


def _texts(column: pl.Series) -> pl.Series:
    """Codes as they are written; whole numbers that a table holds as floats lose their ``.0``."""
    if column.dtype.is_float():
        column = column.cast(pl.Int64, strict=False)
    return column.cast(pl.String, strict=False).str.strip_chars()


def _is_coded(column: pl.Series) -> bool:
    return column.dtype in (pl.String, pl.Categorical) or column.dtype.is_numeric()


def _code_column(table: VectorTable, ontology: Ontology, asked: str | None) -> str:
    names = [name for name in table.others.columns if _is_coded(table.others[name])]
    if asked is not None:
        if asked not in names:
            raise InputError("no such column of codes", got=asked, expected=f"one of {', '.join(names) or 'none'}")
        return asked
    known, written = {}, {}
    for name in names:
        sample = _texts(table.others[name]).drop_nulls().unique(maintain_order=True).head(_SAMPLE)
        known[name] = _mean(nodes_of(sample, ontology).is_not_null())
        written[name] = _mean(pl.Series([spelled(ontology, code) is not None for code in sample], dtype=pl.Boolean))
    best = max(names, key=lambda name: (known[name], written[name]), default=None)
    if best is not None and (known[best] >= _LEAST_KNOWN or written[best] >= 1 - _LEAST_NAMED):
        return best
    for name in names:  # no codes: ids of descriptions, or the terms themselves
        sample = _texts(table.others[name]).drop_nulls().unique(maintain_order=True).head(_SAMPLE)
        if _mean(keyed(sample, ontology)[0].is_not_null()) >= _LEAST_KNOWN:
            return name
    got = ", ".join(f"{name} ({100 * known[name]:.0f} % known)" for name in names) or "no column of texts or numbers"
    raise InputError(
        f"cannot tell which column holds the codes of {ontology.system} {ontology.release}",
        got=got,
        then="name it: --code-column NAME, code_column= in Python; or check --system",
    )


def _mean(flags: pl.Series) -> float:
    return float(flags.mean() or 0.0)  # type: ignore[arg-type]


def _current(codes: pl.Series, nodes: pl.Series, ontology: Ontology) -> tuple[pl.Series, pl.DataFrame]:
    """The active node of each row, null where there is none or more than one; and what changed."""
    active = ontology.concepts["active"].gather(ontology.rows_of(nodes))
    retired = nodes.filter(~active.fill_null(True)).unique(maintain_order=True)
    heirs = {node: ontology.current(node) for node in retired}
    single = {node: next(iter(now)) for node, now in heirs.items() if len(now) == 1}
    rows = pl.DataFrame({"row": np.arange(len(codes)), "code": codes, "node": nodes, "active": active})
    rows = rows.filter(pl.col("node").is_null() | ~pl.col("active"))
    now = {node: "|".join(sorted(found)) or None for node, found in heirs.items()}
    replaced = pl.col("node").is_in(list(single))
    reason = pl.when(pl.col("node").is_null()).then(pl.lit("unknown"))
    changed = rows.with_columns(
        reason=reason.when(replaced).then(pl.lit("replaced")).otherwise(pl.lit("inactive")),
        now=pl.col("node").replace_strict(now, default=None, return_dtype=pl.String),
    )
    said = today(retired, ontology).select(node="code", change="reason").unique("node", keep="first")
    changed = changed.join(said, on="node", how="left", maintain_order="left")
    heir = nodes.replace_strict(single, default=None, return_dtype=pl.String) if single else nodes.clear(len(nodes))
    stays = active.fill_null(value=False)
    return nodes.zip_with(stays, heir), changed.select(_LEFT_OUT.names()).cast(_LEFT_OUT)


# -- terms ------------------------------------------------------------------------------------------------------------


def _term_column(others: pl.DataFrame, nodes: pl.Series, ontology: Ontology, asked: str | None) -> pl.Series | None:
    """The column whose texts are most often terms of the row's concept, or that is named as one."""
    texts = [name for name in others.columns if others.schema[name] in (pl.String, pl.Categorical)]
    if asked is not None:
        if asked not in texts:
            raise InputError("no such column of terms", got=asked, expected=f"one of {', '.join(texts) or 'none'}")
        return others[asked].cast(pl.String)
    sample = pl.DataFrame({"node": nodes}).with_row_index().drop_nulls().head(_SAMPLE)
    terms = (
        ontology.terms.join(sample, on="node", how="semi").select("node", pl.col("term").str.to_lowercase()).unique()
    )
    agreeing = {}
    for name in texts:
        column = sample.with_columns(term=others[name].gather(sample["index"]).cast(pl.String).str.to_lowercase())
        agreeing[name] = column.join(terms, on=["node", "term"], how="semi").height / max(1, sample.height)
    best = max(texts, key=lambda name: agreeing[name], default=None)
    if best is None or agreeing[best] < _LEAST_NAMED:
        best = next((name for name in texts if name.lower() in _LABELS), None)
    return None if best is None else others[best].cast(pl.String)
