"""The injuries of a classification by what their titles say: kind, site, side and manner (ICD-10-CM S00-S99, T20-T25).

"Displaced fracture of base of fifth metacarpal bone, left hand" is a fracture, of {base, fifth, metacarpal, hand},
left, displaced. What a note says of an injury is looked up among these: every word of the site has to be said, and
every manner but "displaced", which a fracture is unless called otherwise (guideline I.C.19.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from conceptmap.ontology.codebook import CodeBook

__all__ = ["Injury", "injuries_of", "most_exact", "site_words"]

KINDS: Final = ("fracture", "laceration", "contusion", "abrasion", "sprain", "dislocation", "subluxation", "burn")
_TITLE: Final = re.compile(r"S\d\d|T2[0-5]")
_TAIL: Final = re.compile(r",? ?initial encounter.*$|, (?:right|left) side$", re.IGNORECASE)
_NOT_OURS: Final = re.compile(
    r"with foreign body|physeal|salter|torus|greenstick|stress|corrosion|pathological|nontraumatic|with penetration"
    r"|superficial (?:injury|bite)"
    r"|multiple sites|bilateral|crushing|into (?:abdominal|thoracic|retro)|with abnormal|penetrating",
    re.IGNORECASE,
)
_MANNERS: Final = frozenset(
    "displaced nondisplaced comminuted spiral oblique transverse segmental anterior posterior inferior superior"
    " lateral medial"
    " first_degree second_degree third_degree minor moderate major bimalleolar trimalleolar intertrochanteric"
    " subtrochanteric"
    " supracondylar intraarticular extraarticular incomplete complete avulsion rotary partial".split()
)
_SILENT: Final = frozenset(
    "of the a an and or with without foreign body unspecified other specified part parts bone joint injury"
    " traumatic for closed"
    " open wound initial encounter closed to in by area region damage nail level end wall site ligament".split()
)
_SIDES: Final = frozenset({"left", "right", "unspecified_side"})
_WORD: Final = re.compile(r"[a-z_]+")


@dataclass(frozen=True, slots=True)
class Injury:
    """An injury by its title.

    Attributes:
        concept: position of its code for the first encounter.
        site: words that name where it is; all of them have to be said.
        side: "left", "right", "unspecified", or "" where there are no sides.
        manners: words that say how it is.
        other: whether it is what the others left over.
    """

    concept: int
    site: frozenset[str]
    side: str
    manners: frozenset[str]
    other: bool


_CACHE: WeakKeyDictionary[CodeBook, dict[str, Sequence[Injury]]] = WeakKeyDictionary()


def injuries_of(book: CodeBook, kind: str) -> Sequence[Injury]:
    """The injuries of a kind in a code book; its titles are read when it is first asked for."""
    kinds = _CACHE.setdefault(book, {})
    if kind not in kinds:
        kinds[kind] = [injury for at, title in _titles(book, kind) for injury in _entries(at, title, kind)]
    return kinds[kind]


def _titles(book: CodeBook, kind: str) -> Iterator[tuple[int, str]]:
    """The codes of a kind for the first encounter, and their titles without what says so."""
    for code, at in book.position_of_code.items():
        if code[-1:] == "A" and code[:1] in ("S", "T") and len(code) == len("S00.00XA") and _TITLE.match(code):
            title = _TAIL.sub("", book.names[at])
            first = next((named for named in KINDS if named in title.lower()), None)
            if first == kind and not _NOT_OURS.search(title):
                yield at, title


def _entries(at: int, title: str, kind: str) -> list[Injury]:
    """The readings of a title: one for each site that it offers ("forehead and cheek")."""
    folded = re.sub(r"\b(first|second|third) degree\b", r"\1_degree", title.lower())
    side = next((word for word in ("left", "right") if re.search(rf"\b{word}\b", folded)), "")
    if not side and re.search(r"unspecified (?:side|\w+$|\w+ \w+$)", folded.replace("unspecified part", "")):
        side = "unspecified"
    other = folded.startswith("other ")
    tokens = [word for word in _WORD.findall(folded) if word not in _SILENT and word not in _SIDES and word != kind]
    manners = frozenset(word for word in tokens if word in _MANNERS)
    offered = re.search(r"\bof (?:\w+ )*?(\w+) and (\w+)(?: area)?$", folded) if kind == "burn" else None
    site = frozenset(word for word in tokens if word not in _MANNERS)
    sites = [site - {offered[2]}, site - {offered[1]}] if offered else [site]
    return [Injury(at, one, side, manners, other) for one in sites if one]


def most_exact(
    book: CodeBook, kind: str, said: frozenset[str], side: str, *, manners: frozenset[str] = frozenset()
) -> Injury | None:
    """The injury of a kind that says most of what a note says, and nothing that it does not.

    Args:
        book: of the index.
        kind: one of ``KINDS``.
        said: words of the note, as titles write them.
        side: "left", "right" or "".
        manners: manners that count as said.
    """
    best: tuple[tuple[int, bool, int, bool, int], Injury] | None = None
    allowed = said | manners | (frozenset() if "nondisplaced" in said else frozenset({"displaced"}))
    for injury in injuries_of(book, kind):
        if not injury.site <= said or not injury.manners <= allowed or injury.side not in (side, "", "unspecified"):
            continue
        if kind == "burn" and not injury.manners & said:
            continue
        key = (
            len(injury.site),
            injury.side == side,
            len(injury.manners & (said | manners)),
            not injury.other,
            -injury.concept,
        )
        if best is None or key > best[0]:
            best = key, injury
    return best[1] if best else None


_AS_TITLES: Final = (
    (r"\bfxs?\b|\bfractured?s?\b|\bfractures\b", "fracture"),
    (r"\blacs?\b|\blacerations?\b|\blacerated\b", "laceration"),
    (r"\bbruis(?:e[sd]?|ing)\b|\bcontusions?\b|\becchymos[ie]s\b|\bhematomas?\b", "contusion"),
    (r"\babrasions?\b|\bscrapes?\b|\bscraped\b|\broad rash\b", "abrasion"),
    (r"\bsprain(?:ed|s)?\b", "sprain"),
    (r"\bdislocat(?:ion|ed|ions)\b", "dislocation"),
    (r"\bburn(?:s|ed|t)?\b", "burn"),
    (r"\bnon-displaced\b|\bundisplaced\b|\bminimally displaced\b", "nondisplaced"),
    (r"\b5th\b|\bV\b", "fifth"),
    (r"\b4th\b", "fourth"),
    (r"\b3rd\b", "third"),
    (r"\b2nd\b", "second"),
    (r"\b1st\b", "first"),
    (r"\bMC\b|\bmetacarpals?\b", "metacarpal hand"),
    (r"\bMT\b|\bmetatarsals?\b", "metatarsal foot"),
    (r"\bmid-?shaft\b|\bdiaphys\w+\b", "shaft"),
    (r"\bfemoral neck\b|\bNOF\b|\bneck of (?:the )?femur\b", "neck femur"),
    (r"\bfemoral\b|\bthigh ?bone\b", "femur"),
    (r"\btibial\b|\btib\b", "tibia"),
    (r"\bfibular\b|\bfib\b", "fibula"),
    (r"\bdistal radius\b|\bwrist (?=fracture)", "lower radius"),
    (r"\bproximal humer\w+\b", "upper humerus"),
    (r"\bhumeral\b", "humerus"),
    (r"\bshoulder\b", "shoulder humerus"),
    (r"\bradial\b", "radius"),
    (r"\bulnar\b", "ulna"),
    (r"\bdistal\b", "lower"),
    (r"\bproximal\b", "upper"),
    (r"\bforehead\b", "head forehead"),
    (r"\btongue\b", "oral cavity"),
    (r"\bshins?\b|\bcal(?:f|ves)\b", "lower leg"),
    (r"\bclavicular\b|\bcollar ?bone\b", "clavicle"),
    (r"\bbrow\b", "eyelid periocular"),
    (r"\bback of the (?=\w+ ?hand|hand)", "back "),
    (r"trochanteric hip\b", "trochanteric femur"),
    (r"\bhip\b(?=[^.]{0,20}\bfracture)", "neck femur"),
    (r"\bsternal\b", "sternum"),
    (r"\bpatellar\b|\bknee ?cap\b", "patella"),
    (r"\bheel\b", "foot heel"),
    (r"\bmandibular\b|\bjaw\b", "mandible"),
    (r"\bnose\b", "nasal nose"),
    (r"\bpulmonary\b", "lung"),
    (r"\bfull[- ]thickness\b|\b3rd[- ]degree\b|\bthird[- ]degree\b", "third_degree"),
    (
        r"\b(?:superficial |deep |mixed )*partial(?:[- ]thickness)?\b|\b2nd[- ]degree\b|\bsecond[- ]degree\b"
        r"|\bblister\w*",
        "second_degree",
    ),
    (r"\bfirst[- ]degree\b|\b1st[- ]degree\b", "first_degree"),
)
_REWRITTEN: Final = tuple((re.compile(words, re.IGNORECASE), title) for words, title in _AS_TITLES)


def site_words(text: str) -> str:
    """A text with the words of notes in those of titles: "5th MC fx" becomes "fifth metacarpal fracture".

    >>> site_words("midshaft fx of 5th MC")
    'shaft fracture of fifth metacarpal hand'
    """
    for words, title in _REWRITTEN:
        text = words.sub(title, text)
    return text.lower()
