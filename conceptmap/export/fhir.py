"""FHIR R4: a Bundle of Conditions for each note, one a line.

A Condition is unconfirmed, since no clinician has looked at it, or refuted where the note denies it. Each span that it
was read from is a ``derivation-reference`` extension (offset and length in code points) on the note's
DocumentReference, which does not repeat the note. It is active, or inactive where the note tells of it as past alone.
What relatives have is a FamilyMemberHistory and no Condition of the patient.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl

from conceptmap.errors import InputError
from conceptmap.ontology.concepts import SYSTEMS

__all__ = ["FhirFile", "bundle", "check_subjects"]

SPAN = "http://hl7.org/fhir/StructureDefinition/derivation-reference"
STATUS = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ROLES = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
NAMES = uuid.UUID("6f1f6c3e-2f0b-5d0c-9a54-6c4d1c7f3a10")
"""Namespace of the entries' UUIDs, which are made of what the entries are about."""
_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9\-.]{1,64}")
"""FHIR's own rule for ids, and not dots alone: a server would take those for a way up its paths."""
Row = Mapping[str, Any]


def check_subjects(columns: Sequence[str]) -> None:
    """Refuse notes that do not say whose they are.

    Raises:
        InputError: there is no column person_id.
    """
    if "person_id" not in columns:
        then = "give a table with note_id, text, person_id (a folder of .txt has no place for it), or leave fhir out"
        raise InputError("a FHIR Condition needs a subject", got="no column person_id", then=then)


class FhirFile:
    """``bundles.ndjson``.

    Attributes:
        counts: Bundles and Conditions written.
    """

    def __init__(self, folder: Path) -> None:
        self.counts = {"bundles": 0, "conditions": 0, "family_histories": 0}
        self._without_subject = 0
        self._file = (folder / "bundles.ndjson").open("xb")

    def __enter__(self) -> FhirFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, notes: pl.DataFrame, mentions: pl.DataFrame, codes: pl.DataFrame) -> None:
        """Append a Bundle for each note that has a subject."""
        best = mentions.filter(pl.col("rank") == 1)
        found, accepted = (frame.partition_by("note_id", as_dict=True) for frame in (best, codes))
        for note in notes.drop("text").iter_rows(named=True):
            if not str(note["person_id"] or "").strip():
                self._without_subject += 1
                continue
            key = (note["note_id"],)
            one = bundle(note, _rows(found.get(key)), _rows(accepted.get(key)))
            self._file.write(json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            self.counts["bundles"] += 1
            kinds = [entry["resource"]["resourceType"] for entry in one["entry"]]
            self.counts["conditions"] += kinds.count("Condition")
            self.counts["family_histories"] += kinds.count("FamilyMemberHistory")

    @property
    def notices(self) -> tuple[str, ...]:
        """Notes that are left out."""
        if not self._without_subject:
            return ()
        left_out = f"{self._without_subject:,} notes without a person_id"
        return (f"bundles.ndjson leaves out {left_out}: a Condition needs a subject",)


def _rows(frame: pl.DataFrame | None) -> list[Row]:
    return [] if frame is None else list(frame.iter_rows(named=True))


def bundle(note: Row, mentions: Sequence[Row], codes: Sequence[Row]) -> dict[str, Any]:
    """The Bundle of one note.

    Args:
        note: note_id, person_id and, when known, encounter_id and note_date.
        mentions: rows of rank 1 of ``frames.ANNOTATIONS``.
        codes: rows of ``frames.CODES``.
    """
    about = _about(note)
    document = _urn("note", note["note_id"])
    entries = [_entry(document, _document(note, about))]
    for status, code, spans in _findings(mentions, codes):
        name = _urn("condition", note["note_id"], status, code["system"], code["code"])
        entries.append(_entry(name, _condition(status, code, spans, document, about)))
    for spans in _of_family(mentions):
        name = _urn("family", note["note_id"], spans[0]["system"], spans[0]["code"])
        entries.append(_entry(name, _family_history(spans, document, about)))
    return {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": _urn("bundle", note["note_id"])},
        "type": "collection",
        "entry": entries,
    }


def _findings(mentions: Sequence[Row], codes: Sequence[Row]) -> Iterator[tuple[str, Row, list[Row]]]:
    """Accepted codes with the mentions that affirm them, those that rest on no mention, then what is denied."""
    own = [row for row in mentions if row["subject"] in (None, "patient") and row["temporality"] != "hypothetical"]
    places: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(own):
        places.setdefault((row["system"], row["mention_id"]), []).append(place)
    refuted: dict[tuple[str, str], tuple[Row, list[Row]]] = {}
    for code in codes:
        evidence = set((code["evidence"] or "").split())
        spans = [own[at] for at in sorted(at for name in evidence for at in places.get((code["system"], name), ()))]
        affirmed = [row for row in spans if not row["negated"]]
        if affirmed or not evidence:
            yield "unconfirmed", code, affirmed
        if denied := [row for row in spans if row["negated"]]:
            refuted[code["system"], code["code"]] = (code, denied)
    used = {(row["system"], row["mention_id"]) for _, spans in refuted.values() for row in spans}
    for row in own:
        if row["negated"] and (row["system"], row["mention_id"]) not in used:
            refuted.setdefault((row["system"], row["code"]), (row, []))[1].append(row)
    for code, spans in refuted.values():
        yield "refuted", code, spans


def _of_family(mentions: Sequence[Row]) -> Iterable[list[Row]]:
    """The mentions of what relatives have or had, those of one concept together."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in mentions:
        if row["subject"] == "family" and not row["negated"] and row["temporality"] != "hypothetical":
            found.setdefault((row["system"], row["code"]), []).append(row)
    return found.values()


def _family_history(spans: Sequence[Row], document: str, about: Row) -> dict[str, Any]:
    """A FamilyMemberHistory of its own for each concept, since nothing says which of them one relative shares."""
    date = about.get("recordedDate")
    return {
        "resourceType": "FamilyMemberHistory",
        "extension": [_span(document, row) for row in spans],
        "status": "completed",
        "patient": about["subject"],
        **({"date": date} if date else {}),
        "relationship": {"coding": [{"system": ROLES, "code": "FAMMEMB", "display": "family member"}]},
        "condition": [{"code": _code(spans[0])}],
    }


def _condition(status: str, code: Row, spans: Sequence[Row], document: str, about: Row) -> dict[str, Any]:
    past = bool(spans) and all(row["temporality"] == "historical" for row in spans)
    clinical = {"coding": [{"system": CLINICAL, "code": "inactive" if past else "active"}]}
    return {
        "resourceType": "Condition",
        **({"extension": [_span(document, row) for row in spans]} if spans else {}),
        **({"clinicalStatus": clinical} if status != "refuted" else {}),
        "verificationStatus": {"coding": [{"system": STATUS, "code": status}]},
        "code": _code(code),
        **about,
    }


def _code(row: Row) -> dict[str, Any]:
    """A concept as FHIR codes it."""
    coding = {"system": _uri(row["system"]), "code": row["code"]}
    coding |= {"display": row["name"]} if row["name"] else {}
    return {"coding": [coding], "text": row["name"] or row["code"]}


def _uri(system: str) -> str:
    return SYSTEMS[system].fhir_uri if system in SYSTEMS else f"urn:conceptmap:{system}"


def _span(document: str, row: Row) -> dict[str, Any]:
    return {
        "url": SPAN,
        "extension": [
            {"url": "reference", "valueReference": {"reference": document}},
            {"url": "offset", "valueInteger": row["start_char"]},
            {"url": "length", "valueInteger": row["end_char"] - row["start_char"]},
        ],
    }


def _document(note: Row, about: Row) -> dict[str, Any]:
    date = about.get("recordedDate")
    context = {"context": {"encounter": [about["encounter"]]}} if "encounter" in about else {}
    return {
        "resourceType": "DocumentReference",
        "identifier": [{"value": note["note_id"]}],
        "status": "current",
        "subject": about["subject"],
        "content": [{"attachment": {"contentType": "text/plain", **({"creation": date} if date else {})}}],
        **context,
    }


def _about(note: Row) -> dict[str, Any]:
    """Whose, at which encounter, when."""
    about: dict[str, Any] = {"subject": _reference("Patient", note["person_id"])}
    if str(note.get("encounter_id") or "").strip():
        about["encounter"] = _reference("Encounter", note["encounter_id"])
    if date := _date(note.get("note_date")):
        about["recordedDate"] = date
    return about


def _reference(kind: str, name: object) -> dict[str, Any]:
    """A reference by id, or by identifier where FHIR would not take it as an id."""
    text = str(name)
    if _ID.fullmatch(text):
        return {"reference": f"{kind}/{text}"}
    return {"type": kind, "identifier": {"value": text}}


def _date(value: object) -> str | None:
    """The day of a date that starts as ISO 8601 has it; others are left out."""
    try:
        return dt.date.fromisoformat(str(value or "")[:10]).isoformat()
    except ValueError:
        return None


def _urn(*names: str) -> str:
    return f"urn:uuid:{uuid.uuid5(NAMES, json.dumps(names))}"


def _entry(name: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {"fullUrl": name, "resource": resource}
