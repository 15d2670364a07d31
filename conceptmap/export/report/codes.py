"""The codes of a note as the pages show them: in groups by role, within a group by chapter, each row to be unfolded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from conceptmap.export.paths import PathOf
from conceptmap.export.report.marks import MENTION_IDS, MentionView, NoteView, Row, Score, Steps, Top, hue
from conceptmap.text.snippets import counted

__all__ = ["Alternative", "Chapter", "CodeGroup", "CodeLine", "Evidence", "code_groups"]

ALTERNATIVES: Final = 4
"""Other concepts of a code's mentions that its row shows."""
_ROLES: Final = {
    "principal": "Principal diagnosis",
    "secondary": "Secondary diagnoses",
    "symptom": "Symptoms",
    "status": "Status and history",
    "history": "Status and history",
    "external": "External causes",
}
_GROUPS: Final = list(dict.fromkeys(_ROLES.values()))
_ADMITTED: Final = {
    "Y": "present on admission",
    "N": "not present on admission",
    "U": "unclear whether present on admission",
}


class Evidence(NamedTuple):
    """A mention that supports a code: a link to its mark, and its place where it names that very code."""

    anchor: str
    text: str
    place: str


class Alternative(NamedTuple):
    """Another concept of a code's mentions, with its confidence."""

    code: str
    name: str
    score: Score


class CodeLine(NamedTuple):
    """An accepted code.

    Attributes:
        words: its evidence, counted: "atrial fibrillation ×7".
        evidence: links to each mention.
        way: from below the chapter down to its parent.
        facts: section, present on admission.
        score: what orders the codes of a role: the probability, else the score.
    """

    system: str
    code: str
    name: str
    hue: int
    role: str
    score: Score
    billable: bool
    words: str
    evidence: Sequence[Evidence]
    snippet: str
    way: Steps
    alternatives: Sequence[Alternative]
    facts: Sequence[str]
    remarks: Sequence[str]


class Chapter(NamedTuple):
    """Codes of one chapter, which is said once; None for those that stand at the top of their hierarchy."""

    top: Top | None
    hue: int
    codes: Sequence[CodeLine]


class CodeGroup(NamedTuple):
    """Codes of one role, and of one system where there are several."""

    title: str
    system: str
    chapters: Sequence[Chapter]


def code_groups(
    note: NoteView, mentions: Mapping[str, MentionView], anchors: Mapping[str, str], path: PathOf
) -> list[CodeGroup]:
    """The codes of a note.

    Args:
        note: with its codes.
        mentions: by their ids.
        anchors: of their marks, by their ids.
        path: gives a concept's way to the top.
    """
    rows = sorted(note.codes.iter_rows(named=True), key=lambda row: (row["system"] or "", row["rank"]))
    several = len({row["system"] for row in rows}) > 1
    groups = []
    for system, of_system in groupby(rows, key=lambda row: row["system"] or ""):
        by_title: dict[str, list[Row]] = {}
        for row in of_system:
            by_title.setdefault(_ROLES.get(row["role"] or "", "Codes"), []).append(row)
        for title in sorted(by_title, key=[*_GROUPS, "Codes"].index):
            chapters = _chapters(by_title[title], mentions, anchors, path)
            groups.append(CodeGroup(title, system if several else "", list(chapters)))
    return groups


def _chapters(
    rows: Sequence[Row], mentions: Mapping[str, MentionView], anchors: Mapping[str, str], path: PathOf
) -> Iterator[Chapter]:
    """In the order of each chapter's first code."""
    by_top: dict[Top | None, list[CodeLine]] = {}
    for row in rows:
        steps = path(row["system"] or "", row["code"])
        top = Top(*steps[0]) if steps else None
        by_top.setdefault(top, []).append(_line(row, steps, mentions, anchors))
    for top, lines in by_top.items():
        yield Chapter(top, lines[0].hue, lines)


def _line(row: Row, steps: Steps, mentions: Mapping[str, MentionView], anchors: Mapping[str, str]) -> CodeLine:
    ids = dict.fromkeys(one for one in MENTION_IDS.split(row["evidence"] or "") if one in anchors)
    its = [mentions[mention_id] for mention_id in ids]
    evidence = dict.fromkeys(
        Evidence(
            anchors[one.mention_id],
            " ".join(one.best["text"].split()),
            one.place if one.best["code"] == row["code"] else "",
        )
        for one in its
    )
    top = Top(*steps[0]) if steps else Top(row["code"], row["name"] or "")
    section = f"under “{row['section']}”" if row["section"] else ""
    return CodeLine(
        system=row["system"] or "",
        code=row["code"],
        name=row["name"] or "",
        hue=hue(top),
        role=row["role"] or "",
        score=Score.of(row["score"] or 0.0 if row.get("probability") is None else row["probability"]),
        billable=row["billable"] is not False,
        words=row["text"] or counted(one.text for one in evidence),
        evidence=list(evidence),
        snippet=row["snippet"] or "",
        way=steps[1:],
        alternatives=list(_alternatives(row["code"], its)),
        facts=[fact for fact in (section, _ADMITTED.get(row["poa"] or "", "")) if fact],
        remarks=[said for said in (row["notes"] or "").split("; ") if said],
    )


def _alternatives(code: str, mentions: Sequence[MentionView]) -> Iterator[Alternative]:
    """What else the mentions may be, the surest first."""
    best: dict[str, tuple[float, str]] = {}
    for mention in mentions:
        for row in mention.ranked[1:]:
            if row["code"] not in (None, code):
                sure = row["confidence"] or 0.0, row["name"] or ""
                best[row["code"]] = max(best.get(row["code"], sure), sure)
    for other, (confidence, name) in sorted(best.items(), key=lambda item: (-item[1][0], item[0]))[:ALTERNATIVES]:
        yield Alternative(other, name, Score.of(confidence))
