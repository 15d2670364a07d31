"""CAS XMI: notes with their mentions as Apache UIMA and cTAKES hold them, a file for each note, in one zip.

The types are those of cTAKES's type system that a mention needs, in ``TypeSystem.xml`` beside the notes. Offsets in a
CAS count UTF-16 units, as Java does; what XML cannot hold is a space in the text, one for one.
"""

from __future__ import annotations

import zipfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl

from conceptmap.export.corpora.xml_text import xml_text
from conceptmap.export.file_names import FileNames

__all__ = ["CAS", "TYPE_SYSTEM", "CasFile", "type_system", "xmi"]

CAS, TYPE_SYSTEM = "cas.zip", "TypeSystem.xml"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_TYPES = "org.apache.ctakes.typesystem.type"
_MENTION = (
    *(("ontologyConceptArr", "uima.cas.FSArray"), ("id", "uima.cas.Integer"), ("typeID", "uima.cas.Integer")),
    *(("segmentID", "uima.cas.String"), ("discoveryTechnique", "uima.cas.Integer")),
    *(("confidence", "uima.cas.Float"), ("polarity", "uima.cas.Integer"), ("uncertainty", "uima.cas.Integer")),
    *(("conditional", "uima.cas.Boolean"), ("generic", "uima.cas.Boolean"), ("subject", "uima.cas.String")),
    ("historyOf", "uima.cas.Integer"),
)
_CONCEPT = (
    *(("codingScheme", "uima.cas.String"), ("code", "uima.cas.String"), ("oid", "uima.cas.String")),
    *(("score", "uima.cas.Double"), ("disambiguated", "uima.cas.Boolean")),
)
_DECLARED = {
    "structured.DocumentID": ("uima.cas.TOP", (("documentID", "uima.cas.String"),)),
    "refsem.OntologyConcept": ("uima.cas.TOP", _CONCEPT),
    "refsem.UmlsConcept": (
        f"{_TYPES}.refsem.OntologyConcept",
        (("cui", "uima.cas.String"), ("tui", "uima.cas.String"), ("preferredText", "uima.cas.String")),
    ),
    "textsem.IdentifiedAnnotation": ("uima.tcas.Annotation", _MENTION),
    "textsem.EventMention": (f"{_TYPES}.textsem.IdentifiedAnnotation", ()),
    "textsem.DiseaseDisorderMention": (f"{_TYPES}.textsem.EventMention", ()),
    "textsem.SignSymptomMention": (f"{_TYPES}.textsem.EventMention", ()),
}
_SPACES = {
    "xmi": "http://www.omg.org/XMI",
    "cas": "http:///uima/cas.ecore",
    "tcas": "http:///uima/tcas.ecore",
    **{part: f"http:///org/apache/ctakes/typesystem/type/{part}.ecore" for part in ("structured", "textsem", "refsem")},
}
_DISEASES, _SIGNS = {"icd10cm", "icd10", "doid", "mondo"}, {"hp"}
_SUBJECTS = {"family": "family_member"}
Row = dict[str, Any]


class CasFile:
    """``cas.zip``.

    Attributes:
        counts: notes written.
    """

    def __init__(self, folder: Path) -> None:
        self.counts = {"cas_notes": 0}
        self.notices: tuple[str, ...] = ()
        self._names = FileNames()
        self._zip = zipfile.ZipFile(folder / CAS, "x")
        self._add(TYPE_SYSTEM, type_system())

    def __enter__(self) -> CasFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def write(self, notes: pl.DataFrame, mentions: pl.DataFrame) -> None:
        """Append the notes with all ranked concepts of their mentions."""
        found = mentions.filter(pl.col("rank") > 0).partition_by("note_id", as_dict=True)
        for note_id, text in notes.select("note_id", "text").iter_rows():
            rows = found[(note_id,)].to_dicts() if (note_id,) in found else []
            self._add(f"{self._names.of(note_id)}.xmi", xmi(note_id, text, rows))
            self.counts["cas_notes"] += 1

    def _add(self, name: str, content: str) -> None:
        info = zipfile.ZipInfo(name, _LONG_AGO)
        info.compress_type = zipfile.ZIP_DEFLATED
        self._zip.writestr(info, content.encode())


def type_system() -> str:
    """The types as a UIMA type system description."""
    types = "".join(_type(name, parent, features) for name, (parent, features) in _DECLARED.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<typeSystemDescription xmlns="http://uima.apache.org/resourceSpecifier"><name>conceptmap</name>'
        f"<types>{types}</types></typeSystemDescription>\n"
    )


def _type(name: str, parent: str, features: Sequence[tuple[str, str]]) -> str:
    inner = "".join(
        f"<featureDescription><name>{feature}</name><description/><rangeTypeName>{kind}</rangeTypeName>"
        + (f"<elementType>{_TYPES}.refsem.OntologyConcept</elementType>" if kind.endswith("FSArray") else "")
        + "</featureDescription>"
        for feature, kind in features
    )
    return (
        f"<typeDescription><name>{_TYPES}.{name}</name><description/><supertypeName>{parent}</supertypeName>"
        f"<features>{inner}</features></typeDescription>"
    )


def xmi(note_id: str, text: str, mentions: Sequence[Row]) -> str:
    """The CAS of one note.

    Args:
        note_id: becomes the ``DocumentID``.
        text: of the note.
        mentions: rows of ``frames.ANNOTATIONS``, by mention and rank; all concepts of a mention are kept.
    """
    units = _Units(text)
    lines, members, number = [], [2, 3], 4
    for rows in _by_mention(mentions):
        ids = range(number + 1, number + 1 + len(rows))
        lines.append(_mention(rows[0], number, units, ids))
        lines += [_concept(row, at) for at, row in zip(ids, rows, strict=True)]
        members.append(number)
        number += 1 + len(rows)
    spaces = "".join(f' xmlns:{name}="{space}"' for name, space in _SPACES.items())
    head = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<xmi:XMI{spaces} xmi:version="2.0"><cas:NULL xmi:id="0"/>',
        f'<tcas:DocumentAnnotation xmi:id="2" sofa="1" begin="0" end="{units.of(len(text))}" language="en"/>',
        f'<structured:DocumentID xmi:id="3" documentID="{xml_text(note_id)}"/>',
    ]
    tail = [
        f'<cas:Sofa xmi:id="1" sofaNum="1" sofaID="_InitialView" mimeType="text/plain" sofaString="{xml_text(text)}"/>',
        f'<cas:View sofa="1" members="{" ".join(map(str, members))}"/></xmi:XMI>\n',
    ]
    return "\n".join([*head, *lines, *tail])


class _Units:
    """Offsets in UTF-16 units for offsets in code points."""

    def __init__(self, text: str) -> None:
        self._long = [at for at, letter in enumerate(text) if letter > "\uffff"] if not text.isascii() else []

    def of(self, offset: int) -> int:
        return offset + bisect_left(self._long, offset)


def _by_mention(rows: Sequence[Row]) -> Iterator[list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["mention_id"], row["system"]), []).append(row)
    yield from found.values()


def _mention(row: Row, number: int, units: _Units, concepts: range) -> str:
    system, code = row["system"], row["code"]
    kind, type_id = "IdentifiedAnnotation", 0
    if system in _SIGNS or (system in _DISEASES and code.startswith("R")):
        kind, type_id = "SignSymptomMention", 3
    elif system in _DISEASES:
        kind, type_id = "DiseaseDisorderMention", 2
    given = {
        "xmi:id": number,
        "sofa": 1,
        "begin": units.of(row["start_char"]),
        "end": units.of(row["end_char"]),
        "ontologyConceptArr": " ".join(map(str, concepts)),
        "id": number,
        "typeID": type_id,
        "segmentID": row["section"] or "",
        "discoveryTechnique": 1,
        "confidence": row["score"] or 0.0,
        "polarity": -1 if row["negated"] else 1,
        "uncertainty": int(row["certainty"] == "possible"),
        "conditional": str(row["temporality"] == "hypothetical").lower(),
        "generic": "false",
        "subject": _SUBJECTS.get(row["subject"] or "", row["subject"] or "patient"),
        "historyOf": int(row["temporality"] == "historical"),
    }
    return f"<textsem:{kind}{_attributes(given)}/>"


def _concept(row: Row, number: int) -> str:
    given = {
        "xmi:id": number,
        "codingScheme": row["system"],
        "code": row["code"],
        "score": row["score"] or 0.0,
        "disambiguated": str(row["rank"] == 1).lower(),
        "preferredText": row["name"] or "",
    }
    if row["system"] == "umls":
        given["cui"] = row["code"]
    return f"<refsem:UmlsConcept{_attributes(given)}/>"


def _attributes(given: dict[str, Any]) -> str:
    return "".join(f' {name}="{xml_text(str(value))}"' for name, value in given.items())
