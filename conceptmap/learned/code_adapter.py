"""CodeAdapter: what coded notes taught, applied to a note: how probable each code is, and on what it rests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.calibration import Calibration
from conceptmap.coding.coding import CodedNote, NoteCode
from conceptmap.coding.given_codes import as_given
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.errors import IndexMismatchError
from conceptmap.learned.associations import MENTIONED, Associations
from conceptmap.learned.features import FEATURES, MARKED, Possible, possible_codes
from conceptmap.learned.likelihood import LIKELIHOOD, LikelihoodHead
from conceptmap.learned.models import Model, strongest
from conceptmap.learned.note_facts import NoteFacts

if TYPE_CHECKING:
    from conceptmap.coding.instructions import Instructions
    from conceptmap.index.index import ConceptIndex
    from conceptmap.learned.marked_words import MarkedHit
    from conceptmap.ontology.codebook import CodeBook
    from conceptmap.text.context import Context
    from conceptmap.text.page import Page

__all__ = ["NO_ENCODER", "CodeAdapter", "LearnedFor", "learned_for"]

NO_ENCODER: Final = "none"
"""Name of no encoder, where notes are read by words alone."""
_TOLD: Final = 5
_SAYS: Final = {**FEATURES, **MARKED, **LIKELIHOOD}
_NEW: Final = "no training note was given it"
_BY_WORDS: Final = "no mention names it: it goes with words of this note"
_BY_MARKS: Final = "no mention names it: coders marked such words for it"
_BY_VECTORS: Final = "no mention names it: vectors find it near words of this note"
_BY_RELATIVE: Final = "no mention names it: one names a code beside, above or below it"


@dataclass(frozen=True, slots=True)
class LearnedFor:
    """What notes have to be read with for a code adapter to hold.

    Attributes:
        system: prefix of the ontology, and ``release`` its version.
        encoder: name of the encoder, or ``NO_ENCODER``, and ``revision`` its version.
        terms: sha256 over the codes and terms of the index.
    """

    system: str
    release: str
    encoder: str
    revision: str
    terms: str


def learned_for(index: ConceptIndex, *, encoder: str, revision: str) -> LearnedFor:
    """What an index and an encoder are to a code adapter."""
    digest = hashlib.sha256("\n".join(index.concepts["node"].to_list()).encode())
    for column in ("node", "term"):
        digest.update("\n".join(index.terms.sort("node", "term")[column].to_list()).encode())
    return LearnedFor(index.system, index.release, encoder, revision, digest.hexdigest())


@dataclass(frozen=True, eq=False)
class CodeAdapter:
    """Made by ``conceptmap adapt --codes``, applied by ``ConceptMapper.load(adapter=…)``.

    Attributes:
        made_for: what notes are read with.
        setting: of all training notes; None where each note showed it.
        associations: counts over the training notes.
        model: what weighs the features.
        seen: from the model's logits to the probability of a code that coders gave to training notes.
        unseen: likewise of one that they never gave.
        least_seen: probability from which a code is accepted that coders gave to training notes.
        least_unseen: likewise of one that they never gave.
        card: data, licence, figures.
        head: what vectors say beside words; None without an encoder, and where it gained nothing.
    """

    made_for: LearnedFor
    setting: str | None
    associations: Associations
    model: Model
    seen: Calibration
    unseen: Calibration
    least_seen: float
    least_unseen: float
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)
    head: LikelihoodHead | None = field(default=None, repr=False)

    @cached_property
    def sha256(self) -> str:
        """Digest of everything that bears on what the adapter does."""
        known, numbers = self.associations, (self.seen, self.unseen, self.least_seen, self.least_unseen)
        digest = hashlib.sha256(repr((self.made_for, self.setting, known.n_notes, numbers)).encode())
        digest.update(repr((known.items, known.codes, [*map(tuple, known.records)])).encode())
        for counts in (known.notes_with, known.first, known.number, known.together):
            digest.update(np.ascontiguousarray(counts, dtype="<i8").tobytes())
        if known.marked is not None:
            digest.update(b"marked" + np.ascontiguousarray(known.marked, dtype="<i8").tobytes())
        digest.update(self.model.content)
        if self.head is not None:
            digest.update(self.head.content)
        return digest.hexdigest()

    def check(self, index: ConceptIndex, encoder: str, revision: str) -> None:
        """Refuse another index or encoder.

        Raises:
            IndexMismatchError: it learned from notes read with others; the message names the first difference.
        """
        here = learned_for(index, encoder=encoder, revision=revision)
        if here == self.made_for:
            self._check_widths(index)
            return
        name = next(name for name in LearnedFor.__slots__ if getattr(here, name) != getattr(self.made_for, name))
        got, expected = (str(getattr(one, name))[:40] for one in (here, self.made_for))
        then = "learn again: conceptmap adapt --notes NOTES --codes GOLD"
        if name == "encoder":
            then = f"--encoder {expected}" if expected == NO_ENCODER else f"name that encoder, or {then}"
        what = f"another {name}"
        if name == "terms":
            what, got, expected = "other terms", f"terms {got[:12]}", f"terms {expected[:12]}"
            then = f"the index's terms, or the vocabulary that comes with conceptmap, changed since: {then}"
        raise IndexMismatchError(f"the adapter learned with {what}", got=got, expected=expected, then=then)

    def _check_widths(self, index: ConceptIndex) -> None:
        """Refuse an index whose names have vectors of another width, or none."""
        if self.head is not None and not self.head.fits(len(self.head.mention), index.dim):
            raise IndexMismatchError(
                "the adapter learned with other vectors of names",
                got=f"an index with {index.dim} numbers a name",
                expected=f"{len(self.head.name)}",
                then="the index that it learned with",
            )

    @property
    def features(self) -> list[str]:
        """Names of the numbers of a possible code, in the order of the columns."""
        marked = () if self.associations.marked is None else MARKED
        return [*FEATURES, *marked, *(() if self.head is None else LIKELIHOOD)]

    def possible(self, facts: NoteFacts, book: CodeBook) -> Possible:
        """The possible codes of a note, each with its numbers."""
        found = possible_codes(facts, self.associations, book)
        return found if self.head is None or facts.vectors is None else self.head.added(found, facts.vectors)

    def probabilities(self, possible: Possible) -> NDArray[np.float64]:
        """That coders would give each possible code of a note. *Shape:* (n,)."""
        if not possible.codes:
            return np.empty(0)
        logits = self.model.logits(possible.rows)
        return np.where(possible.seen, self.seen(logits), self.unseen(logits))

    def accepts(self, possible: Possible, sure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each is probable enough to be given. *Shape:* (n,)."""
        return np.asarray(sure >= np.where(possible.seen, self.least_seen, self.least_unseen), dtype=np.bool_)

    def judged(self, facts: NoteFacts, book: CodeBook) -> tuple[Possible, NDArray[np.float64], NDArray[np.bool_]]:
        """The possible codes of a note, how probable each is, and whether it is given."""
        possible = self.possible(facts, book)
        sure = self.probabilities(possible)
        return possible, sure, self.accepts(possible, sure)

    def coded(
        self,
        facts: NoteFacts,
        page: Page,
        contexts: Sequence[Context],
        spans: Sequence[tuple[int, int]],
        book: CodeBook,
        note: CodedNote,
        instructions: Instructions | None,
    ) -> CodedNote:
        """The note with the codes that its coders would give.

        Args:
            facts: of the note.
            page: the note laid open.
            contexts: of its mentions.
            spans: of its mentions.
            book: of the index.
            note: as the rules code it.
            instructions: of the index.
        """
        possible, sure, accepts = self.judged(facts, book)
        chosen, probable = accepts.tolist(), sure.tolist()
        telling = _Telling(self, facts, page, possible, spans)
        worth = [at for at, its in enumerate(possible.found) if its is not None or probable[at] >= _WORTH]
        kept = [at for at in worth if chosen[at]]
        carried = self.model.carried(possible.rows[kept]).tolist() if kept else []
        moved = {at: weighed(row, self.features) for at, row in zip(kept, carried, strict=True)}
        around = MentionPlaces(page.text, spans, page.sections, page.sentences, note.setting)
        past = {number for number, context in enumerate(contexts) if context.temporality == "historical"}
        by_sure = sorted(kept, key=lambda at: (-probable[at], possible.codes[at]))
        codes = [telling.code(at, probable[at], moved[at], accepted=True) for at in by_sure]
        accepted = as_given(codes, book, around, instructions=instructions, past=past)
        left = sorted(set(worth).difference(kept), key=lambda at: (-probable[at], possible.codes[at]))
        ranked = _Ranked(accepted, left, lambda at: telling.code(at, probable[at], "", accepted=False))
        return CodedNote(note.setting, accepted, (), note.judge, ranked)

    @cached_property
    def is_by_words(self) -> bool:
        """Whether it learned from notes read by words alone."""
        return self.made_for.encoder == NO_ENCODER


def weighed(carried: Sequence[float], features: Sequence[str]) -> str:
    """What moved the probability of a code most, in words, each with its logits."""
    return ", ".join(f"{_SAYS[features[at]]} ({carried[at]:+.1f})" for at in strongest(carried, _TOLD))


class _Ranked(Sequence[NoteCode]):
    """The accepted codes of a note and the others, which are told when they are asked for: few notes show them."""

    def __init__(self, accepted: Sequence[NoteCode], left: Sequence[int], tell: Callable[[int], NoteCode]) -> None:
        self._accepted, self._left, self._tell = accepted, left, tell

    def __len__(self) -> int:
        return len(self._accepted) + len(self._left)

    @overload
    def __getitem__(self, at: int) -> NoteCode: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[NoteCode]: ...

    def __getitem__(self, at: int | slice) -> NoteCode | Sequence[NoteCode]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        number = range(len(self))[at]
        n_accepted = len(self._accepted)
        return self._accepted[number] if number < n_accepted else self._tell(self._left[number - n_accepted])


class _Telling:
    """The possible codes of a note as what is handed out."""

    def __init__(
        self,
        adapter: CodeAdapter,
        facts: NoteFacts,
        page: Page,
        possible: Possible,
        spans: Sequence[tuple[int, int]],
    ) -> None:
        self._known, self._facts, self._page, self._possible = adapter.associations, facts, page, possible
        self._spans = spans

    def code(self, at: int, sure: float, moved: str, *, accepted: bool) -> NoteCode:
        found, rests_on = self._possible.found[at], self._rests_on(at)
        notes = [] if self._possible.seen[at] else [_NEW]
        if found is not None:
            code = found.code
            reason = code.reason or ("" if accepted or not found.facts[_ACCEPTED] else _REFUSED.format(sure))
            notes = [*(said for said in code.notes.split("; ") if said), *notes]
            its = code.concept, code.score, code.evidence, code.best
            return NoteCode(
                *its,
                "; ".join(notes),
                reason=reason,
                links=code.links,
                probability=sure,
                known=code.known,
                rests_on=rests_on,
                weighed=moved,
                place=code.place,
            )
        place = self._place(at)
        notes.append(self._found_by(at))
        said, concept = "; ".join(notes), self._possible.concepts[at]
        return NoteCode(concept, 0.0, (), -1, said, probability=sure, rests_on=rests_on, weighed=moved, place=place)

    def _mark(self, at: int) -> MarkedHit | None:
        """The words marked for a code, where they were marked often, or no other words speak for it."""
        hit = self._possible.marked[at]
        return hit if hit is not None and (hit.share >= _OFTEN or self._possible.items[at] is None) else None

    def _found_by(self, at: int) -> str:
        """What proposes a code that no mention names."""
        if self._mark(at) is not None:
            return _BY_MARKS
        by_vectors = self._possible.near[at] is not None
        return _BY_WORDS if self._possible.items[at] else _BY_VECTORS if by_vectors else _BY_RELATIVE

    def _rests_on(self, at: int) -> str:
        said = []
        record = self._known.record(self._possible.codes[at])
        if self._possible.found[at] is not None:
            told = f" (right in {record.right} of {record.found} notes)" if record.found else ""
            said.append(f"mentions of it{told}")
        item, hit = self._possible.items[at], self._mark(at)
        if hit is not None and (not said or hit.share >= _OFTEN):
            read = "" if hit.alike == 1.0 else f" as {self._known.items[hit.pair.item]}"
            counts = f"marked for it in {hit.pair.marked} notes, given in {hit.pair.together} of {hit.pair.notes}"
            said.append(f"“{self._words(self._facts.grams[hit.words])}”{read} ({counts} notes with it)")
        elif item is not None and (not said or item[1] >= _OFTEN * self._known.notes_with[item[0]]):
            name = self._known.items[item[0]]
            words = self._words(self._item_place(name))
            read = f" as {name.removeprefix(MENTIONED)}" if name.startswith(MENTIONED) else ""
            said.append(f"“{words}”{read} (given in {item[1]} of {self._known.notes_with[item[0]]} notes with it)")
        given = f"given in {record.given} of {self._known.n_notes} notes"
        if not said and (near := self._possible.near[at]) is not None:
            said.append(f"“{self._words(near.place)}” is near it (cosine {near.cosine:.2f}; {given})")
        if not said and (relative := self._possible.nearest[at]) is not None:
            said.append(f"mentions of {relative.name}, a relative ({given})")
        return "; ".join(said)

    def _words(self, place: tuple[int, int]) -> str:
        """What is written there, on one line."""
        view = self._page.view
        return " ".join(view.original[slice(*view.span(*place))].split())

    def _place(self, at: int) -> tuple[int, int]:
        """Where the words stand that speak best for a code; without such, where vectors or a relative find it."""
        if (hit := self._mark(at)) is not None:
            return self._facts.grams[hit.words]
        item = self._possible.items[at]
        if item is None and (near := self._possible.near[at]) is not None:
            return near.place
        if item is None:
            relative = self._possible.nearest[at]
            assert relative is not None
            return self._spans[relative.code.best]
        return self._item_place(self._known.items[item[0]])

    def _item_place(self, name: str) -> tuple[int, int]:
        is_mention = name.startswith(MENTIONED)
        return self._facts.sources[name.removeprefix(MENTIONED)] if is_mention else self._facts.grams[name]


_ACCEPTED: Final = [*FEATURES].index("accepted")
_WORTH: Final = 0.005
"""Probability from which a code is told that no mention leads to."""
_OFTEN: Final = 0.25
"""Share of the notes with some words from which they are told beside mentions."""
_REFUSED: Final = "coders of the training notes would hardly give it ({:.2f})"
