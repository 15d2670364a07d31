"""The classification's own instructions: Excludes1, "code first" and "use additional code", checked within a note.

They are kept by the reader as the release prints them, and a code inherits those of everything above it. Nothing is
ever changed on their account: what two codes exclude, and which partner is missing, is said in the notes of a code.
A partner that is coded "if applicable", and statuses, exposures and external causes, are not missed.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import polars as pl

from conceptmap.coding.proposed_codes import ProposedCode
from conceptmap.ontology.code_ranges import base_code, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["Instruction", "Instructions", "references"]

_KINDS: Final = ("excludes1", "code_first", "use_additional")
_BRACKETS: Final = re.compile(r"\(([A-Z]\d[^()]*)\)")
_CODE: Final = r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{0,4})?"
_REFERENCE: Final = re.compile(rf"({_CODE})(?:-?\s*-\s*({_CODE}))?")
_DIGIT: Final = re.compile(r"with (?:(?:fifth|5th|sixth|6th)(?: or )?)+ character (\w)")
_OPTIONAL: Final = re.compile(r"\bif\b|\bany\b|\bwhen\b|\bapplicable\b|\bassociated\b", re.IGNORECASE)
_UNDERLYING: Final = re.compile(r"\bunderlying\b|\bcausative\b|\bprimary\b|\bcondition resulting\b", re.IGNORECASE)
_OPENING: Final = re.compile(
    r"^\W*code(?:\(s\)|s)?,?\s*(?:to (?:further )?(?:identify|specify)|for)?\s*", re.IGNORECASE
)
_EXAMPLES: Final = re.compile(r"\bsuch as\b", re.IGNORECASE)
_NOT_MISSED: Final = (("F10", "F19"), ("T07", "Z99"))
_LONGEST: Final = 90
_MOST_PAIRS: Final = 50_000
_MOST_CONCEPTS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Reference:
    """A code, or a range of codes, that an instruction names; ``digit`` is asked for as 5th or 6th character."""

    first: str
    last: str
    digit: str | None = None

    def __str__(self) -> str:
        return self.first if self.first == self.last else f"{self.first}-{self.last}"

    def names(self, code: str) -> bool:
        """Whether the reference means this code or one above it."""
        first, last = self.first, self.last
        if not first <= code[: len(first)] or not code[: len(last)] <= last:
            return False
        return self.digit is None or self.digit in code.replace(".", "")[4:6]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        node: that carries it.
        kind: "excludes1", "code_first" or "use_additional".
        text: as printed, its list of examples cut short.
        references: the codes that it names; may be empty.
        must: a code without any of them is incomplete.
        examples: the codes are only some of those meant.
    """

    node: str
    kind: str
    text: str
    references: tuple[Reference, ...]
    must: bool
    examples: bool = False

    def names(self, code: str) -> bool:
        """Whether a reference means this code; where they are examples, another code of the category will do."""
        return any(named.names(code) or (self.examples and named.first[:3] == code[:3]) for named in self.references)


def references(text: str) -> tuple[Reference, ...]:
    """The codes in the brackets of an instruction.

    >>> [(r.first, r.last) for r in references("diabetes mellitus (E08-E13), nephritis (N05.-)")]
    [('E08', 'E13'), ('N05', 'N05')]
    """
    found = []
    for inside in _BRACKETS.findall(text):
        digit = _DIGIT.search(inside)
        for first, last in _REFERENCE.findall(inside):
            found.append(Reference(first.rstrip("."), (last or first).rstrip("."), digit[1] if digit else None))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Instructions:
    """The instructions of a release.

    Attributes:
        remarks: columns node, code, kind, text, in the order of the release.
        book: of the index.
    """

    remarks: pl.DataFrame
    book: CodeBook
    _by_node: dict[str, list[Instruction]] = field(default_factory=dict, repr=False)
    _by_concept: dict[int, list[Instruction]] = field(default_factory=dict, repr=False)
    _named: dict[tuple[int, str], frozenset[int]] = field(default_factory=dict, repr=False)
    _reached: dict[int, dict[str, frozenset[int]]] = field(default_factory=dict, repr=False)
    _ancestors: dict[int, frozenset[int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        lines: dict[tuple[str, str], list[str]] = {}
        wanted = self.remarks.filter(pl.col("kind").is_in(_KINDS)).select("node", "kind", "text")
        for node, kind, text in wanted.iter_rows():
            lines.setdefault((node, kind), []).append(text)
        for (node, kind), texts in lines.items():
            self._by_node.setdefault(node, []).extend(_grouped(node, kind, texts))

    def of(self, concept: int) -> list[Instruction]:
        """The instructions of a concept and of everything above it."""
        if concept not in self._by_concept:
            nodes = self.book.concepts["node"]
            above = [nodes[at] for at in sorted({concept, *self.book.ancestors(concept)})]
            self._by_concept[concept] = [item for node in above for item in self._by_node.get(node, ())]
        return self._by_concept[concept]

    def remark(self, proposals: Sequence[ProposedCode]) -> None:
        """Note conflicts and missing partners on the affirmed codes of a note, which are in the order of the list."""
        codes = [
            (proposal, base_code(self.book.codes[proposal.concept])) for proposal in proposals if proposal.affirmed
        ]
        there: dict[str, list[int]] = {}
        told: dict[int, set[str]] = {proposal.concept: set() for proposal, _ in codes}
        for at, (_, its) in enumerate(codes):
            there.setdefault(its[:3], []).append(at)
        for place, (proposal, code) in enumerate(codes):
            naming: dict[int, list[int]] = {}
            others = (at for at in self._in_named(proposal.concept, there) if codes[at][0] is not proposal)
            for at in sorted(others):
                for number in self._naming(proposal.concept, codes[at][1]):
                    naming.setdefault(number, []).append(at)
            for number, instruction in enumerate(self.of(proposal.concept)):
                named = naming.get(number, ())
                if instruction.kind == "excludes1":
                    for at in named:
                        self._conflict(instruction, (proposal, code), codes[at], told)
                elif named and instruction.kind == "code_first":
                    if min(named) > place:
                        proposal.remark(f"code first {codes[min(named)][1]}")
                        proposal.links.code_first.append(self.book.codes[codes[min(named)][0].concept])
                elif instruction.must and not named:
                    what = "code first" if instruction.kind == "code_first" else "use additional code"
                    proposal.remark(f"{what}, not found: {instruction.text}")
                    links: list[str] = getattr(proposal.links, instruction.kind)
                    links += [str(reference) for reference in instruction.references]

    def is_coded_first(self, concept: int, code: str) -> bool:
        """Whether a "code first" of a concept means a code, without a 7th character."""
        return any(self.of(concept)[number].kind == "code_first" for number in self._naming(concept, code))

    def _in_named(self, concept: int, there: Mapping[str, Sequence[int]]) -> Iterator[int]:
        """Of places by category, those in categories that a concept's instructions name."""
        for category in self._categories_named(concept).keys() & there.keys():
            yield from there[category]

    def _naming(self, concept: int, code: str) -> frozenset[int]:
        """Which of a concept's instructions name a code; the same pairs come again in note after note."""
        found = self._named.get((concept, code))
        if found is None:
            if len(self._named) >= _MOST_PAIRS:
                self._named.clear()
            ours, near = self.of(concept), self._categories_named(concept).get(code[:3], ())
            found = frozenset(number for number in near if ours[number].names(code))
            self._named[concept, code] = found
        return found

    def _categories_named(self, concept: int) -> dict[str, frozenset[int]]:
        """Numbers of a concept's instructions by the categories that their references reach."""
        found = self._reached.get(concept)
        if found is None:
            if len(self._reached) >= _MOST_CONCEPTS:
                self._reached.clear()
            numbers: dict[str, set[int]] = {}
            for number, instruction in enumerate(self.of(concept)):
                for named in instruction.references:
                    first = bisect_left(self._categories, named.first[:3])
                    for category in self._categories[first : bisect_right(self._categories, named.last[:3])]:
                        numbers.setdefault(category, set()).add(number)
            found = self._reached[concept] = {category: frozenset(some) for category, some in numbers.items()}
        return found

    @cached_property
    def _categories(self) -> list[str]:
        return sorted({code[:3] for code in self.book.codes})

    def _conflict(
        self,
        instruction: Instruction,
        one: tuple[ProposedCode, str],
        other: tuple[ProposedCode, str],
        told: Mapping[int, set[str]],
    ) -> None:
        """Say of two codes that an instruction of the first excludes the second, unless that is ``told`` of it."""
        node = self.book.position.get(instruction.node)
        if other[1] in told[one[0].concept] or node is None or node in self._above(other[0].concept):
            return
        for (proposal, _), (its, against) in ((one, other), (other, one)):
            said = f"Excludes1 at {instruction.node}: not with {against}"
            if against in told[proposal.concept]:
                proposal.remark(said)
            else:  # and so not said yet: many codes may exclude one another, and none looks through what is said
                proposal.remarks.append(said)
            told[proposal.concept].add(against)
            proposal.links.excludes.append(self.book.codes[its.concept])

    def _above(self, concept: int) -> frozenset[int]:
        found = self._ancestors.get(concept)
        if found is None:
            if len(self._ancestors) >= _MOST_CONCEPTS:
                self._ancestors.clear()
            found = self._ancestors[concept] = frozenset(self.book.ancestors(concept))
        return found


def _grouped(node: str, kind: str, texts: Sequence[str]) -> Iterator[Instruction]:
    """Lines as instructions: a line that ends in a colon heads a list, any of which will do."""
    open_: list[str] = []
    for text in texts:
        starts = kind == "excludes1" or text.endswith(":") or text.lower().startswith("code")
        if open_ and (starts or not open_[0].endswith(":")):
            yield _instruction(node, kind, open_)
            open_ = []
        open_.append(text)
    if open_:
        yield _instruction(node, kind, open_)


def _instruction(node: str, kind: str, lines: Sequence[str]) -> Instruction:
    found = references(" ".join(lines))
    text = _OPENING.sub("", " ".join(lines)).strip(" ,:")
    listed = lines[0].endswith(":") and not _OPENING.sub("", lines[0]).strip(" ,:")  # each item where it applies
    optional = bool(_OPTIONAL.search(lines[0])) or listed or (bool(found) and all(map(_is_circumstance, found)))
    must = not optional and (bool(_UNDERLYING.search(lines[0])) if kind == "code_first" else bool(found))
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rsplit(" ", 1)[0].rstrip(" ,(") + " …"
    return Instruction(node, kind, text, found, must, bool(_EXAMPLES.search(lines[0])))


def _is_circumstance(reference: Reference) -> bool:
    return within(reference.first, _NOT_MISSED)
