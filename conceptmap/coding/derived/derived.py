"""Codes that no name in a note says: they follow from drugs, injuries, births and what surrounds them.

``with_derived`` reads them from the text, before contexts are assessed, so that negation, the family and plans hold for
them as for any mention; ``derive`` settles, once the codes of the note are known, what depends on those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Final

from conceptmap.coding.derived.complications import complications, procedure_causes, settle_complications
from conceptmap.coding.derived.drug_harm import Finding, adverse_effects, imply_drugs
from conceptmap.coding.derived.drug_use import is_said_to_be_long, long_term_use
from conceptmap.coding.derived.drugs import as_given, drugs_in, specific
from conceptmap.coding.derived.external_causes import INJURED, external_causes, settle_external_causes
from conceptmap.coding.derived.found import Found
from conceptmap.coding.derived.fragility import settle_fragility
from conceptmap.coding.derived.injuries import injuries, settle_injuries
from conceptmap.coding.derived.newborns import newborn_facts, settle_newborn
from conceptmap.coding.derived.obstetrics import births, settle_pregnancy
from conceptmap.coding.derived.pathological_fractures import settle_pathological_fractures
from conceptmap.coding.derived.sequelae import one_sided, settle_sequelae
from conceptmap.coding.derived.severe_sepsis import settle_severe_sepsis
from conceptmap.coding.derived.stay_facts import settle_stay_facts, stay_facts
from conceptmap.coding.derived.substances import settle_substances, substances
from conceptmap.coding.derived.treatments import settle_treatments, treatments
from conceptmap.coding.derived.underdosing import poisoning, regimens_not_kept, underdosing
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCodes, codes_in
from conceptmap.matching.mentions import Candidate, Mention
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.overlaps import Overlaps
from conceptmap.text.sections import Section, section_name

__all__ = ["derive", "with_derived"]

_SYSTEMS: Final = frozenset({"icd10cm"})
_PLACES = 4
_STRENGTH: Final = 0.9
_LONG_TERM: Final = parse_ranges("Z79.0-Z79.6 Z79.82-Z79.85")
_FOR_A_WHILE: Final = parse_ranges("Z79.01 Z79.1 Z79.2 Z79.5 Z79.6 Z79.82")
"""Long-term use of drugs that are given for a while as well; those of diabetes or brittle bones are not."""
_NO_HARM: Final = frozenset("allergies;family history;instructions;discharge instructions;immunizations".split(";"))


def with_derived(
    text: str,
    sections: Sequence[Section],
    bounds: Sequence[tuple[int, int]],
    known: Sequence[Mention],
    book: CodeBook,
) -> list[Mention]:
    """The mentions of a note and what follows from its text, in reading order.

    Args:
        text: the note.
        sections: of the note.
        bounds: its sentences.
        known: its mentions so far; those of long-term drugs give way to what the whole note says of them.
        book: of the index; systems without tables of drugs give none.
    """
    if book.system not in _SYSTEMS or not text:
        return list(known)
    drugs = as_given(text, drugs_in(text, book.system), book.system)
    uses = list(long_term_use(text, sections, drugs))
    named, taken = Overlaps([(d.start_char, d.end_char) for d in drugs]), {use.code for use in uses}
    kept = [m for m in known if not _is_ended_use(m, named, taken, book)]
    findings = [Finding(m.start_char, m.end_char, _code(m, book)) for m in kept]
    told = specific([d for d in drugs if section_name(sections, d.start_char) not in _NO_HARM])
    harms = [
        *underdosing(text, bounds, told),
        *poisoning(text, bounds, told),
        *regimens_not_kept(text),
        *adverse_effects(text, bounds, told, findings, book.system),
    ]
    hurt = list(injuries(text, sections, book))
    injured = hurt or any(within(finding.code, INJURED) for finding in findings)
    return _added(
        text,
        kept,
        [
            *_few_of_each(uses),
            *_few_of_each(harms),
            *substances(text),
            *births(text),
            *treatments(text),
            *stay_facts(text, sections),
            *one_sided(text),
            *newborn_facts(text),
            *hurt,
            *(external_causes(text, sections) if injured else ()),
            *complications(text, sections),
        ],
        book,
    )


def derive(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces, taken: ProposedCodes) -> None:
    """Settle, in place, what depends on the other codes of the note.

    Args:
        proposals: the codes of the note.
        book: of the index; other systems than ICD-10-CM have no such rules.
        around: where their mentions stand.
        taken: receives the codes that a rule takes away, with the reason.
    """
    if book.system not in _SYSTEMS:
        return
    text = around.text
    steps: tuple[tuple[Callable[[], None], str], ...] = (
        (lambda: settle_pregnancy(proposals, book, text), "chapter 15 says it in a maternity record (I.C.15.a)"),
        (
            lambda: settle_newborn(proposals, book, text),
            "chapter 16 is for newborns, whose record it is or is not (I.C.16)",
        ),
        (lambda: settle_injuries(proposals, book, text), "another injury of the note says it more exactly"),
        (lambda: settle_complications(proposals, book, around), "said by a complication of care or an injury"),
        (lambda: settle_severe_sepsis(proposals, book, around), ""),
        (
            lambda: settle_pathological_fractures(proposals, book, around),
            "a pathological fracture is no injury (M84 Excludes1)",
        ),
        (lambda: settle_fragility(proposals, book, around), "a fracture of osteoporosis (I.C.13.d)"),
        (lambda: procedure_causes(proposals, book, around), ""),
        (lambda: settle_treatments(proposals, book), "nobody without a neoplasm is treated for one (I.C.2.e.2)"),
        (lambda: settle_sequelae(proposals, book, around), "what a stroke left is coded as its sequela (I.C.9.d)"),
        (lambda: settle_stay_facts(proposals, book), "coded only beside an infarction of the brain (I.C.18.i)"),
        (lambda: settle_external_causes(proposals, book), "no injury beside it, or a cause said more exactly (I.C.20)"),
        (lambda: imply_drugs(proposals, book, text), ""),
        (lambda: settle_substances(proposals, book), "use without a disorder, or said more exactly (I.C.5.b)"),
        (
            lambda: _insulin_only_in_diabetes(proposals, book),
            "insulin is coded beside type 2 diabetes alone (I.C.4.a.3)",
        ),
        (
            lambda: _said_to_be_long(proposals, book, around),
            "a report tells of a treatment; nothing says that the drug is taken for long (I.C.21.c.3)",
        ),
    )
    for settle, reason in steps:
        before = dict(proposals)
        settle()
        for concept, proposal in before.items() if not before.keys() <= proposals.keys() else ():
            if concept not in proposals:
                proposal.reason = reason
                taken[concept] = proposal


def _insulin_only_in_diabetes(proposals: ProposedCodes, book: CodeBook) -> None:
    """Insulin is said to be taken for long in type 2 and secondary diabetes alone.

    Type 1 needs it, given for a while it is not coded, and gestational diabetes says it itself (guidelines I.C.4.a.3
    and I.C.15.i).
    """
    insulin = book.position_of_code.get("Z79.4")
    if insulin in proposals and (
        codes_in(proposals, parse_ranges("E10 O24.4"), book)
        or not codes_in(proposals, parse_ranges("E08-E09 E11-E13 E89.1 O24"), book)
    ):
        del proposals[insulin]


def _said_to_be_long(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> None:
    """In a case report, keep of the drugs that are also given for a while those that it says are taken for long."""
    if around.setting != "report":
        return
    for proposal in codes_in(proposals, _FOR_A_WHILE, book):
        if not any(is_said_to_be_long(around.text, *around.spans[number]) for number in proposal.numbers):
            del proposals[proposal.concept]


def _code(mention: Mention, book: CodeBook) -> str:
    return book.codes[book.default(mention.candidates[0].concept)]


def _is_ended_use(mention: Mention, drugs: Overlaps, taken: Set[str], book: CodeBook) -> bool:
    """Whether a mention says that a drug is taken for long that the note as a whole does not."""
    code = _code(mention, book)
    if not within(code, _LONG_TERM):
        return False
    return code not in taken and drugs.any_in(mention.start_char, mention.end_char)


def _few_of_each(found: Iterable[Found]) -> list[Found]:
    """The first places of each code: what denies one of them need not deny the others."""
    places: dict[str, list[Found]] = {}
    for one in found:
        places.setdefault(one.code, []).append(one)
    return [one for some in places.values() for one in some[:_PLACES]]


def _added(text: str, known: Sequence[Mention], found: Sequence[tuple[int, int, str]], book: CodeBook) -> list[Mention]:
    """Mentions with those of some codes, each on a span of its own."""
    out = list(known)
    spans = {(m.start_char, m.end_char) for m in out}
    given = {(m.start_char, m.end_char, _code(m, book)) for m in out}
    for start, end, code in found:
        concept = book.position_of_code.get(code)
        if concept is None or (start, end, code) in given:
            continue
        while (start, end) in spans and start > 0 and text[start - 1] != "\n":
            start = _word_before(text, start)
        while (start, end) in spans and (behind := _word_behind(text, end)) > end:
            end = behind
        if (start, end) not in spans:
            spans.add((start, end))
            out.append(Mention(start, end, (Candidate(concept, 1.0, _STRENGTH, "lexical"),), derived=True))
    return sorted(out, key=lambda m: (m.start_char, m.end_char))


def _word_before(text: str, start: int) -> int:
    """Where the word before a place begins, in its line."""
    while start and text[start - 1] in " \t":
        start -= 1
    while start and text[start - 1] not in " \n\t":
        start -= 1
    return start


def _word_behind(text: str, end: int) -> int:
    """Where the word behind a place ends, in its line; the place itself where the line has no more."""
    found = _WORD_BEHIND.match(text, end)
    return found.end() if found else end


_WORD_BEHIND: Final = re.compile(r"[ \t]*[^ \n\t]+")
