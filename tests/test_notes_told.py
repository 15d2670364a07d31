"""What mentions and codes of short notes are told with: scores, context, role, remarks, what was taken away and why.

``data/notes_told.csv``: the module of a rule, a note of its pairs, and what is told of it: of rooms below ``coding`` by
mention, of ``coding`` by code, without what the acceptance model says. ``make told`` writes what is told today; the
difference is to be read before it is kept.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kept_readings import by_module, keep, text_of
from whole_release import mapper

from conceptmap.coding.acceptance.acceptance import Acceptance
from conceptmap.coding.acceptance.known import FEATURES
from conceptmap.coding.coding import CodedNote, NoteCode, note_candidates
from conceptmap.reading import Reading, coded

LINKS = ("excludes", "code_first", "use_additional", "combined_from")
MOST = 2
"""Candidates of a mention that are told."""
NOBODY = Acceptance(tuple(0.0 for _ in FEATURES), 0.0, 0.0)
"""A model that refuses nothing."""


def told(module: str, text: str) -> str:
    """What is told of a note."""
    (reading,) = mapper().readings([("n", text)])
    if not module.startswith("coding"):
        return " | ".join(_mentions(reading))
    judged = module == "coding.acceptance.known"
    (note,) = coded(
        reading,
        mapper().linkers,
        mapper().instructions,
        frozenset(),
        accepting=lambda _: NOBODY if judged else None,
        setting="inpatient" if judged else None,
    )
    return " | ".join(_known(reading, note) if judged else _codes(note))


def _mentions(reading: Reading) -> Iterator[str]:
    book = mapper().linkers[0].book
    for mention in reading.coding[0]:
        start, end = mention.start_char, mention.end_char
        said = reading.contexts[start, end]
        yield f"{reading.page.text[start:end]} {said}{' derived' if mention.derived else ''}"
        for one in mention.candidates[:MOST]:
            yield f"{book.codes[one.concept]} {one.strength:.2f} {one.evidence}"


def _codes(note: CodedNote) -> Iterator[str]:
    book = mapper().linkers[0].book
    yield note.setting
    for code in note.accepted:
        links = [f"{name}: {', '.join(getattr(code.links, name))}" for name in LINKS if getattr(code.links, name)]
        yield f"{_scored(code)} {code.role} {code.poa or '-'}; {'; '.join(filter(None, [code.notes, *links]))}"
    yield from (f"not {book.codes[code.concept]}: {code.reason}" for code in note.taken)


def _scored(code: NoteCode) -> str:
    return f"{mapper().linkers[0].book.codes[code.concept]} {code.score:.2f} {[*code.evidence]} {code.best}"


def _known(reading: Reading, note: CodedNote) -> Iterator[str]:
    """What is known of each candidate, without what is not so."""
    book = mapper().linkers[0].book
    contexts = [reading.contexts[m.start_char, m.end_char] for m in reading.coding[0]]
    for code in note_candidates(reading.coding[0], contexts, book, note)[:8]:
        known = (f"{name} {value:.2f}" for name, value in zip(FEATURES, code.known, strict=True) if value)
        yield f"{_scored(code)}: {', '.join(known)}"


BY_MODULE = by_module("notes_told")


@pytest.mark.parametrize("module", BY_MODULE)
def test_notes_are_told_of_as_they_were(module: str) -> None:
    for row in BY_MODULE[module]:
        assert told(module, text_of(row["text"])) == row["read"], row["text"]


if __name__ == "__main__":
    keep("notes_told", told)
