"""A mapper that finds a handful of phrases: what the batch engine, the exports and the command line need of the real one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from conceptmap import frames
from conceptmap.ontology import Ontology

CHAPTERS = {
    "4": "Endocrine, nutritional and metabolic diseases (E00-E89)",
    "9": "Diseases of the circulatory system (I00-I99)",
    "10": "Diseases of the respiratory system (J00-J99)",
    "18": "Symptoms, signs and abnormal findings (R00-R99)",
}
BLOCKS = {
    "E08-E13": ("4", "Diabetes mellitus"),
    "I10-I1A": ("9", "Hypertensive diseases"),
    "I30-I5A": ("9", "Other forms of heart disease"),
    "J09-J18": ("10", "Influenza and pneumonia"),
    "R50-R69": ("18", "General symptoms and signs"),
}
CATEGORIES = {
    "E11": ("E08-E13", "Type 2 diabetes mellitus"),
    "I50": ("I30-I5A", "Heart failure"),
    "R50": ("R50-R69", "Fever of other and unknown origin"),
}
CODES = {
    "E11.9": ("E11", "Type 2 diabetes mellitus without complications"),
    "E11.22": ("E11", "Type 2 diabetes mellitus with diabetic chronic kidney disease"),
    "I10": ("I10-I1A", "Essential (primary) hypertension"),
    "I50.9": ("I50", "Heart failure, unspecified"),
    "I50.23": ("I50", "Acute on chronic systolic (congestive) heart failure"),
    "J18.9": ("J09-J18", "Pneumonia, unspecified organism"),
    "R50.9": ("R50", "Fever, unspecified"),
}
PHRASES: Mapping[str, Sequence[str]] = {
    "type 2 diabetes": ("E11.9", "E11.22"),
    "diabetes": ("E11.9",),
    "t2dm": ("E11.9",),
    "hypertension": ("I10",),
    "htn": ("I10",),
    "heart failure": ("I50.9", "I50.23"),
    "acute on chronic systolic (hfref) heart failure": ("I50.23", "I50.9"),
    "pneumonia": ("J18.9",),
    "fever": ("R50.9",),
}
_PHRASE = re.compile("|".join(sorted(map(re.escape, PHRASES), key=len, reverse=True)), re.IGNORECASE)
POISON = "POISON"
"""A note with this word makes the mapper fail."""


def ontology() -> Ontology:
    levels = [
        *((code, "chapter", name, None) for code, name in CHAPTERS.items()),
        *((code, "block", name, above) for code, (above, name) in BLOCKS.items()),
        *((code, "category", name, above) for code, (above, name) in CATEGORIES.items()),
        *((code, "code", name, above) for code, (above, name) in CODES.items()),
    ]
    concepts = pl.DataFrame(
        [(code, code, kind, name, True, kind == "code") for code, kind, name, _ in levels],
        schema=["node", "code", "kind", "name", "active", "billable"],
        orient="row",
    )
    terms = concepts.select("node", "code", term="name", kind=pl.lit("preferred"))
    edges = pl.DataFrame(
        [(above, code) for code, _, _, above in levels if above], schema=["parent", "child"], orient="row"
    )
    return Ontology("icd10cm", "2026-test", concepts, terms, edges)


@dataclass(frozen=True)
class FakeManifest:
    system: str = "icd10cm"
    release: str = "2026-test"
    encoder: str = "fake"
    dim: int = 3


@dataclass(frozen=True)
class FakeIndex:
    manifest: FakeManifest = FakeManifest()
    system: str = "icd10cm"
    release: str = "2026-test"
    dim: int = 3
    n_rows: int = 7

    def ontology(self) -> Ontology:
        return ontology()


@dataclass(frozen=True)
class FakeEncoder:
    name: str = "fake"
    revision: str = "r1"
    licence: str = "Apache-2.0"
    dim: int = 3
    window: int = 512


@dataclass(frozen=True)
class FakeNote:
    note_id: str
    text: str
    tags: pl.DataFrame
    mentions: pl.DataFrame
    codes: pl.DataFrame


@dataclass(frozen=True)
class FakeResults:
    tags: pl.DataFrame
    mentions: pl.DataFrame
    codes: pl.DataFrame
    candidates: pl.DataFrame


class FakeMapper:
    def __init__(self) -> None:
        self.indexes = (FakeIndex(),)
        self.encoder: FakeEncoder | None = FakeEncoder()
        self.calls: list[dict[str, Any]] = []

    @cached_property
    def loaded(self) -> bool:
        return True

    def annotate_many(
        self,
        notes: pl.DataFrame,
        *,
        tags: bool = False,
        candidates: int = 0,
        include: frozenset[str] = frozenset(),
    ) -> FakeResults:
        self.calls.append({"n": notes.height, "tags": tags, "candidates": candidates, "include": include})
        rows = list(notes.select("note_id", "text").iter_rows())
        if any(POISON in text for _, text in rows):
            raise ValueError("cannot read " + rows[0][1])
        mentions = [row for note_id, text in rows for row in _mentions(note_id, text)]
        codes = [row for note_id, _ in rows for row in _codes(note_id, mentions, include)]
        return FakeResults(
            tags=pl.DataFrame([r for i, t in rows for r in _tags(i, t)] if tags else [], schema=frames.TAGS),
            mentions=pl.DataFrame(mentions, schema=frames.ANNOTATIONS),
            codes=pl.DataFrame(codes, schema=frames.CODES),
            candidates=pl.DataFrame(codes[: candidates * len(rows)], schema=frames.CODES),
        )

    def annotate(self, text: str, note_id: str = "note") -> FakeNote:
        found = self.annotate_many(pl.DataFrame({"note_id": [note_id], "text": [text]}), tags=True)
        return FakeNote(note_id, text, found.tags, found.mentions, found.codes)

    def tag(self, text: str, k: int = 5) -> pl.DataFrame:
        return pl.DataFrame(list(_tags("note", text)), schema=frames.TAGS).filter(pl.col("rank") <= k)

    def spans(self, notes: pl.DataFrame, spans: pl.DataFrame, k: int = 20) -> pl.DataFrame:
        texts = dict(notes.select("note_id", "text").iter_rows())
        rows = [
            (note_id, start, end, rank, code, CODES[code][1], 1.0 / rank)
            for note_id, start, end in spans.select("note_id", "start_char", "end_char").iter_rows()
            for rank, code in enumerate(PHRASES.get(texts[note_id][start:end].lower(), ())[:k], 1)
        ]
        columns = ["note_id", "start_char", "end_char", "rank", "code", "name", "score"]
        return pl.DataFrame(rows, schema=columns, orient="row")


def _mentions(note_id: str, text: str) -> Iterator[dict[str, Any]]:
    for number, match in enumerate(_PHRASE.finditer(text), 1):
        before = text[max(0, match.start() - 40) : match.start()].lower()
        context = {
            "negated": re.search(r"\b(no|denies|without)\b[^.]*$", before) is not None,
            "subject": "family" if re.search(r"\b(mother|father|family)\b[^.]*$", before) else "patient",
            "temporality": "historical" if re.search(r"\bhistory of\b[^.]*$", before) else "recent",
            "certainty": "possible" if re.search(r"\b(possible|likely)\b[^.]*$", before) else "certain",
        }
        for rank, code in enumerate(PHRASES[match[0].lower()], 1):
            yield {
                "note_id": note_id, "mention_id": f"m{number}", "start_char": match.start(), "end_char": match.end(),
                "text": match[0], "rank": rank, "system": "icd10cm", "code": code, "name": CODES[code][1],
                "score": 1.0 - rank / 8, "probability": None, "evidence": "lexical" if rank == 1 else "both",
                "section": None, **context, "rollup_code": None, "rollup_name": None, "release": "2026-test",
                "encoder": "fake",
            }  # fmt: skip


def _codes(note_id: str, mentions: list[dict[str, Any]], include: frozenset[str]) -> Iterator[dict[str, Any]]:
    evidence: dict[str, list[str]] = {}
    for row in mentions:
        accepted = row["subject"] == "patient" and (not row["negated"] or "negated" in include)
        if row["note_id"] == note_id and row["rank"] == 1 and accepted:
            evidence.setdefault(row["code"], []).append(row["mention_id"])
    for rank, (code, mention_ids) in enumerate(evidence.items(), 1):
        yield {
            "note_id": note_id, "system": "icd10cm", "code": code, "name": CODES[code][1], "score": 1.0 - rank / 20,
            "billable": True, "rank": rank, "evidence": " ".join(mention_ids), "notes": None,
        }  # fmt: skip


def _tags(note_id: str, text: str) -> Iterator[dict[str, Any]]:
    for number, match in enumerate(re.finditer(r"\w{1,4}", text)):
        for phrase in _PHRASE.finditer(text):
            if phrase.start() <= match.start() < phrase.end():
                for rank, code in enumerate(PHRASES[phrase[0].lower()], 1):
                    yield {
                        "note_id": note_id, "token_index": number, "start_char": match.start(), "end_char": match.end(),
                        "text": match[0], "rank": rank, "system": "icd10cm", "code": code, "name": CODES[code][1],
                        "score": 1.0 - rank / 8,
                    }  # fmt: skip


def load(*indexes: str | Path, **settings: Any) -> FakeMapper:
    return FakeMapper()
