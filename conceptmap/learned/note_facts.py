"""Facts of a note before anything is learned: its words, its mentions in every context, and the codes they lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log1p, log2
from typing import TYPE_CHECKING, Final

from conceptmap.coding.acceptance.acceptance import Acceptance, acceptance_of
from conceptmap.coding.acceptance.known import FEATURES as KNOWN
from conceptmap.coding.acceptance.known import KnownOfCodes
from conceptmap.coding.coding import INCLUDES, CodedNote, NoteCode, note_candidates
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.learned.near_windows import NearConcept

if TYPE_CHECKING:
    from conceptmap.learned.mention_vectors import MentionVectors
    from conceptmap.matching.content import Content
    from conceptmap.matching.mentions import Mention
    from conceptmap.ontology.codebook import CodeBook
    from conceptmap.text.context import Context
    from conceptmap.text.page import Page

__all__ = ["EVERY_CONTEXT", "FACTS", "MOST_WORDS", "FoundCode", "NoteFacts", "facts_of", "grams_of"]

EVERY_CONTEXT: Final = frozenset(INCLUDES)
"""What is included: coders differ in what they code, and that is learned."""
MOST_WORDS: Final = 3
"""Words of the longest n-gram."""
FACTS: Final = {
    **KNOWN,
    "accepted": "the rules accept it",
    "generic": "the general model of acceptance finds it probable",
    "score": "its score",
    "place": "how many codes of the note have a better score",
    "affirmed": "mentions affirm it of the patient",
    "negated": "mentions negate it",
    "family": "mentions tell it of the family",
    "told as past": "mentions tell it of the past",
    "doubtful": "mentions tell it as possible or hypothetical",
    "strength": "how surely its words name it",
    "preferred": "how far down its best mention's concepts it stands",
    "by vectors": "vectors speak for it",
    "cosine": "its cosine",
    "early": "how early the note tells of it",
    "opens": "it opens a line or an item",
    "letters": "how many letters name it",
    "length": "how many characters its code has",
    "billable": "a claim may carry it",
    "parts": "how many mentions of the note tell of its category",
    "behind": "how far it is behind the best code of its category",
    "codes": "how many codes the note may have",
    "words": "how long the note is",
}
"""Name of each number of a code, and what it says: nothing here knows which code it is."""
_MANY: Final = 400


@dataclass(frozen=True, slots=True)
class FoundCode:
    """A code that some mention of a note leads to, in whatever context.

    Attributes:
        concept: position of the code, and ``name`` the code itself.
        facts: a number for each of ``FACTS``.
        code: as the rules left it; its evidence names the mentions.
    """

    concept: int
    name: str
    facts: Sequence[float]
    code: NoteCode


@dataclass(frozen=True)
class NoteFacts:
    """A note as learning sees it.

    Attributes:
        note_id: of the note.
        grams: its n-grams of content words, with the place of the first: half-open code points of what is read.
        sources: the codes that its mentions name, affirmed or not: "E11.9", "no E11.9".
        found: the codes that mentions lead to, best first.
        vectors: of its mentions; None where it was read by words alone.
        near: the concepts that vectors find near windows of its words, the nearest first; none without an encoder.
        aside: further n-grams, of a training note: never counted, but looked through for words that coders marked.
    """

    note_id: str
    grams: Mapping[str, tuple[int, int]]
    sources: Mapping[str, tuple[int, int]]
    found: Sequence[FoundCode]
    vectors: MentionVectors | None = field(default=None, repr=False)
    near: Sequence[NearConcept] = ()
    aside: Mapping[str, tuple[int, int]] = field(default_factory=dict, repr=False)


def facts_of(
    note_id: str,
    page: Page,
    content: Content,
    mentions: Sequence[Mention],
    contexts: Sequence[Context],
    book: CodeBook,
    note: CodedNote,
) -> NoteFacts:
    """The facts of one note.

    Args:
        note_id: of the note.
        page: the note laid open.
        content: its content words.
        mentions: of one index, in reading order.
        contexts: of the mentions.
        book: of the index.
        note: as the rules code it, with ``EVERY_CONTEXT`` included.
    """
    spans = [(m.start_char, m.end_char) for m in mentions]
    around = MentionPlaces(page.text, spans, page.sections, page.sentences, note.setting)
    codes = note_candidates(mentions, contexts, book, note, include=EVERY_CONTEXT)[:_MANY]
    told = _Told(mentions, contexts, book, around, note, codes)
    return NoteFacts(note_id, grams_of(content), _sources(mentions, contexts, book), told.found())


class _Told:
    """What mentions tell of the codes of a note."""

    def __init__(
        self,
        mentions: Sequence[Mention],
        contexts: Sequence[Context],
        book: CodeBook,
        around: MentionPlaces,
        note: CodedNote,
        codes: Sequence[NoteCode],
    ) -> None:
        self._mentions, self._contexts, self._book, self._around = mentions, contexts, book, around
        self._codes, self._accepted = codes, {code.concept for code in note.accepted}
        self._known = KnownOfCodes(mentions, book, around)
        self._model = acceptance_of(book.system)
        self._n_words = log2(1 + page_words(around.text))
        self._scores: dict[str, float] = {}
        self._parts: dict[str, set[int]] = {}
        for code in codes:
            category = book.codes[code.concept][:3]
            self._scores[category] = max(self._scores.get(category, 0.0), code.score)
            self._parts.setdefault(category, set()).update(code.evidence)

    def found(self) -> list[FoundCode]:
        known = self._known.of_codes(
            [(c.concept, c.evidence, c.notes.split("; "), c.role, bool(c.reason)) for c in self._codes],
            self._accepted,
        )
        return [
            FoundCode(code.concept, self._book.codes[code.concept], self._facts(code, place, its), code)
            for place, (code, its) in enumerate(zip(self._codes, known, strict=True))
        ]

    def _facts(self, code: NoteCode, place: int, known: tuple[float, ...]) -> tuple[float, ...]:
        book, around = self._book, self._around
        name, category = book.codes[code.concept], book.codes[code.concept][:3]
        strength = cosine = vectors = opens = letters = 0.0
        preferred = 9
        counts = [0, 0, 0, 0, 0]
        for number in code.evidence:
            _count(self._contexts[number], counts)
            mention = self._mentions[number]
            letters = max(letters, mention.end_char - mention.start_char)
            opens = opens or float(around.opens_item(number))
            for rank, candidate in enumerate(mention.candidates):
                if book.default(candidate.concept) == code.concept or (rank == 0 and code.concept in self._accepted):
                    strength, preferred = max(strength, candidate.strength), min(preferred, rank)
                    vectors = max(vectors, float(candidate.evidence != "lexical"))
                    cosine = max(cosine, candidate.score or 0.0)
                    break
        first = around.spans[min(code.evidence)][0] if code.evidence else len(around.text)
        return (
            *known,
            float(code.concept in self._accepted),
            _logit(self._model, known),
            code.score,
            log1p(place),
            *(log1p(n) for n in counts),
            strength,
            float(preferred),
            vectors,
            cosine,
            1.0 - first / max(1, len(around.text)),
            opens,
            min(letters, 40.0),
            float(len(name)),
            _BILLABLE[book.billable[code.concept]],
            log1p(len(self._parts[category])),
            self._scores[category] - code.score,
            log1p(len(self._codes)),
            self._n_words,
        )


_BILLABLE: Final[Mapping[bool | None, float]] = {True: 1.0, None: 0.0, False: -1.0}


def _count(context: Context, counts: list[int]) -> None:
    """Count a context among affirmed, negated, family, past, doubtful."""
    family = context.subject not in (None, "patient")
    doubtful = context.temporality == "hypothetical" or context.certainty == "possible"
    past = context.temporality == "historical"
    counts[0] += not (context.negated or family or doubtful)
    counts[1] += bool(context.negated)
    counts[2] += family
    counts[3] += past
    counts[4] += doubtful


def _logit(model: Acceptance | None, known: Sequence[float]) -> float:
    """What the general model says of a code, in logits; 0 without one."""
    if model is None:
        return 0.0
    return model.intercept + sum(weight * value for weight, value in zip(model.weights, known, strict=True))


def page_words(text: str) -> int:
    """About how many words a text has."""
    return text.count(" ") + text.count("\n") + 1


def grams_of(content: Content, within: range | None = None) -> dict[str, tuple[int, int]]:
    """N-grams of content words with no full stop inside, each with the place of its first.

    Args:
        content: of a note.
        within: which of them; all by default.
    """
    form, start, end, gap = content.form, content.start, content.end, content.gap
    grams: dict[str, tuple[int, int]] = {}
    among = range(len(form)) if within is None else within
    for first in among:
        gram = form[first]
        grams.setdefault(gram, (start[first], end[first]))
        for last in range(first + 1, min(first + MOST_WORDS, among.stop)):
            if gap[last] > 1:
                break
            gram = f"{gram} {form[last]}"
            grams.setdefault(gram, (start[first], end[last]))
    return grams


def _sources(mentions: Sequence[Mention], contexts: Sequence[Context], book: CodeBook) -> dict[str, tuple[int, int]]:
    """The codes that mentions name, each with the place of the first that does."""
    sources: dict[str, tuple[int, int]] = {}
    for mention, context in zip(mentions, contexts, strict=True):
        code = book.codes[book.default(mention.candidates[0].concept)]
        said = f"no {code}" if context.negated else code
        sources.setdefault(said, (mention.start_char, mention.end_char))
    return sources
