"""The invented SNOMED CT release with situations; of these the attributes and their values are the real ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from invented import ACUTE, FINDING, LUMENEL, RF2, ROOT, VELMORA, VELMORA_LUMENELITIS, copied, file_of

from conceptmap.readers.sctid import with_check_digits

OF, FINDING_CONTEXT, TIME, SUBJECT = "246090004", "408729009", "408731000", "408732007"
PRESENT, ABSENT, SUSPECTED, PROBABLY_NOT = "410515003", "410516002", "415684004", "410593006"
EITHER, NOW, PAST = "410511007", "410512000", "410513005"
PATIENT, FAMILY, MOTHER = "410604004", "444148008", "444301002"
SITE_OF = "363698007"
VALUES = (PRESENT, ABSENT, SUSPECTED, PROBABLY_NOT, EITHER, NOW, PAST, PATIENT, FAMILY, MOTHER)
_DATE, _MODULE, _CASE = "20250101", "900000000000207008", "900000000000448009"
_FSN, _SYNONYM, _PREFERRED, _US = "900000000000003001", "900000000000013009", "900000000000548007", "900000000000509007"
_IS_A, _INFERRED, _ANY = "116680003", "900000000000011006", "900000000000451002"
_PRIMITIVE, _FULL = "900000000000074008", "900000000000073002"

SITUATIONS = {
    # what it is called: its parts (finding, context, time, subject), and whether it is sufficiently defined
    "Velmora disease in the kin": ((VELMORA, PRESENT, EITHER, FAMILY), True),
    "Velmora disease in the mother": ((VELMORA, PRESENT, EITHER, MOTHER), True),
    "Velmora disease in the kin, in rhyme": ((VELMORA, PRESENT, EITHER, FAMILY), False),
    "Kin free of velmora disease": ((VELMORA, ABSENT, EITHER, FAMILY), True),
    "Velmora disease away": ((VELMORA, ABSENT, NOW, PATIENT), True),
    "Velmora disease of old": ((VELMORA, PRESENT, PAST, PATIENT), True),
    "Velmora disease feared": ((VELMORA, SUSPECTED, NOW, PATIENT), True),
    "Velmora disease hardly so": ((VELMORA, PROBABLY_NOT, NOW, PATIENT), True),
    "Velmora disease as it is": ((VELMORA, PRESENT, EITHER, PATIENT), True),
    "Family history of lumenel disorder": (None, False),
    "History of lumenel disorder": (None, False),
    "No lumenel disorder": (None, False),
    "Suspected lumenel disorder": (None, False),
}
"""Of the last four the names alone tell what they are."""
CODES = {
    name: str(code)
    for name, code in zip(
        SITUATIONS, with_check_digits(np.arange(500_000, 500_000 + len(SITUATIONS)) * 100), strict=True
    )
}
PLAIN = (VELMORA, LUMENEL, ACUTE, VELMORA_LUMENELITIS)


def situated(folder: Path, *, of_two: str | None = None) -> Path:
    """A copy of the release with situations.

    Args:
        folder: for the copy.
        of_two: a situation that is about two findings.
    """
    release = copied(RF2, folder)
    numbers = iter(range(600_000, 700_000))
    codes = [*VALUES, *CODES.values()]
    full = {code: _FULL if SITUATIONS[name][1] else _PRIMITIVE for name, code in CODES.items()}
    _append(
        release, "sct2_Concept_Snapshot", ((code, _DATE, "1", _MODULE, full.get(code, _PRIMITIVE)) for code in codes)
    )
    described, members = [], []
    for code in codes:
        name = next((name for name, own in CODES.items() if own == code), f"Value {code}")
        tag = "situation" if code in full else "qualifier value"
        for kind, term in ((_FSN, f"{name} ({tag})"), (_SYNONYM, name)):
            number = _component(next(numbers), 1)
            described.append((number, _DATE, "1", _MODULE, code, "en", kind, term, _CASE))
            uuid = f"00000000-0000-4000-8000-{int(number):012d}"
            members.append((uuid, _DATE, "1", _MODULE, _US, number, _PREFERRED))
    _append(release, "sct2_Description_Snapshot", described)
    _append(release, "der2_cRefset_LanguageSnapshot", members)
    rows = [(code, FINDING if code in full else ROOT, "0", _IS_A) for code in codes if code != MOTHER]
    rows.append((MOTHER, FAMILY, "0", _IS_A))
    for name, (parts, _) in SITUATIONS.items():
        attributes = zip((OF, FINDING_CONTEXT, TIME, SUBJECT), parts or (), strict=False)
        rows += [(CODES[name], value, "1", attribute) for attribute, value in attributes]
    if of_two:
        rows += [(CODES[of_two], LUMENEL, "1", OF)]
    _append(
        release,
        "sct2_Relationship_Snapshot",
        (
            (_component(next(numbers), 2), _DATE, "1", _MODULE, source, target, group, kind, _INFERRED, _ANY)
            for source, target, group, kind in rows
        ),
    )
    return release


def _component(number: int, kind: int) -> str:
    return str(with_check_digits(np.array([number * 100 + kind]))[0])


def _append(release: Path, name: str, rows: Iterable[Sequence[str]]) -> None:
    with file_of(release, name).open("ab") as file:
        file.write("".join("\t".join(row) + "\r\n" for row in rows).encode())
