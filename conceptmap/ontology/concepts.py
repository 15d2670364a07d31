"""The systems that codes come from: prefixes, code syntax and check digits, CURIEs, FHIR URIs, licences."""

from __future__ import annotations

import re
from dataclasses import dataclass

from conceptmap.errors import InputError

__all__ = [
    "SYSTEMS",
    "VERHOEFF_PERMUTED",
    "VERHOEFF_PRODUCT",
    "System",
    "check_code",
    "curie",
    "is_sctid",
    "parse_curie",
    "system_of",
]


@dataclass(frozen=True)
class System:
    """A code system: where its codes are from and under which terms they may be used.

    Attributes:
        prefix: lower-case word used in file columns, CURIEs and on the command line.
        name: its full name.
        fhir_uri: ``system`` of a FHIR Coding.
        licence: what a user must know before using it.
        url: where its releases are published.
    """

    prefix: str
    name: str
    fhir_uri: str
    licence: str
    url: str


SYSTEMS: dict[str, System] = {
    system.prefix: system
    for system in (
        System(
            "snomedct",
            "SNOMED CT",
            "http://snomed.info/sct",
            "SNOMED International affiliate licence; free of charge in member countries",
            "https://www.snomed.org/get-snomed",
        ),
        System(
            "icd10cm",
            "ICD-10-CM",
            "http://hl7.org/fhir/sid/icd-10-cm",
            "public domain in the United States (CMS and NCHS)",
            "https://www.cms.gov/medicare/coding-billing/icd-10-codes",
        ),
        System(
            "icd10",
            "ICD-10 (WHO)",
            "http://hl7.org/fhir/sid/icd-10",
            "World Health Organization licence; no derivatives without permission",
            "https://icdaccessmanagement.who.int",
        ),
        System(
            "umls",
            "UMLS Metathesaurus",
            "http://www.nlm.nih.gov/research/umls",
            "UMLS Metathesaurus licence (NLM), with further terms for some sources",
            "https://www.nlm.nih.gov/research/umls",
        ),
        System(
            "rxnorm",
            "RxNorm",
            "http://www.nlm.nih.gov/research/umls/rxnorm",
            "NLM's own names are free to use; other sources in the full release are under the UMLS licence",
            "https://www.nlm.nih.gov/research/umls/rxnorm",
        ),
        System(
            "doid",
            "Human Disease Ontology",
            "http://purl.obolibrary.org/obo/doid.owl",
            "CC0 1.0",
            "https://disease-ontology.org",
        ),
        System(
            "hp",
            "Human Phenotype Ontology",
            "http://human-phenotype-ontology.org",
            "free to use with attribution and the release named; no changed copies",
            "https://hpo.jax.org",
        ),
        System(
            "mondo",
            "Mondo Disease Ontology",
            "http://purl.obolibrary.org/obo/mondo.owl",
            "CC BY 4.0",
            "https://mondo.monarchinitiative.org",
        ),
    )
}
"""Every system that codes are checked for, by prefix."""

# A code as stored, and what the error says it should look like.
_ICD = r"[A-Z][0-9][0-9A-Z](?:\.[0-9A-Z]{1,4})?"
_ICD_RANGE = r"[A-Z][0-9][0-9A-Z]-[A-Z][0-9][0-9A-Z]"
_SYNTAX: dict[str, tuple[re.Pattern[str], str]] = {
    "snomedct": (re.compile(r"[1-9][0-9]{5,17}"), "6 to 18 digits with a valid check digit, such as 22298006"),
    "icd10cm": (
        re.compile(rf"{_ICD}|{_ICD_RANGE}|[1-9]|1[0-9]|2[0-2]"),
        "a code such as E11.9, block A00-A09, chapter 4",
    ),
    "icd10": (re.compile(rf"{_ICD}|{_ICD_RANGE}|[IVX]{{1,6}}"), "a code such as E11.9, block A00-A09, chapter IV"),
    "umls": (
        re.compile(r"C[0-9]{7}|CL[0-9]{6,7}"),
        "C and seven digits, such as C0011849, or CL and six of the NCI Metathesaurus",
    ),
    "rxnorm": (re.compile(r"[1-9][0-9]{0,7}"), "1 to 8 digits, such as 161"),
    "doid": (re.compile(r"DOID:[0-9]+"), "such as DOID:4080"),
    "hp": (re.compile(r"HP:[0-9]{7}"), "such as HP:0001250"),
    "mondo": (re.compile(r"MONDO:[0-9]{7}"), "such as MONDO:0005148"),
}
_ICD_WITHOUT_DOT = re.compile(r"([A-Z][0-9][0-9A-Z])([0-9A-Z]{1,4})")
_OBO = {"doid": "DOID", "hp": "HP", "mondo": "MONDO"}


def system_of(prefix: str) -> System:
    """Returns the system with that prefix.

    Raises:
        InputError: no such system; the message lists those there are.

    >>> system_of("snomedct").fhir_uri
    'http://snomed.info/sct'
    """
    if prefix not in SYSTEMS:
        raise InputError("unknown system", got=repr(prefix), expected=f"one of {', '.join(SYSTEMS)}")
    return SYSTEMS[prefix]


def check_code(system: str, code: str) -> str:
    """Returns the code as it is stored, or raises.

    White space around it is dropped, letters become upper case, ICD codes get their dot, OBO codes their prefix.

    Raises:
        InputError: an unknown system, or a code that cannot be one of that system.

    >>> check_code("icd10cm", "e119"), check_code("doid", "4080")
    ('E11.9', 'DOID:4080')
    """
    system_of(system)
    pattern, expected = _SYNTAX[system]
    normal = code.strip().upper()
    if system in ("icd10cm", "icd10") and (parts := _ICD_WITHOUT_DOT.fullmatch(normal)):
        normal = f"{parts[1]}.{parts[2]}"
    if system in _OBO and ":" not in normal:
        normal = f"{_OBO[system]}:{normal}"
    if not pattern.fullmatch(normal) or (system == "snomedct" and not is_sctid(normal)):
        raise InputError(f"not a {SYSTEMS[system].name} code", got=repr(code), expected=expected)
    return normal


def curie(system: str, code: str) -> str:
    """Returns system and code as one string; OBO codes are such strings already.

    >>> curie("icd10cm", "E11.9"), curie("doid", "DOID:4080")
    ('icd10cm:E11.9', 'DOID:4080')
    """
    return check_code(system, code) if system in _OBO else f"{system_of(system).prefix}:{check_code(system, code)}"


def parse_curie(text: str) -> tuple[str, str]:
    """Returns the system and the code of a CURIE.

    Raises:
        InputError: no colon, an unknown prefix, or a code that its system cannot have.

    >>> parse_curie("icd10cm:E11.9"), parse_curie("DOID:4080")
    (('icd10cm', 'E11.9'), ('doid', 'DOID:4080'))
    """
    prefix, colon, code = text.strip().partition(":")
    if not colon:
        raise InputError("not a CURIE", got=repr(text), expected="system:code, such as icd10cm:E11.9")
    system = prefix.lower()
    return system, check_code(system, code)


# Verhoeff's check over the dihedral group of the pentagon: SNOMED CT Release File Specification, "Check-digit"
# (SCTID data type); J. Verhoeff, Error Detecting Decimal Codes, 1969.
_TURN = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _times(a: int, b: int) -> int:
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
    return 5 + (a - b) % 5 if b < 5 else (a - b) % 5


VERHOEFF_PRODUCT = tuple(tuple(_times(a, b) for b in range(10)) for a in range(10))
"""What two digits make together."""


def _permutations() -> tuple[tuple[int, ...], ...]:
    rows = [tuple(range(10))]
    while len(rows) < 8:
        rows.append(tuple(_TURN[digit] for digit in rows[-1]))
    return tuple(rows)


VERHOEFF_PERMUTED = _permutations()
"""What a digit counts as at each position from the right, which repeat after eight."""


def is_sctid(text: str) -> bool:
    """Says whether the text is a SNOMED CT identifier: 6 to 18 digits whose Verhoeff check comes out.

    >>> is_sctid("22298006"), is_sctid("22298007")
    (True, False)
    """
    if not (6 <= len(text) <= 18 and text.isascii() and text.isdigit() and text[0] != "0"):
        return False
    check = 0
    for position, digit in enumerate(reversed(text)):
        check = VERHOEFF_PRODUCT[check][VERHOEFF_PERMUTED[position % 8][int(digit)]]
    return check == 0
