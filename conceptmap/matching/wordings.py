"""The wordings a clinician would use for a term that a classification prints in its own way.

"Unspecified asthma, uncomplicated" is "asthma" in a note. Each wording carries a quality, so that a term printed as
such always beats one that was shortened to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["EXACT", "LOOSE", "REVIEWED", "SHORTENED", "variants"]

REVIEWED, EXACT, SHORTENED, LOOSE = 4, 3, 2, 1
"""Quality of a wording: a reviewed synonym, as printed, without words that add nothing, or that add a little."""

_BRACKETS = re.compile(r"\s*(\((?![^()]*\bold\b|[^()]*\bof age\b)[^()]*\)|\[[^\[\]]*\])")
_EMPTY_WORDS = re.compile(
    r",?\s*\b(unspecified (?:part|site|portion|location|type|cause|side|organism|trimester|intent|severity|degree) of\b"
    r"|(?:of|to|in|at|on|by|due to|with|from) (?:an? )?unspecified (?:part|site|portion|location|type|cause|side|"
    r"organism|trimester|severity|degree|nature|mechanism|number)\b"
    r"|unspecified (?:site|part|type|cause|side|organism|trimester|severity|location|intent|stage|degree|etiology|"
    r"chronicity|duration|place|nature|form|state)\b"
    r"|not otherwise specified\b|not elsewhere classified\b|elsewhere classified\b|as unspecified\b"
    r"|unspecified as to [\w ]+"
    r"|unspecified\b|unsp\b|NOS\b|NEC\b)",
    re.IGNORECASE,
)
_EMPTY_TAILS = re.compile(
    r",?\s*(?:\bwithout (?:complications?|mention of [\w ]+|current [\w ]+|status (?:migrainosus|epilepticus)|"
    r"behaviou?ral disturbance.*|esophagitis|obstruction(?: or gangrene)?|hemorrhage or perforation|gangrene|"
    r"perforation(?: or abscess| or hemorrhage)?|bleeding|rupture|psychotic features|aura(?=,)|loss of consciousness|"
    r"foreign body|acute exacerbation|angina pectoris|heart failure|acute cor pulmonale|open wound)\b"
    r"|\b(?:uncomplicated|not intractable|single episode|of native coronary artery|initial encounter)\b)",
    re.IGNORECASE,
)
# parts of which these and "A or B" need one; most terms have none
_MAY_BE_EMPTY = ("unsp", "otherwise", "elsewhere", "nos", "nec")
_MAY_HAVE_TAIL = ("without", "uncompl", "intract", "single", "native", "initial")
_MAY_OFFER = (" or", " and")
_OTHER = re.compile(r"^(?:other (?:and )?(?:specified )?|other and |certain (?:other )?|specified )", re.IGNORECASE)
_OTHER_TAIL = re.compile(r",\s*(?:other|other specified|other site|multiple sites|specified)\b.*$", re.IGNORECASE)
_OR = re.compile(r"\b(\w[\w-]*) (?:and/or|and|or) (\w[\w-]*)\b", re.IGNORECASE)
_KNOWN_AS = re.compile(r"\b(?:also known as|so called|so stated)\b", re.IGNORECASE)
_WHAT_REMAINS = re.compile(
    r"\b(?!(?:of|in|the|and|or|with|related|other|due|to|specified|lesions?|conditions?|disorders?)\b)\w{3,}"
)
_COMMAS = re.compile(r"\s*,(?:\s*,)*\s*")


def variants(term: str, *, curated: bool = False) -> dict[str, int]:
    """Wordings of ``term`` with their quality, best first, the term itself included.

    Args:
        term: one term as its release prints it.
        curated: the term is a wording already (a reviewed synonym): only brackets are looked into.

    >>> variants("Essential (primary) hypertension")
    {'Essential (primary) hypertension': 3, 'Essential hypertension': 2}
    >>> variants("Malignant neoplasm of bladder, unspecified")["Malignant neoplasm of bladder"]
    2
    """
    found: dict[str, int] = {}
    for wording, quality in _wordings(term, curated):
        if quality > found.get(wording, 0):
            tidy = _tidy(wording)
            if tidy and quality > found.get(tidy, 0):
                found[tidy] = quality
    return found


def _wordings(term: str, curated: bool) -> Iterator[tuple[str, int]]:
    yield term, EXACT
    plain = _BRACKETS.sub("", term) if "(" in term or "[" in term else term
    yield plain, SHORTENED
    if curated:
        return
    folded = plain.casefold()
    short = _KNOWN_AS.sub("", plain) if "so " in folded else plain
    if _any_in(folded, _MAY_BE_EMPTY):
        short = _EMPTY_WORDS.sub("", short)
    yield short, SHORTENED
    core = _EMPTY_TAILS.sub("", short) if _any_in(folded, _MAY_HAVE_TAIL) else short
    yield core, SHORTENED
    specified = _OTHER.sub("", core)
    yield _OTHER_TAIL.sub("", specified) if "," in specified else specified, LOOSE
    if _any_in(folded, _MAY_OFFER):
        yield from _either(core, SHORTENED if core == plain else LOOSE)


def _any_in(text: str, parts: Iterable[str]) -> bool:
    """Whether the text holds one of the parts."""
    return any(map(text.__contains__, parts))


def _either(term: str, quality: int) -> Iterator[tuple[str, int]]:
    """Two wordings for "A and B" in a title, which means either.

    Only for one pair, and only where something else remains ("cancer of bronchus or lung").
    """
    pair = _OR.search(term)
    if pair and _WHAT_REMAINS.search(term[: pair.start()] + term[pair.end() :]):
        for side in pair.groups():
            yield term[: pair.start()] + side + term[pair.end() :], quality


def _tidy(wording: str) -> str:
    single = " ".join(wording.split())
    return (_COMMAS.sub(", ", single) if "," in single else single).strip(" ,;:-")
