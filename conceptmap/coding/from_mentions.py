"""What each mention of a note gives on its own: nothing, or its code, completed or made a history."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from conceptmap.coding.allergies import is_reaction
from conceptmap.coding.completion import complete
from conceptmap.coding.derived.obstetrics import leaves_open
from conceptmap.coding.exact.cause import caused
from conceptmap.coding.exact.ended import ended
from conceptmap.coding.exact.listed_sites import listed_sites
from conceptmap.coding.exact.siblings import siblings_of
from conceptmap.coding.histories import family_history, is_done_now, is_over, past_history
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCodes, add
from conceptmap.errors import InputError
from conceptmap.matching.mentions import Mention, MoreExact, by_words, is_named
from conceptmap.matching.vocabulary import has_synonyms
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.context import Context

__all__ = ["AFFIRMED", "INCLUDES", "check_include", "counts", "proposed_by_mentions"]

INCLUDES = ("negated", "family", "hypothetical", "possible")
"""What ``include`` may name: mentions that do not code by default. Probable ones do (ICD-10-CM guideline II.H)."""

SECTION_WEIGHT = {
    "discharge diagnosis": 1.1,
    "diagnosis": 1.1,
    "postoperative diagnosis": 1.1,
    "assessment": 1.05,
    "assessment and plan": 1.05,
    "impression": 1.05,
    "hospital course": 1.05,
    "past medical history": 0.9,
    "past surgical history": 0.9,
    "resolved problems": 0.8,
    "social history": 0.9,
    "review of systems": 0.8,
    "physical exam": 0.85,
    "discharge physical exam": 0.85,
    "medications": 0.8,
    "admission medications": 0.8,
    "discharge medications": 0.8,
    "procedures": 0.8,
    "indication": 0.9,
    "family history": 0.6,
    "family and social history": 0.8,
}
"""How much a mention weighs by its section, against 1 elsewhere. It orders the codes of a note and drops none."""

AFFIRMED: frozenset[str] = frozenset()
"""Nothing included beyond what is affirmed of the patient."""


TOLD_SECTIONS: Final = frozenset({"instructions", "discharge instructions", "patient education", "follow-up"})
"""What stands here is told to the patient: what to watch, do and come back for, and no condition of the encounter."""


FAMILY_SECTIONS: Final = frozenset({"family history", "family and social history"})
"""Where a report tells of the family for its own sake; a stay and a visit are coded with it from any place."""
_REACTION_CHARS: Final = 50
_TIES: Final = 3
_COMPLICATING: Final = {"icd10cm": parse_ranges("O98-O99 O9A.1")}
_LEAVES_ANTIBODIES: Final = {"icd10cm": parse_ranges("A69.2 A92.3 B00-B02 B05-B06 B25-B27 B34.3 B58 U07.1")}
_OTHER_NAME: Final = re.compile(
    r"[,(\s]*\b(?:(?:also|otherwise|better|formerly|previously) (?:known as|called|termed|named)|a\.?k\.?a\.?)"
    r"[\s,:\"“]*(?:(?:the|an?) )?",
    re.IGNORECASE,
)
_IGG: Final = re.compile(
    r"(?: (?:virus|VCA|EBNA|capsid|antigen|ab|antibody|serology))*[:,]? IgG\b"
    r"(?![^.;\n]{0,25}\bIgM[: ]+(?:positive|pos\b|\+))",
    re.IGNORECASE,
)


def check_include(include: Iterable[str]) -> frozenset[str]:
    """The names as a set.

    Raises:
        InputError: a name that is none of ``INCLUDES``.
    """
    names = frozenset(include)
    if unknown := sorted(names - set(INCLUDES)):
        raise InputError("include is unknown", got=", ".join(unknown), expected=", ".join(INCLUDES))
    return names


def counts(context: Context, include: frozenset[str]) -> bool:
    """Whether a mention in this context codes."""
    return not (
        (context.negated and "negated" not in include)
        or (context.subject not in (None, "patient") and "family" not in include)
        or (context.temporality == "hypothetical" and "hypothetical" not in include)
        or (context.certainty == "possible" and "possible" not in include)
    )


def proposed_by_mentions(
    mentions: Sequence[Mention],
    contexts: Sequence[Context],
    book: CodeBook,
    around: MentionPlaces,
    *,
    include: frozenset[str],
    taken: ProposedCodes,
) -> ProposedCodes:
    """What each mention gives on its own.

    Args:
        mentions: of a note.
        contexts: of the mentions.
        book: of the index.
        around: where the mentions stand.
        include: see ``counts``.
        taken: receives the codes of mentions that a rule leaves out, with the reason.
    """
    proposals: ProposedCodes = {}
    still = _still_there(mentions, contexts, book)
    for number, (mention, context) in enumerate(zip(mentions, contexts, strict=True)):
        best = mention.candidates[0].concept
        concept, section = book.default(best), around.section(number)
        strength = mention.candidates[0].strength * SECTION_WEIGHT.get(section or "", 1.0)
        if not counts(context, include):
            if around.setting != "report" or around.section(number) in FAMILY_SECTIONS:
                _of_the_family(proposals, number, concept, strength, context, book)
            continue
        affirmed = counts(context, AFFIRMED)
        if mention.candidates[0].evidence == "vector" and has_synonyms(book.system):
            add(taken, concept, [number], strength, affirmed=False).reason = "near in meaning, no name of it is said"
            continue
        if around.text and affirmed:
            reason = _left_out(number, concept, context, book, around)
            if reason:
                add(taken, concept, [number], strength, affirmed=False).reason = reason
                continue
            over = _over(number, concept, context, book, around, still)
            if over is not None and not (mention.derived and over[0] is None):
                gives, why = over
                if gives is None:
                    add(taken, concept, [number], strength, affirmed=False).reason = why
                else:
                    add(proposals, gives, [number], strength, affirmed=True, remark=f"{why}: {book.codes[concept]}")
                continue
        if mention.derived:
            add(proposals, concept, [number], strength, affirmed=affirmed)
        else:
            listed = _at_each_site(proposals, number, mention, strength, book, around) if affirmed else False
            if not listed:
                _affirmed(proposals, number, mention, strength, book, around, affirmed=affirmed)
            _specific_too(proposals, number, mention, strength, book, affirmed=affirmed)
        _tell_ties(proposals, mention, book)
    return proposals


def _left_out(number: int, concept: int, context: Context, book: CodeBook, around: MentionPlaces) -> str:
    """Why an affirmed mention gives no code; empty where it does."""
    section = around.section(number)
    start, end = around.spans[number]
    if is_reaction(book.codes[concept], section, around.text[max(0, start - _REACTION_CHARS) : start], book.system):
        return "a reaction to an allergen"
    if is_done_now(concept, around.text, around.spans[number], context, section, book):
        return "a procedure of this encounter, which its procedure code says"
    if number and _OTHER_NAME.fullmatch(around.text, around.spans[number - 1][1], start):
        return "another name of what stands before it"
    if within(book.codes[concept], _LEAVES_ANTIBODIES.get(book.system, ())) and _IGG.match(around.text, *_behind(end)):
        return "antibodies of an infection of the past (IgG)"
    if around.setting != "report" and section in TOLD_SECTIONS:
        return f"only told to the patient, under {section}"
    return ""


def _behind(end: int) -> tuple[int, int]:
    return end, end + _REACTION_CHARS


def _over(
    number: int, concept: int, context: Context, book: CodeBook, around: MentionPlaces, still: frozenset[int]
) -> tuple[int | None, str] | None:
    """The history that a past or ended condition leaves, or None for nothing, and why; None where it goes on."""
    section = around.section(number)
    says = partial(around.in_line, number=number)
    over = is_over(concept, context, says, book) and not book.codes[concept].startswith("Z")  # a status is no illness
    goes_on = concept in still or (context.ended and not over)
    past = None if goes_on else past_history(concept, context, section, says, book)
    gone = past or ended(concept, around.text, around.spans[number], section, book)
    return gone or ((None, "said to be over") if over else None)


def _of_the_family(
    proposals: ProposedCodes, number: int, concept: int, strength: float, context: Context, book: CodeBook
) -> None:
    family = family_history(concept, context, book)
    if family is not None:
        remark = f"{family[1]}: {book.codes[concept]}" if family[1] else ""
        add(proposals, family[0], [number], strength, affirmed=True, remark=remark)


def _at_each_site(
    proposals: ProposedCodes, number: int, mention: Mention, strength: float, book: CodeBook, around: MentionPlaces
) -> bool:
    """The codes of a finding at each site of the list behind it; whether there are any."""
    concepts = [candidate.concept for candidate in by_words(mention)]
    sites = listed_sites(concepts, around.text, around.spans[number], book) if concepts and around.text else []
    for concept, item in sites:
        add(proposals, concept, [number], strength, affirmed=True, remark=f"one of the sites listed: {item}")
    return bool(sites)


def _affirmed(
    proposals: ProposedCodes,
    number: int,
    mention: Mention,
    strength: float,
    book: CodeBook,
    around: MentionPlaces,
    *,
    affirmed: bool,
) -> None:
    """The code of a mention, completed from the words beside it."""
    concept = mention.candidates[0].concept
    default = book.default(concept)
    joined = caused(default, around.text, around.spans[number], book) if around.text and affirmed else None
    if joined is not None:
        remark = f"{joined[1]}, from the text beside it: completes {book.codes[default]}"
        add(proposals, joined[0], [number], strength, affirmed=True, remark=remark).completes.add(default)
        return
    if around.text and affirmed:
        chosen = siblings_of(book).chosen(default, around.text, *around.beside(number))
        if chosen is not None:
            remark = f"the words beside it say more: completes {book.codes[default]}"
            add(proposals, chosen, [number], strength, affirmed=True, remark=remark).completes.add(default)
            return
        if mention.more_exact is not None:
            _meant(proposals, number, mention.more_exact, default, strength, book, around)
            return
    trimester = around.trimester if book.has_variants(default) else ""
    completed = complete(default, around.text, *around.beside(number), book, trimester=trimester) if around.text else []
    for full in completed:
        remark = f"{full.said}, from the text beside it: completes {book.codes[default]}"
        add(proposals, full.concept, [number], strength, affirmed=affirmed, remark=remark)
    if not completed:
        proposal = add(proposals, default, [number], strength, affirmed=affirmed)
        if default != concept and book.billable[default]:
            proposal.remark(f"default of {book.codes[concept]}")


def _meant(
    proposals: ProposedCodes,
    number: int,
    more: MoreExact,
    instead_of: int,
    strength: float,
    book: CodeBook,
    around: MentionPlaces,
) -> None:
    """The code that the words beside a mention mean by their vectors, completed as that of a mention."""
    default = book.default(more.concept)
    words = " ".join(around.text[more.start_char : more.end_char].split())
    remark = f"nearest in meaning to “{words}”: completes {book.codes[instead_of]}"
    span, others = (more.start_char, more.end_char), around.beside(number)[1]
    completed = complete(default, around.text, span, others, book, trimester="")
    for concept in [full.concept for full in completed] or [default]:
        add(proposals, concept, [number], strength, affirmed=True, remark=remark).completes.add(instead_of)


def _specific_too(
    proposals: ProposedCodes, number: int, mention: Mention, strength: float, book: CodeBook, *, affirmed: bool
) -> None:
    """The condition beside the code of chapter 15 that one name gives: "asthma in pregnancy" (I.C.15.a.1)."""
    code = book.codes[book.default(mention.candidates[0].concept)]
    if not within(code, _COMPLICATING.get(book.system, ())):
        return
    named = [c.concept for c in by_words(mention)[1:] if leaves_open(code, book.codes[c.concept], book.system)]
    condition = next((concept for concept in named if book.billable[concept]), None)
    if condition is not None:
        said = f"the condition that {code} leaves open (use additional code)"
        add(proposals, condition, [number], strength, affirmed=affirmed, remark=said)


def _tell_ties(proposals: ProposedCodes, mention: Mention, book: CodeBook) -> None:
    """Say of a code which others its words name just as well, in a system whose concepts have types."""
    first, *others = mention.candidates
    if not others or not book.has_types or first.concept not in proposals:
        return
    same = [c.concept for c in others if is_named(c) and c.strength >= first.strength]
    if same:
        named = ", ".join(f"{book.codes[c]} ({book.names[c]})" for c in same[:_TIES])
        proposals[first.concept].remark(f"the same words name {named}")


def _still_there(mentions: Sequence[Mention], contexts: Sequence[Context], book: CodeBook) -> frozenset[int]:
    """Codes that the note also gives outside its past: those are no histories."""
    return frozenset(
        book.default(mention.candidates[0].concept)
        for mention, context in zip(mentions, contexts, strict=True)
        if context.temporality == "recent" and counts(context, AFFIRMED)
    )
