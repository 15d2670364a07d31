"""Lent terms: names that one ontology has for another's codes over its cross-references: DOID's for ICD-10-CM, say.

A cross-reference is not a synonymy. What is lent has to mean the code, so a concept that refers to codes in different
places of the hierarchy lends nothing, and neither do related or broader names, abbreviations, nor a term that the other
ontology, or two concepts that lend, give another code.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from conceptmap.errors import InputError, UnknownCodeError
from conceptmap.matching.lexicon import LENT
from conceptmap.matching.vocabulary import clinical_synonyms
from conceptmap.ontology.ontology import Ontology

__all__ = ["LentTerms", "lend_terms"]

_SAME = ("xref", "exactMatch", "source_code")  # relations of a map that may join concepts of one meaning
_SHELVES = ("chapter", "block")
_LEAST_CHARACTERS = 4
_TAG = r"\s*\((?:disorder|finding|procedure|morphologic abnormality|event|situation)\)$"  # of SNOMED CT's full names
# Concepts named "hard palate cancer" with the exact synonym "Hard Palate" are met in disease ontologies.
_TUMOUR = r"(?i)cancer|neoplas|tumou?r|malignan|[a-z]oma(s|ta)?\b|sarc|leuk|metasta|\bca\b"
_ABBREVIATION = r"^[A-Z0-9][A-Za-z0-9-]{0,3}[A-Z0-9]$"  # MI, COPD, HbA1c


@dataclass(frozen=True, eq=False)
class LentTerms:
    """What one ontology lends.

    Attributes:
        terms: ``code, term, kind, source``; codes are nodes of the ontology that is lent to.
        concepts: concepts that lend.
        left_out: concepts and terms that are not lent, by reason.
    """

    terms: pl.DataFrame
    concepts: int
    left_out: dict[str, int]


def lend_terms(lender: Ontology, ontology: Ontology) -> LentTerms:
    """Returns the terms that the concepts of ``lender`` have for concepts of ``ontology``.

    A concept that refers to several codes lends to the one that subsumes the others, if there is such a one. Codes that
    are replaced today stand for what replaced them; chapters and blocks get nothing.

    Raises:
        InputError: ``lender`` has no cross-reference to the system.
    """
    maps = lender.maps
    pairs = None if maps is None else maps.filter(pl.col("target_system") == ontology.system)
    if pairs is None or not pairs.height:
        systems = [] if maps is None else sorted(maps["target_system"].drop_nulls().unique())
        expected = f"cross-references to {ontology.system}"
        raise InputError(
            f"{lender.system} {lender.release} lends no terms", got=", ".join(systems) or "none", expected=expected
        )
    pairs = pairs.filter(pl.col("relation").is_in(_SAME))
    live = lender.concepts.filter("active").select("node", "code")
    rows = pairs.join(live, on="code").select("node", "target_code").drop_nulls().unique(maintain_order=True)
    targets, left_out = _targets(rows, ontology)
    lent, without = _terms(lender, targets, ontology)
    return LentTerms(lent, targets.height, left_out | without)


def _targets(rows: pl.DataFrame, ontology: Ontology) -> tuple[pl.DataFrame, dict[str, int]]:
    """``node, target``: the one concept that each may lend to."""
    wanted = dict.fromkeys(rows["target_code"].to_list())
    today = {code: _today(ontology, code) for code in wanted}
    shelves = set(ontology.concepts.filter(pl.col("kind").is_in(_SHELVES))["node"])
    referred: dict[str, set[str]] = {}
    unknown = 0
    for node, code in rows.iter_rows():
        unknown += not today[code]
        referred.setdefault(node, set()).update(today[code])
    found, several, above = [], 0, 0
    for node, codes in referred.items():
        top = (
            codes if len(codes) == 1 else {code for code in codes if all(ontology.is_a(other, code) for other in codes)}
        )
        several += len(codes) > 1 and not top
        above += bool(top & shelves)
        found += [(node, code) for code in top - shelves]
    frame = pl.DataFrame(found, schema={"node": pl.String, "target": pl.String}, orient="row")
    return frame, {
        "references to codes that the release does not hold": unknown,
        "concepts that refer to codes of several meanings": several,
        "concepts that refer to a chapter or block": above,
    }


def _today(ontology: Ontology, code: str) -> frozenset[str]:
    try:
        return ontology.current(code)
    except UnknownCodeError:
        return frozenset()


def _terms(lender: Ontology, targets: pl.DataFrame, ontology: Ontology) -> tuple[pl.DataFrame, dict[str, int]]:
    exact = pl.lit(value=True)
    if "scope" in lender.terms.columns:
        exact = (pl.col("kind") == "preferred") | (pl.col("scope") == "EXACT")
    terms = lender.terms.join(targets, on="node", maintain_order="left").with_columns(
        pl.col("term").str.replace(_TAG, "")
    )
    spoken = terms.filter(exact)
    long = pl.col("term").str.len_chars() >= _LEAST_CHARACTERS
    words = spoken.filter(long & ~pl.col("term").str.contains(_ABBREVIATION))
    names = lender.concepts.select("node", name="name")
    tumours = words.join(names, on="node", how="left", maintain_order="left")
    site = tumours["name"].str.contains(r"(?i)cancer|neoplasm") & ~tumours["term"].str.contains(_TUMOUR)
    abbreviated, words = spoken.height - words.height, words.filter(~site)
    said = words.with_columns(key=pl.col("term").str.to_lowercase())
    own = [ontology.terms["term"]]
    if (reviewed := clinical_synonyms(ontology.system)) is not None:
        own.append(reviewed["term"])
    known = pl.DataFrame({"key": pl.concat(own).str.to_lowercase()}).unique()
    fresh = said.join(known, on="key", how="anti", maintain_order="left")
    single = fresh.filter(pl.col("target").n_unique().over("key") == 1).unique("key", keep="first", maintain_order=True)
    lent = single.select(
        code="target", term="term", kind=pl.lit(LENT), source=pl.lit(f"{lender.system} {lender.release}")
    )
    return lent, {
        "related, broader or narrower names": terms.height - spoken.height,
        "abbreviations": abbreviated,
        "names of a place for a tumour there": int(site.sum()),
        "terms that the release or the reviewed synonyms have": said.height - fresh.height,
        "terms of several codes": fresh.height - fresh.filter(pl.col("target").n_unique().over("key") == 1).height,
    }
