"""From mentions to the codes of a note: what counts, which code is written down, and on what evidence.

Only what is affirmed of the patient codes, unless the caller includes more. A header is replaced by its default code
and completed from the words beside it, past and family illnesses become histories, conditions that the classification
says in one code are combined, a code that another one says more exactly is dropped, and every code names the mentions
that speak for it and what a coder should check. An acceptance model, where one holds, says how probably a coder would
report each code, and the improbable ones are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from conceptmap.coding.acceptance.acceptance import SETTINGS, Acceptance
from conceptmap.coding.acceptance.judge import NoteJudge
from conceptmap.coding.acceptance.known import Known, KnownOfCodes
from conceptmap.coding.combinations import combine
from conceptmap.coding.contexts_as_coded import contexts_as_coded
from conceptmap.coding.derived.derived import derive
from conceptmap.coding.exact.elsewhere import complete_from_elsewhere
from conceptmap.coding.exact.residual import said_more_exactly
from conceptmap.coding.from_mentions import INCLUDES, check_include, counts, proposed_by_mentions
from conceptmap.coding.histories import of_another_patient
from conceptmap.coding.instructions import Instructions
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.organisms import with_organisms
from conceptmap.coding.proposed_codes import OtherCodes, ProposedCode, ProposedCodes, take
from conceptmap.coding.reporting.integral import integral
from conceptmap.coding.reporting.not_reported import not_reported
from conceptmap.coding.reporting.present import present_on_admission
from conceptmap.coding.reporting.principal import principal
from conceptmap.coding.reporting.roles import ROLES, role
from conceptmap.coding.reporting.setting import setting_of
from conceptmap.coding.uncertain_diagnoses import as_established
from conceptmap.matching.mentions import Mention
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.context import Context
from conceptmap.text.sections import Section

__all__ = ["INCLUDES", "CodedNote", "NoteCode", "check_include", "counts", "in_order", "note_candidates", "note_codes"]

MORE_MENTIONS = 0.02
"""Added to a code's score for each doubling of its mentions."""

RUNNER_UP = 0.5
"""Share of a concept's strength that counts when another concept of the mention was preferred."""


@dataclass(frozen=True, slots=True)
class NoteCode:
    """A code of a note.

    Attributes:
        concept: position of the code in the index.
        score: in [0, 1]; higher is surer.
        evidence: numbers of the mentions that support it, in reading order.
        best: number of the mention that supports it best.
        notes: what a coder should know of it.
        role: of ``roles.ROLES``; empty in systems without roles, and for what is not accepted.
        poa: whether it was present on admission: "Y", "N", "U" (the note does not say) or "" (not asked).
        reason: why a rule took it away; empty for what is accepted.
        links: other codes that it speaks of.
        probability: that a coder would report it; None where no acceptance model holds.
        known: what that rests on, a number for each of ``acceptance.known.FEATURES``; empty without one.
        rests_on: where coded notes were learned from: what of the note speaks for it, and how often it was right there.
        weighed: likewise: what moved its probability most, in words.
        place: half-open code points of the words that it rests on where no mention names it; ``best`` is then -1.
    """

    concept: int
    score: float
    evidence: tuple[int, ...]
    best: int
    notes: str
    role: str = ""
    poa: str = ""
    reason: str = ""
    links: OtherCodes = field(default_factory=OtherCodes)
    probability: float | None = None
    known: Known = ()
    rests_on: str = ""
    weighed: str = ""
    place: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class CodedNote:
    """What one note gave.

    Attributes:
        setting: of ``setting.SETTINGS``.
        accepted: its codes in order of role, then probability, then score, then place.
        taken: what the rules took away, with the reason, best first; none where coded notes were learned from.
        judge: what judged them; None where no acceptance model holds.
        ranked: every code that it may have, the accepted ones first, where coded notes were learned from.
    """

    setting: str
    accepted: tuple[NoteCode, ...]
    taken: tuple[NoteCode, ...]
    judge: NoteJudge | None = field(default=None, repr=False, compare=False)
    ranked: Sequence[NoteCode] = ()


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
    setting: str | None = None,
    acceptance: Acceptance | None = None,
) -> CodedNote:
    """The codes of one note.

    Args:
        mentions: of one index.
        contexts: of the mentions.
        book: of the index.
        text: the note; without it nothing is completed from the words beside a mention.
        sections: of the note.
        sentences: of the note.
        instructions: of the index: exclusions and partners are then reported.
        include: see ``counts``.
        setting: of ``setting.SETTINGS``; by default what the note shows.
        acceptance: of the index's system; without one, and in a setting that it does not hold for, nothing is judged.
    """
    spans = [(m.start_char, m.end_char) for m in mentions]
    around = MentionPlaces(text, spans, sections, sentences, setting or setting_of(text, sections))
    contexts = as_established(mentions, contexts_as_coded(mentions, contexts, book, around), book, around)
    taken: ProposedCodes = {}
    proposals = proposed_by_mentions(mentions, contexts, book, around, include=include, taken=taken)
    complete_from_elsewhere(proposals, book, around, taken)
    combine(
        proposals,
        book,
        together=lambda a, b: around.together(a.numbers, b.numbers),
        says=lambda d: around.says(d.numbers),
        lines=lambda d: " ".join(around.line(number) for number in d.numbers).lower(),
        taken=taken,
        in_report=around.setting == "report",
    )
    with_organisms(proposals, book, around, taken)
    derive(proposals, book, around, taken)
    for concept in of_another_patient(proposals, text, book):
        take(proposals, concept, "of the mother, or of the newborn, whose record this is not", taken)
    for rule in (not_reported, said_more_exactly, integral):
        for concept, reason in rule(proposals, book, around).items():
            take(proposals, concept, reason, taken)
    past = {number for number, context in enumerate(contexts) if context.temporality == "historical"}
    judge = None
    if acceptance and text and around.setting in SETTINGS:
        judge = NoteJudge(acceptance, KnownOfCodes(mentions, book, around), book, around)
    accepted = _accepted(proposals, book, around, instructions, past, judge, taken)
    gone = [_code(d, book, reason=d.reason) for d in taken.values() if d.concept not in proposals]
    return CodedNote(around.setting, tuple(accepted), tuple(sorted(gone, key=_best_first)), judge)


def _accepted(
    proposals: ProposedCodes,
    book: CodeBook,
    around: MentionPlaces,
    instructions: Instructions | None,
    past: set[int],
    judge: NoteJudge | None,
    taken: ProposedCodes,
) -> list[NoteCode]:
    """What stands of the proposals, with their roles, in order; improbable ones are taken."""
    kept = sorted(proposals.values(), key=lambda d: (-_score_of(d, book), d.numbers[0], d.concept))
    said = [len(proposal.remarks) for proposal in kept]
    first = _settled(kept, book, around, instructions, past)
    known, sure = judge.of_all(kept, first) if judge else ([], [])
    while judge and (least := judge.least(kept, sure, first)) is not None:
        judge.refused[kept[least].concept] = known[least]
        take(proposals, kept[least].concept, judge.model.refusal(known[least]), taken)
        del kept[least], said[least]
        for proposal, n_remarks in zip(kept, said, strict=True):  # nothing said beside the code that went
            del proposal.remarks[n_remarks:]
            proposal.links = OtherCodes(combined_from=proposal.links.combined_from)
        first = _settled(kept, book, around, instructions, past)
        known, sure = judge.of_all(kept, first)
    codes = []
    for place, proposal in enumerate(kept):
        leads = proposal is first
        poa = present_on_admission(proposal, book, around, first=leads)
        code = _code(proposal, book, role=role(proposal, book, first=leads), poa=poa)
        if judge and proposal.affirmed:
            code = replace(code, probability=sure[place], known=known[place])
        codes.append(code)
    return sorted(codes, key=in_order)


def _settled(
    kept: Sequence[ProposedCode],
    book: CodeBook,
    around: MentionPlaces,
    instructions: Instructions | None,
    past: set[int],
) -> ProposedCode | None:
    """Say what the codes of a note want of one another; the principal one."""
    if instructions is not None:
        instructions.remark(kept)
    return principal(kept, book, around, past, instructions)


_RANK = {name: rank for rank, name in enumerate(ROLES)}


def _code(proposal: ProposedCode, book: CodeBook, *, role: str = "", poa: str = "", reason: str = "") -> NoteCode:
    notes = "; ".join(_notes(proposal, book))
    score, numbers = _score_of(proposal, book), tuple(proposal.numbers)
    return NoteCode(proposal.concept, score, numbers, proposal.best, notes, role, poa, reason, proposal.links)


def in_order(code: NoteCode) -> tuple[int, bool, float, int, int]:
    """What the accepted codes of a note are sorted by: role, then probability, else score, then place."""
    return (_RANK.get(code.role, len(_RANK)), *_best_first(code))


def _best_first(code: NoteCode) -> tuple[bool, float, int, int]:
    """By probability, else by score, as the tables show them; then by place."""
    sure = code.score if code.probability is None else code.probability
    return code.probability is None, -round(sure, 6), code.best, code.concept


def _score_of(proposal: ProposedCode, book: CodeBook) -> float:
    return _score(proposal.strength * book.plausibility(proposal.concept), len(proposal.numbers))


def note_candidates(
    mentions: Sequence[Mention],
    contexts: Sequence[Context],
    book: CodeBook,
    coded: CodedNote,
    *,
    include: frozenset[str] = frozenset(),
) -> list[NoteCode]:
    """The accepted codes, and after them those taken away and every code that some mention speaks for, best first."""
    known = {code.concept for code in (*coded.accepted, *coded.taken)}
    strength: dict[int, float] = defaultdict(float)
    support: dict[int, list[int]] = defaultdict(list)
    best: dict[int, int] = {}
    for number, (mention, context) in enumerate(zip(mentions, contexts, strict=True)):
        if not counts(context, include):
            continue
        for place, candidate in enumerate(mention.candidates):
            code = book.default(candidate.concept)
            if code not in known and support[code][-1:] != [number]:
                support[code].append(number)
                now = RUNNER_UP * candidate.strength / (1 + 0.1 * place)
                if now > strength[code]:
                    strength[code], best[code] = now, number
    scores = {code: _score(strength[code] * book.plausibility(code), len(n)) for code, n in support.items()}
    rest = [NoteCode(code, scores[code], tuple(n), best[code], "") for code, n in support.items()]
    others = [*coded.taken, *rest]
    if judge := coded.judge:
        others = [_judged(code, judge) for code in others]
    return [*coded.accepted, *sorted(others, key=_best_first)]


def _judged(code: NoteCode, judge: NoteJudge) -> NoteCode:
    """A code that is not accepted, with its probability."""
    if code.reason:
        known = judge.of_taken(code.concept, code.evidence, code.notes.split("; "))
    else:
        known = judge.known.of_alternative(code.concept, code.evidence)
    return replace(code, probability=judge.model.probability(known), known=known)


def _score(strength: float, n_mentions: int) -> float:
    return min(1.0, strength * 0.85 + MORE_MENTIONS * n_mentions.bit_length())


def _notes(proposal: ProposedCode, book: CodeBook) -> list[str]:
    return [*(["not billable: say more"] if book.billable[proposal.concept] is False else []), *proposal.remarks]
