"""Sex and age edits of the Medicare Code Editor, from the list that the user supplies; without one nothing is assessed.

CMS publishes the lists each year as "Definitions of Medicare Code Edits". Its text (copied out of the PDF, or as a text
file) is read by its headings: newborn, pediatric, maternity and adult diagnoses, diagnoses for females and for males
only, manifestation codes and unacceptable principal diagnoses. A CSV file with the columns code and edit will do too.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from conceptmap.errors import InputError, said_columns

__all__ = ["CodeEdits", "read_edits"]

_HEADINGS: Final = (
    (re.compile(r"newborn diagnos[ei]s", re.IGNORECASE), "newborn"),
    (re.compile(r"pa?ediatric diagnos[ei]s", re.IGNORECASE), "pediatric"),
    (re.compile(r"maternity diagnos[ei]s", re.IGNORECASE), "maternity"),
    (re.compile(r"adult diagnos[ei]s", re.IGNORECASE), "adult"),
    (re.compile(r"diagnos[ei]s for females only", re.IGNORECASE), "female"),
    (re.compile(r"diagnos[ei]s for males only", re.IGNORECASE), "male"),
    (re.compile(r"manifestation codes?\b.*principal", re.IGNORECASE), "not principal"),
    (re.compile(r"unacceptable principal diagnos[ei]s", re.IGNORECASE), "not principal"),
    (re.compile(r"^\s*(?:\d+\.|chapter\b|procedures? for|appendix\b)", re.IGNORECASE), ""),
)
_AGES: Final = {"newborn": (0, 0), "pediatric": (0, 17), "maternity": (9, 64), "adult": (15, 124)}
_RANGE: Final = re.compile(r"\(age (\d+) (?:through|to|-) (\d+)\)", re.IGNORECASE)
_CODE_LINE: Final = re.compile(r"^\s*([A-Z]\d[0-9A-Z]\.?[0-9A-Z]{0,4})(?:\s{1,}\S|\s*$)")
_SEXES: Final = {"female": "F", "male": "M"}
_EDITS: Final = (*_AGES, *_SEXES, "not principal")


@dataclass(frozen=True)
class CodeEdits:
    """What codes ask of a patient; codes without their dot.

    Attributes:
        sex: "F" or "M" by code.
        ages: first and last year of age, both included, by code; a code may be on several lists.
        not_principal: codes that are no principal diagnosis.
    """

    sex: dict[str, str] = field(default_factory=dict)
    ages: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    not_principal: frozenset[str] = frozenset()

    def remarks(self, code: str, sex: str | None, age: int | None) -> list[str]:
        """What a code gets wrong of a patient; what is not known is not assessed.

        >>> edits = CodeEdits(sex={"C61": "M"}, ages={"F03": [(15, 124)]})
        >>> edits.remarks("C61", "F", None)
        ['sex edit: for males only']
        >>> edits.remarks("C61", None, 80)
        []
        """
        bare = code.replace(".", "")
        out = []
        wanted = self.sex.get(bare)
        if wanted and sex in _SEXES.values() and sex != wanted:
            out.append(f"sex edit: for {'females' if wanted == 'F' else 'males'} only")
        if age is not None:
            out += [f"age edit: for {a} to {b} years" for a, b in self.ages.get(bare, ()) if not a <= age <= b]
        return out

    def added(self, codes: pl.DataFrame, notes: pl.DataFrame) -> pl.DataFrame:
        """The codes of notes with their edits said in ``notes``.

        Args:
            codes: schema ``frames.CODES``.
            notes: note_id and, where known, sex (F, M) and age_years, or birth_date and note_date.
        """
        patients = {note_id: (sex, age) for note_id, sex, age in _patients(notes)}
        said = []
        for note_id, system, code, remarks in codes.select("note_id", "system", "code", "notes").iter_rows():
            more = self.remarks(code, *patients.get(note_id, (None, None))) if system == "icd10cm" else []
            if "proposed as principal" in remarks and code.replace(".", "") in self.not_principal:
                more.append("principal diagnosis edit: not acceptable as such")
            said.append("; ".join(part for part in (remarks, *more) if part))
        return codes.with_columns(notes=pl.Series("notes", said, dtype=pl.String))


def read_edits(path: str | Path) -> CodeEdits:
    """Read a Medicare Code Editor list.

    Raises:
        InputError: it cannot be read, or holds no edit that is known.
    """
    try:
        text = Path(path).read_text("utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {os.fspath(path)}", got=error.strerror or type(error).__name__) from None
    lines = text.splitlines()
    rows = list(_from_csv(lines) if Path(path).suffix.lower() == ".csv" else _from_text(lines))
    if not rows:
        expected = "the text of Definitions of Medicare Code Edits, or a CSV file with the columns code and edit"
        raise InputError(f"{os.fspath(path)} holds no sex or age edit", expected=expected)
    return _edits(rows)


def _edits(rows: Iterable[tuple[str, str, tuple[int, int] | None]]) -> CodeEdits:
    found = CodeEdits()
    never = set()
    for code, edit, ages in rows:
        if edit in _SEXES:
            found.sex[code] = _SEXES[edit]
        elif edit in _AGES:
            found.ages.setdefault(code, []).append(ages or _AGES[edit])
        else:
            never.add(code)
    return CodeEdits(found.sex, found.ages, frozenset(never))


def _from_text(lines: Iterable[str]) -> Iterator[tuple[str, str, tuple[int, int] | None]]:
    edit, ages = "", None
    for line in lines:
        code = _CODE_LINE.match(line)
        if code and edit:
            yield code[1].replace(".", ""), edit, ages
            continue
        for heading, name in _HEADINGS:
            if heading.search(line):
                said = _RANGE.search(line)
                edit, ages = name, (int(said[1]), int(said[2])) if said else None
                break


def _from_csv(lines: list[str]) -> Iterator[tuple[str, str, tuple[int, int] | None]]:
    reader = csv.DictReader(lines)
    if missing := [name for name in ("code", "edit") if name not in (reader.fieldnames or ())]:
        raise InputError(
            "the list of edits lacks columns", got=said_columns(reader.fieldnames or ()), expected=", ".join(missing)
        )
    for number, row in enumerate(reader, 1):
        edit = (row["edit"] or "").strip().lower()
        if edit not in _EDITS:
            raise InputError(f"row {number} of the list of edits names an unknown edit", expected=", ".join(_EDITS))
        yield (row["code"] or "").strip().replace(".", ""), edit, None


def _patients(notes: pl.DataFrame) -> Iterator[tuple[str, str | None, int | None]]:
    for row in notes.iter_rows(named=True):
        sex = str(row.get("sex") or "").strip().upper()[:1] or None
        yield row["note_id"], sex, _age(row)


def _age(row: dict[str, Any]) -> int | None:
    """Completed years, as given or from two dates written year first."""
    given = row.get("age_years")
    if given not in (None, ""):
        try:
            return int(float(str(given)))
        except ValueError:
            return None
    born, seen = (re.match(r"(\d{4})-(\d\d)-(\d\d)", str(row.get(name) or "")) for name in ("birth_date", "note_date"))
    if not born or not seen:
        return None
    before_birthday = (seen[2], seen[3]) < (born[2], born[3])
    return int(seen[1]) - int(born[1]) - before_birthday
