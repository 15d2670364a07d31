"""CodeBook: the hierarchy of an index, and the step from a supported concept to the code that is written down.

ICD-10-CM is not coded at its headers. Where a header has a default (the child that says the same with "unspecified"),
that is what the Alphabetic Index sends a coder to; where a code needs a 7th character, "initial encounter" or
"unspecified" is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.ontology.semantic_types import ranks

__all__ = ["CodeBook"]

_FIRST_EXTENSIONS = ("A", "0", "9")  # first encounter, fetus not applicable or unspecified, eye unspecified
_EACH_CHARACTER, _STATUS, _RESIDUAL = 0.05, 0.8, 0.85
_IS_OTHER = re.compile(r"other\b", re.IGNORECASE)
_IN_DISEASE = re.compile(r"\b(?:in|due to) (?:[\w'-]+ ){1,3}diseases?\b|\bdiseases classified elsewhere\b")
_EYE_OPEN = re.compile(r"unspecified eye\Z")  # the one side that a 7th character names
_OF_WOMEN = re.compile(r"\bbreast, female\b|\bof female breast\b")  # nearly all of it, where the sex is not said
_PRESUMED = re.compile(  # guidelines I.C.19.e.5.b and I.C.15: without more, accidental; without more, in pregnancy
    r"accidental \(unintentional\)|\b(?:in|complicating) pregnancy"
)
_LEFT_OPEN = re.compile(r"unspecified|\bnot specified", re.IGNORECASE)
_OPEN = re.compile(r"\bunspecified\b")
_LEFT_TO_WORDS = re.compile(  # what is left over or open, and what only words say: sides, encounters, causes
    rf"{_LEFT_OPEN.pattern}|\bNOS\b|\bother (?:specified|disorders?|diseases?)\b"
    r"|\b(?:elsewhere classified|classified elsewhere|left|right|bilateral|unilateral|trimester|encounter|sequela)\b"
    r"|\b(?:due to|secondary|induced|caused by|following|postprocedural|post.?traumatic|associated with|idiopathic)\b",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"\b(left|right|bilateral|(?:first|second|third) trimester|stage \d|acute on chronic|acute|chronic)\b"
)
_NOTHING_SAID = re.compile(rf"{_SAID.pattern}|\b(?:unspecified|trimester|stage|ears?|eyes?)\b|s\b|\W+")


@dataclass(frozen=True, eq=False)
class CodeBook:
    """Concepts by position, with their children and defaults.

    Attributes:
        system: prefix of the ontology.
        concepts: the index's concepts frame.
        edges: its edges frame.
        lexicon: its lexicon, from which equal wordings are read; may be empty.
    """

    system: str
    concepts: pl.DataFrame
    edges: pl.DataFrame
    lexicon: pl.DataFrame
    _default: dict[int, int] = field(default_factory=dict, repr=False)
    _variants: dict[int, Mapping[str, int]] = field(default_factory=dict, repr=False)
    _plausible: dict[int, float] = field(default_factory=dict, repr=False)
    _more_exact: dict[int, Sequence[int]] = field(default_factory=dict, repr=False)

    @cached_property
    def codes(self) -> list[str]:
        """Code of each concept."""
        return self.concepts["code"].to_list()

    @cached_property
    def names(self) -> list[str]:
        """Preferred name of each concept."""
        return self.concepts["name"].to_list()

    @cached_property
    def words(self) -> frozenset[str]:
        """Normal forms of the words of its wordings."""
        return frozenset(self.lexicon["forms"].str.split(" ").explode().drop_nulls().unique().to_list())

    def plausibility(self, concept: int) -> float:
        """Share of its strength that a code keeps, in (0, 1], when codes are ranked.

        What a mention names is surer in ICD-10-CM than how it was coded: each character beyond the fourth is one
        more decision, "other specified" is what was left over, and a status or circumstance comes after a diagnosis.
        """
        found = self._plausible.get(concept)
        if found is None:
            found = self._plausible[concept] = self._share_kept(concept)
        return found

    def _share_kept(self, concept: int) -> float:
        code = self.codes[concept]
        if self.system != "icd10cm" or not code:
            return 1.0
        share = 1.0 - _EACH_CHARACTER * max(0, len(code) - len("E11.9"))
        return (
            share
            * (_STATUS if code[0] in "VWXYZ" else 1.0)
            * (_RESIDUAL if _IS_OTHER.match(self.names[concept]) else 1.0)
        )

    @cached_property
    def billable(self) -> list[bool | None]:
        """Whether a claim may carry the code; None in systems that know no such thing."""
        return self.concepts["billable"].to_list()

    @cached_property
    def types(self) -> list[str | None]:
        """Semantic types of each concept, joined; None where there are none."""
        known = "semantic_tag" in self.concepts.columns
        return self.concepts["semantic_tag"].to_list() if known else [None] * self.concepts.height

    @cached_property
    def _type_ranks(self) -> list[int | None]:
        return ranks(self.system, self.concepts).to_list()

    @cached_property
    def has_types(self) -> bool:
        """Whether concepts have semantic types that the system's table knows."""
        return any(rank is not None for rank in self._type_ranks)

    def preference(self, concept: int, among: Collection[int]) -> tuple[int, int]:
        """What a concept goes by among others with the same name: its type, then how many of them lie below it.

        The lower the sooner; the same for all in a system without types.
        """
        if not self.has_types or len(among) < 2:
            return 0, 0
        rank = self._type_ranks[concept]
        below = sum(other != concept and self.is_above(concept, other) for other in among)
        return len(self._type_ranks) if rank is None else rank, -below

    @cached_property
    def position(self) -> dict[str, int]:
        """Position by node."""
        return {node: i for i, node in enumerate(self.concepts["node"].to_list())}

    @cached_property
    def position_of_code(self) -> dict[str, int]:
        """Position by code; a category wins over a block of the same code."""
        out = {code: i for i, code in enumerate(self.codes)}
        out.update({node: i for node, i in self.position.items() if node in out})
        return out

    @cached_property
    def _expanded(self) -> list[bool]:
        if "expanded" not in self.concepts.columns:
            return [False] * self.concepts.height
        return self.concepts["expanded"].fill_null(value=False).to_list()

    @cached_property
    def children(self) -> list[list[int]]:
        """Positions of each concept's children, in the order of the release."""
        out: list[list[int]] = [[] for _ in range(self.concepts.height)]
        at = self.concepts.select("node").with_row_index("at")
        pairs = self.edges.select("parent", "child")
        for end in ("parent", "child"):
            pairs = pairs.join(at.rename({"node": end, "at": f"{end}_at"}), on=end, maintain_order="left")
        for parent, child in zip(pairs["parent_at"].to_list(), pairs["child_at"].to_list(), strict=True):
            out[parent].append(child)
        return out

    @cached_property
    def parents(self) -> list[list[int]]:
        """Positions of each concept's parents."""
        out: list[list[int]] = [[] for _ in range(self.concepts.height)]
        for parent, kids in enumerate(self.children):
            for kid in kids:
                out[kid].append(parent)
        return out

    @cached_property
    def first_parent(self) -> NDArray[np.int64]:
        """Position of each concept's first parent, -1 at the top. *Shape:* (n_concepts,)."""
        return np.array([above[0] if above else -1 for above in self.parents], dtype=np.int64)

    @cached_property
    def shelf(self) -> NDArray[np.int64]:
        """Position of each concept's category, where the first three characters of its code are one; else its parent's.

        *Shape:* (n_concepts,) int64.
        """
        found = [self.position_of_code.get(code[:3]) for code in self.codes]
        pairs = zip(found, self.first_parent.tolist(), strict=True)
        return np.array([parent if shelf is None else shelf for shelf, parent in pairs], dtype=np.int64)

    @cached_property
    def _keys(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        ordered = self.lexicon.filter(pl.col("quality") >= 1).sort("concept")
        starts = np.searchsorted(ordered["concept"].to_numpy(), np.arange(self.concepts.height + 1))
        return ordered["key"].to_numpy(), starts

    def keys(self, concept: int) -> frozenset[int]:
        """Keys of the wordings of a concept."""
        keys, starts = self._keys
        return frozenset(keys[starts[concept] : starts[concept + 1]].tolist())

    def ancestors(self, concept: int) -> set[int]:
        """All concepts above ``concept``, itself excluded."""
        seen: set[int] = set()
        queue = list(self.parents[concept])
        while queue:
            parent = queue.pop()
            if parent not in seen:
                seen.add(parent)
                queue += self.parents[parent]
        return seen

    def path(self, concept: int) -> list[int]:
        """One way up: the concept's first parent, its first parent, and so on to a root, root first."""
        out: list[int] = []
        while self.parents[concept]:
            concept = self.parents[concept][0]
            out.append(concept)
        return out[::-1]

    def is_above(self, ancestor: int, concept: int) -> bool:
        """Whether ``ancestor`` is a proper ancestor of ``concept``."""
        return ancestor in self.ancestors(concept)

    def is_expanded(self, concept: int) -> bool:
        """Whether the code only adds a 7th character to its parent."""
        return self._expanded[concept]

    def has_variants(self, concept: int) -> bool:
        """Whether the code leaves a side, trimester, stage or course open that its siblings name."""
        return bool(self._variants_of(concept))

    def variant(self, concept: int, said: str) -> int | None:
        """The code that says the same with a side ("left"), trimester, stage or course ("acute"); None without one."""
        return self._variants_of(concept).get(said)

    def variants(self, concept: int) -> Collection[int]:
        """The codes that ``variant`` may give."""
        return self._variants_of(concept).values()

    def _variants_of(self, concept: int) -> Mapping[str, int]:
        if concept not in self._variants:
            self._variants[concept] = self._siblings_that_say_more(concept)
        return self._variants[concept]

    def _siblings_that_say_more(self, concept: int) -> Mapping[str, int]:
        """Siblings that only add a side, trimester, stage or course, to the code or the headers that it stands for."""
        extended = self._expanded[concept] and not _EYE_OPEN.search(self.names[concept])
        base = self.parents[concept][0] if extended else concept
        out: dict[str, int] = {}
        while not out and self.parents[base] and _OPEN.search(name := self.names[base].lower()):
            bare, already = _NOTHING_SAID.sub(" ", name).split(), set(_SAID.findall(name))
            for sibling in (kid for parent in self.parents[base] for kid in self.children[parent]):
                other = self.names[sibling].lower()
                said = set(_SAID.findall(other))
                if already <= said and len(said - already) == 1 and _NOTHING_SAID.sub(" ", other).split() == bare:
                    out.setdefault((said - already).pop(), self.default(sibling))
            base = self.parents[base][0]
        return out

    def more_exact(self, concept: int) -> Sequence[int]:
        """The concepts of a code's category that say something, where the code leaves something open; else none.

        Titles that are residual, open themselves, or name a side, trimester, encounter or cause are left out, and so is
        what lies above the code.
        """
        found = self._more_exact.get(concept)
        if found is None:
            is_open = self.billable[concept] is True and _LEFT_OPEN.search(self.names[concept])
            above = {concept, *self.ancestors(concept)}
            shelf = self._saying_something(int(self.shelf[concept])) if is_open else ()
            found = self._more_exact[concept] = tuple(sorted({*shelf} - above))
        return found

    def _saying_something(self, concept: int) -> Iterator[int]:
        """What lies below a concept and says something."""
        for kid in self.children[concept]:
            if not self.is_expanded(kid):
                if not (_IS_OTHER.match(self.names[kid]) or _LEFT_TO_WORDS.search(self.names[kid])):
                    yield kid
                yield from self._saying_something(kid)

    def is_conditional(self, concept: int) -> bool:
        """Whether the name says in which disease ("… in Lyme disease"), which an inclusion term may leave unsaid."""
        return _IN_DISEASE.search(self.names[concept]) is not None

    def is_manifestation(self, concept: int) -> bool:
        """Whether the code is for "diseases classified elsewhere" and never stands alone (guideline I.A.13)."""
        return "classified elsewhere" in self.names[concept] and "not elsewhere" not in self.names[concept]

    def default(self, concept: int) -> int:
        """The code that a coder writes down for ``concept`` when nothing more is said.

        A concept without a default (in a system without billable codes, or a header whose children all say more than
        it does) is its own answer.
        """
        if concept not in self._default:
            at = concept  # other threads may ask meanwhile: the answer is kept only when it is whole
            for at in self._descend(concept):  # noqa: B007 - the last one counts
                pass
            self._default[concept] = at
        return self._default[concept]

    def _descend(self, concept: int) -> Iterator[int]:
        at: int | None = concept
        while at is not None and self.billable[at] is False:
            at = self._default_child(at)
            if at is not None:
                yield at

    def _default_child(self, concept: int) -> int | None:
        children = self.children[concept]
        if not children or self.concepts["kind"][concept] in ("chapter", "block"):
            return None
        if all(self._expanded[child] for child in children):
            return self._first_extension(children)
        own = self.keys(concept)
        same = [child for child in children if own & self.keys(child)]
        unspecified = [child for child in children if _LEFT_OPEN.search(self.names[child])]
        nine = [child for child in children if self.codes[child].endswith("9")]
        for choice in (
            [child for child in same if child in unspecified],
            same,
            [child for child in nine if child in unspecified],
            unspecified,
            nine,
            children if len(children) == 1 else [],
            [child for child in children if _PRESUMED.search(self.names[child])],
            [child for child in children if _OF_WOMEN.search(self.names[child])],
            [child for child in children if self.names[child].lower().startswith("other")],
            [child for child in children if self.codes[child].endswith("0")],
        ):
            if choice:
                return choice[0]
        return None

    def _first_extension(self, children: list[int]) -> int | None:
        for character in _FIRST_EXTENSIONS:
            for child in children:
                if self.codes[child].endswith(character):
                    return child
        return None
