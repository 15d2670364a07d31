"""Organisms of infections: what grew where names the infection more exactly, and is not said twice.

"Sepsis due to E. coli" and "pneumonia … sputum grew MRSA" have codes that name the organism
(``data/organisms_<system>.csv``). An organism belongs to an infection of its sentence, unless it grew from elsewhere:
the urine of a sentence is not its pneumonia. A code of chapter 1 for an organism (B95-B97) stays where an infection
still needs it, goes where every infection says it, and is nothing without an infection, of which alone it is the
cause (tabular list, B95-B97).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode, ProposedCodes, add, codes_in, exchange, take
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["ORGANISMS", "with_organisms"]

ORGANISMS: Final = parse_ranges("B95-B97")
_ON_ITS_OWN: Final = parse_ranges("B96.81")
"""Helicobacter pylori is found and treated without a disease of its own."""
_SEPSIS: Final = parse_ranges("A40-A41")
_SHOCK: Final = parse_ranges("R65.2")
_TAKES_ONE: Final = parse_ranges(
    "G04.2 G06 H00-H05 H60-H70 I30.1 I33 J20.8-J20.9 J21.8-J21.9 J22 J32 J36 J39.0-J39.1 J85-J86 J96 K04 K12.2 K25-K29"
    " K35-K37 K57 K61 K63.0 K65 K67-K68 K75.0 K81 K83.0 L00-L08 L89 L97 M00.0 M00.2 M00.8 M46.2-M46.5 M60.0 M71.0-M71.1"
    " M72.6 M86 N10-N13 N15.1 N30 N34 N39.0 N41 N45 N49 N61 N70-N77 O23 O86 R78.81 T80.2 T81.4 T82.6-T82.7"
    " T83.5-T83.6 T84.5-T84.7 T85.7"
)
"""Infections whose codes leave the organism to a second one."""
_INFECTIONS: Final = parse_ranges(
    "A00-B94 B99 D73.3 E08-E13 G00-G09 H00-H95 I00-I02 I30-I41 I76-I80 J00-J99 K00-K95 L00-L99 M00-M01 M46 M60-M86"
    " N10-N99 O00-O9A P00-P96 R65 R78.81 S00-T88 Z22"
)
_GREW: Final = re.compile(
    r"\b(?:cultur\w+|cx|[bu]cx|grew|grow\w*|gram stain|pcr|antigen|panel|positive|pos|isolate\w*|stain)\b",
    re.IGNORECASE,
)
_SOURCES: Final = (
    ("blood", r"blood|bcx|bacter[a]?emi[ac]|septic[a]?emi[ac]"),
    ("lung", r"urin\w+ antigen|sputum|bal|balf|bronch\w*|trache\w*|endotracheal|respiratory"),
    ("urine", r"urine|urinary|ucx|msu"),
    ("spine", r"csf|cerebrospinal|lumbar puncture"),
    ("joint", r"synovial|joint"),
    ("throat", r"throat|pharyn\w+|tonsil\w*"),
    ("wound", r"wound|tissue|abscess|pus|drain\w*|bone|skin|pleural|peritoneal|ascitic|bile|operative|intraop\w*"),
    ("stool", r"stool|f[a]?eces"),
)
_SOURCE: Final = re.compile("|".join(rf"(?P<{name}>\b(?:{words})\b)" for name, words in _SOURCES), re.IGNORECASE)
_BOTH_GREW: Final = re.compile(
    r"\b(?:blood(?: cultures?| cx)?(?: \d/\d)? ?(?:and|&|/|\+) ?urine"
    r"|urine(?: cultures?| cx)? ?(?:and|&|/|\+) ?blood)\b",
    re.IGNORECASE,
)
"""What grew in both is the cause of a sepsis, and the infection of the urine names it, too."""
_OF: Final = {
    "urine": parse_ranges("N10-N13 N15.1 N30 N34 N39.0 N41 O23 T83.5"),
    "blood": parse_ranges("I33 R78.81"),
    "lung": parse_ranges("J20.8-J20.9 J21.8-J21.9 J22 J85-J86"),
    "joint": parse_ranges("M00.0 M00.2 M00.8 T84.5"),
    "wound": parse_ranges(
        "G06 J86 K35 K57 K61 K63.0 K65 K68 K75.0 K81 L02-L03 L08 L89 L97 M72.6 M86 T81.4 T82.7 T84.5-T84.7"
    ),
}
"""Infections that an organism of this source belongs to, wherever the note names them."""
_STEM: Final = 5
_PNEUMONIA: Final = re.compile(r"\bpneumonia\b")


@dataclass(frozen=True, slots=True)
class _Row:
    infection: Ranges
    source: str
    organism: Ranges
    gives: str


def with_organisms(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces, taken: ProposedCodes) -> None:
    """Give the infections of a note the codes that name their organisms, in place.

    Args:
        proposals: the codes of the note.
        book: of the index; systems without a table of organisms have no such rules.
        around: where their mentions stand.
        taken: receives the codes that a more exact one replaces, with the reason.
    """
    rows = _rows(book.system)
    _of_no_site(proposals, book, around)
    if rows:
        _of_sepsis(proposals, rows, book, around)
    organisms = codes_in(proposals, ORGANISMS, book) if rows else []
    if not organisms:
        return
    named = {
        organism.concept
        for row in rows
        for organism in organisms
        if within(book.codes[organism.concept], row.organism) and _names(row, organism, proposals, book, around)
    }
    for organism in organisms:
        if organism.concept in named and not _is_needed(organism, proposals, book, around):
            take(proposals, organism.concept, "named by the code of its infection", taken)
    if around.setting != "report" and not codes_in(proposals, _INFECTIONS, book):
        for organism in codes_in(proposals, ORGANISMS, book):
            if not within(book.codes[organism.concept], _ON_ITS_OWN):
                take(proposals, organism.concept, "the cause of an infection, and the note has none", taken)


def _of_no_site(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> None:
    """Give an infection "of unspecified site" the code of its organism beside an infection of its sentence."""
    for code, organism in _NO_SITE:
        for proposal in codes_in(proposals, parse_ranges(code), book):
            at = book.position_of_code.get(organism)
            beside = codes_in(proposals, _TAKES_ONE, book)
            if at is not None and any(around.together(proposal.numbers, one.numbers) for one in beside):
                exchange(proposals, proposal, at, f"the organism of {book.codes[beside[0].concept]} (A49 Excludes1)")


def _of_sepsis(proposals: ProposedCodes, rows: Sequence[_Row], book: CodeBook, around: MentionPlaces) -> None:
    """Give the infection right behind "sepsis due to E. coli …" the organism that the code of the sepsis says."""
    for sepsis in codes_in(proposals, _SEPSIS, book):
        code = book.codes[sepsis.concept]
        grew = next((row.organism for row in rows if row.source == "blood" and row.gives == code), ())
        lung = next((row for row in rows if row.source == "lung" and grew and within(grew[0][0], row.organism)), None)
        for number in sepsis.numbers if grew else ():
            end = around.spans[number][1]
            behind = number + 1 if number + 1 < len(around.spans) and around.spans[number + 1][0] - end <= 1 else -1
            lungs = [p for p in codes_in(proposals, _LUNGS, book) if behind in p.numbers]
            if lung and (lungs or _PNEUMONIA.search(around.says([number]))):
                at = book.default(book.position_of_code[lung.gives])
                made = add(proposals, at, [number], sepsis.strength, affirmed=True, remark=f"the organism of {code}")
                made.completes.update(p.concept for p in lungs)
            elif any(behind in p.numbers for p in codes_in(proposals, _TAKES_ONE, book)):
                organism = book.position_of_code.get(_FIRST.get(grew[0][0], grew[0][0]))
                if organism is not None:
                    said = f"the organism of {code}"
                    add(proposals, organism, [behind], sepsis.strength, affirmed=True, remark=said)


_FIRST: Final = {"B96.2": "B96.20"}
_LUNGS: Final = parse_ranges("J18.9")
_NO_SITE: Final = (("A49.01", "B95.61"), ("A49.02", "B95.62"), ("A49.3", "B96.0"))


def _names(row: _Row, organism: ProposedCode, proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> bool:
    """Whether the code that a row gives says an organism; it is given where an infection of the row is its own."""
    named = "=" not in row.gives and bool(codes_in(proposals, parse_ranges(row.gives), book))
    for infection in codes_in(proposals, row.infection, book):
        given = _given(row, infection, book)
        if given is not None and _belongs(organism, _mentions_of(infection, proposals, book), row.source, around):
            _name(given, infection, organism, proposals, book)
            named = True
    if row.source == "lung" and (numbers := _called_pneumonia(organism, around)):
        at = book.default(book.position_of_code[row.gives])
        add(proposals, at, numbers, organism.strength, affirmed=True, remark="pneumonia with its organism")
        named = True
    return named


def _mentions_of(infection: ProposedCode, proposals: ProposedCodes, book: CodeBook) -> list[int]:
    """The mentions of an infection; those of its shock speak of a sepsis, too."""
    shocks = codes_in(proposals, _SHOCK, book) if within(book.codes[infection.concept], _SEPSIS) else []
    return [*infection.numbers, *(number for shock in shocks for number in shock.numbers)]


def _belongs(organism: ProposedCode, numbers: Sequence[int], source: str, around: MentionPlaces) -> bool:
    """Whether a mention of an organism names the cause of the infection that some mentions tell of."""
    for number in organism.numbers:
        grew = _source(number, around)
        beside = around.together([number], numbers)
        if source in (grew, "any") or (beside and grew in ("", "blood")):
            return True
    return False


def _source(number: int, around: MentionPlaces) -> str:
    """Where the organism of a mention grew, by the last word before it in its sentence, else the first behind it."""
    sentence = around.sentence(number)
    line = around.line(number)
    if sentence < 0 or not _GREW.search(line):
        return ""
    if _BOTH_GREW.search(line):
        return "blood"
    at = around.spans[number][0] - around.sentences[sentence][0]
    found = ""
    for match in _SOURCE.finditer(line):
        if match.start() > at and found:
            break
        found = match.lastgroup or ""
    return found


def _called_pneumonia(organism: ProposedCode, around: MentionPlaces) -> list[int]:
    """Mentions of an organism that call the disease by it: "Klebsiella pneumonia" is no "Klebsiella pneumoniae"."""
    return [number for number in organism.numbers if _PNEUMONIA.search(around.says([number]))]


def _given(row: _Row, infection: ProposedCode, book: CodeBook) -> int | None:
    code = row.gives.replace("=", book.codes[infection.concept][_STEM:] or "0")
    at = book.position_of_code.get(code)
    return None if at is None else book.default(at)


def _name(
    given: int, infection: ProposedCode, organism: ProposedCode, proposals: ProposedCodes, book: CodeBook
) -> None:
    strength = min(infection.strength, organism.strength)
    remark = f"{book.codes[infection.concept]} with its organism: {book.codes[organism.concept]}"
    made = add(proposals, given, [*infection.numbers, *organism.numbers], strength, affirmed=True, remark=remark)
    if given != infection.concept:
        made.completes.add(infection.concept)


def _is_needed(organism: ProposedCode, proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> bool:
    """Whether an infection that leaves the organism to a second code stands beside it, or grew it."""
    done = {concept for proposal in proposals.values() for concept in proposal.completes}
    infections = [one for one in codes_in(proposals, _TAKES_ONE, book) if one.concept not in done]
    if codes_in(proposals, _SEPSIS, book):  # which says the bacteria in the blood (R78.81 Excludes1)
        infections = [one for one in infections if not book.codes[one.concept].startswith("R78")]
    for number in organism.numbers:
        of = _OF.get(_source(number, around), ())
        if any(around.together([number], i.numbers) or within(book.codes[i.concept], of) for i in infections):
            return True
    return False


@cache
def _rows(system: str) -> Sequence[_Row]:
    return tuple(_read(system))


def _read(system: str) -> Iterator[_Row]:
    for row in read_rows("organisms", system):
        yield _Row(parse_ranges(row["infection"]), row["source"], parse_ranges(row["organism"]), row["gives"])
