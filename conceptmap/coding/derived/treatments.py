"""Encounters for the treatment of a neoplasm: chemotherapy, immunotherapy and radiation that a stay or visit is for.

"Admitted for cycle 3 of R-CHOP" goes first, before the neoplasm (ICD-10-CM guideline I.C.2.e.2); who is treated and
comes for something else has no such code, nor has a note without a neoplasm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from conceptmap.coding.derived.found import Found
from conceptmap.coding.proposed_codes import ProposedCodes, codes_in, drop
from conceptmap.ontology.code_ranges import parse_ranges
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import all_of

__all__ = ["settle_treatments", "treatments"]

_CHEMOTHERAPY: Final = (
    r"chemo(?:therapy)?|(?:R-?)?CHOP|(?:DA-?)?(?:R-?)?EPOCH|FOLFOX|FOLFIRI(?:NOX)?|ABVD|BEACOPP|hyper-?CVAD|HiDAC"
    r"|7 ?\+ ?3|(?:R-?)?ICE|(?:R-?)?DHAP|BEP|CAPOX|methotrexate|HD-?MTX|carboplatin|cisplatin|oxaliplatin|paclitaxel"
    r"|docetaxel|gemcitabine|pemetrexed|bortezomib|azacitidine|decitabine|cytarabine|doxorubicin|ifosfamide|etoposide"
)
_IMMUNOTHERAPY: Final = (
    r"immunotherapy|pembrolizumab|keytruda|nivolumab|opdivo|ipilimumab|atezolizumab|durvalumab|rituximab|trastuzumab"
    r"|daratumumab|checkpoint inhibitor"
)
_RADIATION: Final = r"radiation(?: therapy| treatment)?|radiotherapy|XRT|brachytherapy|SBRT"
_SCHEDULED: Final = (
    r"(?:(?:the|his|her|a|an|scheduled|planned|elective|next|first|second|third|fourth|fifth|sixth|last|another|inpatient"
    r"|cycles?|rounds?|course|dose|day|infusion|administration|start|initiation|of|with|C\d+|D\d+|#?\d+|induction"
    r"|consolidation|maintenance|salvage|high[- ]dose|dose[- ]adjusted|adjuvant|neoadjuvant|palliative|whole[- ]brain"
    r"|IV|weekly|monthly|today|today's),? )*"
)
_ENCOUNTER: Final = re.compile(
    r"\b(?:admitted|readmitted|admission|admit|presents?|presented|here|comes?|came|returns?|scheduled|seen"
    r"|visit)\b(?: (?:today|electively|now|again|back|in|on \S+|to (?:the )?\w+))* (?:for|to (?:receive|begin|start"
    rf"|undergo)) {_SCHEDULED}(?:(?P<chemo>{_CHEMOTHERAPY})|(?P<immune>{_IMMUNOTHERAPY})|(?P<radiation>{_RADIATION}))\b"
    r"(?![- ](?:induced|related|associated|toxicity|complication))",
    re.IGNORECASE,
)
_CODES: Final = {"chemo": "Z51.11", "immune": "Z51.12", "radiation": "Z51.0"}
_GIVEN: Final = parse_ranges("Z51.0-Z51.1")
_NEOPLASMS: Final = parse_ranges("C00-D49 Z85")


def treatments(text: str) -> Iterator[Found]:
    """The treatments of a neoplasm that a note says it is for, with their half-open spans."""
    for match in all_of(_ENCOUNTER, text):
        if match.lastgroup:
            yield Found(match.start(match.lastgroup), match.end(match.lastgroup), _CODES[match.lastgroup])


def settle_treatments(proposals: ProposedCodes, book: CodeBook) -> None:
    """Take away, in place, the treatment of a neoplasm from a note that has none."""
    if codes_in(proposals, _GIVEN, book) and not codes_in(proposals, _NEOPLASMS, book):
        drop(proposals, _GIVEN, book)
