"""From mentions to the codes of a note: what counts, which code is written down, and on what evidence.

Only what is affirmed of the patient codes, unless the caller includes more. A header is replaced by its default code
and completed from the words beside it, past and family illnesses become histories, conditions that the classification
says in one code are combined, a code that another one says more exactly is dropped, and every code names the mentions
that speak for it and what a coder should check.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from conceptmap.coding.allergies import is_reaction
from conceptmap.coding.combinations import combine
from conceptmap.coding.completion import complete, trimester
from conceptmap.coding.derived import derive
from conceptmap.coding.drafts import Draft, Drafts, add
from conceptmap.coding.histories import family_history, is_done_now, of_another_patient, past_history
from conceptmap.coding.instructions import Instructions
from conceptmap.coding.principal import propose
from conceptmap.coding.surroundings import Surroundings
from conceptmap.coding.uncertain import settled
from conceptmap.data.tables import read_rows
from conceptmap.errors import InputError
from conceptmap.matching.mentions import Mention
from conceptmap.ontology.code_ranges import Ranges, base_code, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.context import Context
from conceptmap.text.sections import Section

__all__ = ["INCLUDES", "NoteCode", "check_include", "counts", "note_candidates", "note_codes"]

INCLUDES = ("negated", "family", "hypothetical", "possible")
"""What ``include`` may name: mentions that do not code by default. Probable ones do (ICD-10-CM guideline II.H)."""

MORE_MENTIONS = 0.02
"""Added to a code's score for each doubling of its mentions."""

RUNNER_UP = 0.5
"""Share of a concept's strength that counts when another concept of the mention was preferred."""

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


@dataclass(frozen=True, slots=True)
class NoteCode:
    """A code of a note.

    Attributes:
        concept: position of the code in the index.
        score: in [0, 1]; higher is surer.
        evidence: numbers of the mentions that support it, in reading order.
        notes: what a coder should know of it.
    """

    concept: int
    score: float
    evidence: tuple[int, ...]
    notes: str


def check_include(include: Iterable[str]) -> frozenset[str]:
    """The names as a set.

    Raises:
        InputError: a name that is none of ``INCLUDES``.
    """
    names = frozenset(include)
    if unknown := sorted(names - set(INCLUDES)):
        raise InputError("include names what cannot be included", got=", ".join(unknown), expected=", ".join(INCLUDES))
    return names


def counts(context: Context, include: frozenset[str]) -> bool:
    """Whether a mention in this context codes."""
    return not (
        (context.negated and "negated" not in include)
        or (context.subject not in (None, "patient") and "family" not in include)
        or (context.temporality == "hypothetical" and "hypothetical" not in include)
        or (context.certainty == "possible" and "possible" not in include)
    )


def note_codes(
    mentions: Sequence[Mention],
    contexts: Sequence[Context],
    book: CodeBook,
    *,
    text: str = "",
    sections: Sequence[Section] = (),
    sentences: Sequence[tuple[int, int]] = (),
    instructions: Instructions | None = None,
    include: frozenset[str] = frozenset(),
    threshold: float = 0.0,
) -> list[NoteCode]:
    """The codes of one note, best first.

    Args:
        mentions: of one index.
        contexts: of the mentions.
        book: of the index.
        text: the note; without it nothing is completed from the words beside a mention.
        sections: of the note.
        sentences: of the note.
        instructions: of the index: exclusions and partners are then reported.
        include: see ``counts``.
        threshold: codes with a lower score are left out.
    """
    around = Surroundings(text, [(m.start_char, m.end_char) for m in mentions], sections, sentences)
    drafts = _drafts(mentions, settled(mentions, contexts, book, around), book, around, include)
    combine(
        drafts, book, together=lambda a, b: around.together(a.numbers, b.numbers), says=lambda d: around.says(d.numbers)
    )
    derive(drafts, book, around)
    for concept in _said_more_exactly(drafts, book, around) | of_another_patient(drafts, text, book):
        del drafts[concept]
    codes = [(_score(d.strength * book.plausibility(d.concept), len(d.numbers)), d) for d in drafts.values()]
    codes = [(score, draft) for score, draft in codes if score >= threshold]
    codes.sort(key=lambda sd: (-sd[0], sd[1].numbers[0], sd[1].concept))
    kept = [draft for _, draft in codes]
    if instructions is not None:
        instructions.remark(kept)
    past = {number for number, context in enumerate(contexts) if context.temporality == "historical"}
    propose(kept, book, around, past)
    return [
        NoteCode(draft.concept, score, tuple(draft.numbers), "; ".join(_notes(draft, book))) for score, draft in codes
    ]


def _drafts(
    mentions: Sequence[Mention],
    contexts: Sequence[Context],
    book: CodeBook,
    around: Surroundings,
    include: frozenset[str],
) -> Drafts:
    """What each mention gives on its own."""
    drafts: Drafts = {}
    term: str | None = None
    still = _still_there(mentions, contexts, book)
    for number, (mention, context) in enumerate(zip(mentions, contexts, strict=True)):
        best = mention.candidates[0]
        code = book.default(best.concept)
        section = around.section(number)
        strength = best.strength * SECTION_WEIGHT.get(section or "", 1.0)
        if not counts(context, include):
            family = family_history(code, context, section, book)
            if family is not None:
                remark = f"{family[1]}: {book.codes[code]}" if family[1] else ""
                add(drafts, family[0], [number], strength, affirmed=True, remark=remark)
            continue
        affirmed = counts(context, AFFIRMED)
        if around.text and affirmed:
            span = mention.start_char, mention.end_char
            if is_reaction(book.codes[code], section, book.system):
                continue
            if is_done_now(code, around.text, span, context, section, book):
                continue
            says = partial(around.in_line, number=number)
            past = None if code in still else past_history(code, context, section, says, book)
            if past is not None:
                add(drafts, past[0], [number], strength, affirmed=True, remark=f"{past[1]}: {book.codes[code]}")
                continue
        term = trimester(around.text) if term is None and book.has_variants(code) else term
        completed = complete(code, around.text, *around.beside(number), book, term=term or "") if around.text else []
        for full in completed:
            remark = f"{full.said}, from the text beside it: completes {book.codes[code]}"
            add(drafts, full.concept, [number], strength, affirmed=affirmed, remark=remark)
        if not completed:
            draft = add(drafts, code, [number], strength, affirmed=affirmed)
            if code != best.concept and book.billable[code]:
                draft.remark(f"default of {book.codes[best.concept]}")
    return drafts


def _still_there(mentions: Sequence[Mention], contexts: Sequence[Context], book: CodeBook) -> frozenset[int]:
    """Codes that the note also gives outside its past: those are no histories."""
    return frozenset(
        book.default(mention.candidates[0].concept)
        for mention, context in zip(mentions, contexts, strict=True)
        if context.temporality == "recent" and counts(context, AFFIRMED)
    )


def note_candidates(
    mentions: Sequence[Mention],
    contexts: Sequence[Context],
    book: CodeBook,
    accepted: Sequence[NoteCode],
    *,
    include: frozenset[str] = frozenset(),
) -> list[NoteCode]:
    """The accepted codes, and after them every code that some mention speaks for at any rank, best first."""
    known = {code.concept for code in accepted}
    strength: dict[int, float] = defaultdict(float)
    support: dict[int, list[int]] = defaultdict(list)
    for number, (mention, context) in enumerate(zip(mentions, contexts, strict=True)):
        if not counts(context, include):
            continue
        for place, candidate in enumerate(mention.candidates):
            code = book.default(candidate.concept)
            if code not in known and support[code][-1:] != [number]:
                support[code].append(number)
                strength[code] = max(strength[code], RUNNER_UP * candidate.strength / (1 + 0.1 * place))
    scores = {code: _score(strength[code] * book.plausibility(code), len(n)) for code, n in support.items()}
    rest = [NoteCode(code, scores[code], tuple(n), "") for code, n in support.items()]
    return [*accepted, *sorted(rest, key=lambda c: (-c.score, c.evidence[0], c.concept))]


def _score(strength: float, n_mentions: int) -> float:
    return min(1.0, strength * 0.85 + MORE_MENTIONS * n_mentions.bit_length())


def _said_more_exactly(drafts: Drafts, book: CodeBook, around: Surroundings) -> set[int]:
    """Codes that add nothing beside another of the note: residual ones, and those that leave open what it names."""
    residual = residual_codes(book.system)
    out = set()
    for code, draft in drafts.items():
        rule = residual.get(base_code(book.codes[code]))
        if any(more in drafts for more in book.variants(code)) or (
            rule is not None
            and any(
                other is not draft
                and within(book.codes[other.concept], rule.yields_to)
                and (not rule.near or around.near(draft.numbers, other.numbers))
                for other in drafts.values()
            )
        ):
            out.add(code)
    return out


@dataclass(frozen=True, slots=True)
class Residual:
    """What a residual code yields to.

    Attributes:
        yields_to: ranges of codes.
        near: only to one named in the same sentence or beside it: elsewhere another pain or infection is meant.
    """

    yields_to: Ranges
    near: bool


@cache
def residual_codes(system: str) -> Mapping[str, Residual]:
    """Residual codes of a system and what they yield to (``data/residual_<system>.csv``)."""
    return {
        row["code"]: Residual(parse_ranges(row["yields_to"]), row["scope"] == "near")
        for row in read_rows("residual", system)
    }


def _notes(draft: Draft, book: CodeBook) -> list[str]:
    return [*(["not billable: say more"] if book.billable[draft.concept] is False else []), *draft.remarks]
