"""What a run is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from conceptmap.coding.coding import check_include
from conceptmap.coding.reporting.setting import check_setting
from conceptmap.errors import InputError
from conceptmap.export.tables import TABLE_FORMATS

__all__ = ["FORMATS", "SITUATIONS_OF", "Asked", "Part", "Settings"]

FORMATS = (*TABLE_FORMATS, "xlsx", "wide", "omop", "fhir", "brat", "pubtator", "bioc", "cas", "spacy", "html")
SITUATIONS_OF = ("exact", "nearest")
"""Whose situation may stand for a mention: its own concept's, or the nearest concept's that has one."""
TAGS_ASKED = 5
TAGS_SHOWN = 3
"""Concepts of a word outside mentions in the report."""


@dataclass(frozen=True)
class Asked:
    """What is asked of the mapper: the part of the settings that a shard's content depends on.

    Attributes:
        include: see ``coding.INCLUDES``.
        tags: concepts of every token, 0 for none.
        candidates: ranked codes a note, accepted or not.
        setting: of all notes; None where each note shows it.
    """

    include: tuple[str, ...]
    tags: int
    candidates: int
    setting: str | None = None


@dataclass(frozen=True)
class Settings:
    """What a run is asked for.

    Attributes:
        include: see ``coding.INCLUDES``.
        tags: also write the concepts of every token.
        candidates: also write this many ranked codes a note, accepted or not.
        setting: of all notes: inpatient, visit or report; by default what each note shows.
        formats: of ``FORMATS``.
        rollup: what the columns ``rollup_code`` and ``rollup_name`` of the annotations hold: see ``rollup.roll_up``;
            or the path of a text file that lists codes.
        spreadsheet_safe: neutralise cells of the CSV files that a spreadsheet would take for a formula.
        athena: folder of an Athena download (CONCEPT.csv, CONCEPT_RELATIONSHIP.csv), for the concept ids of OMOP.
        mce: a Medicare Code Editor list (see ``code_edits``); without one sex and age edits are not assessed.
        date: ``nlp_date`` of OMOP, as YYYY-MM-DD; today when None.
        map_to: also write the codes mapped to this system, or by the map set of this id.
        situations: also write mentions with what is said of them as one concept: "exact", or "nearest" where concepts
            above serve too.

    Raises:
        InputError: something that there is not.
    """

    include: tuple[str, ...] = ()
    tags: bool = False
    candidates: int = 0
    setting: str | None = None
    formats: tuple[str, ...] = ("csv",)
    rollup: str | None = None
    spreadsheet_safe: bool = False
    athena: str | None = None
    mce: str | None = None
    date: str | None = None
    map_to: str | None = None
    situations: str | None = None

    def __post_init__(self) -> None:
        check_include(self.include)
        check_setting(self.setting)
        if unknown := [name for name in self.formats if name not in FORMATS]:
            raise InputError("unknown format", got=", ".join(unknown), expected=", ".join(FORMATS))
        if self.situations not in (None, *SITUATIONS_OF):
            raise InputError("unknown kind of situations", got=self.situations, expected=" or ".join(SITUATIONS_OF))
        if self.candidates < 0:
            raise InputError("candidates must not be negative", got=self.candidates, expected="0 or more")
        if self.athena is not None and "omop" not in self.formats:
            raise InputError("Athena's files serve the format omop alone", got=", ".join(self.formats))

    def asked(self, *, with_encoder: bool) -> Asked:
        """What the mapper has to find."""
        shown = TAGS_SHOWN if "html" in self.formats and with_encoder else 0
        tags = TAGS_ASKED if self.tags else shown
        return Asked(tuple(sorted(self.include)), tags, self.candidates, self.setting)


@dataclass(frozen=True)
class Part:
    """One of several jobs that share a run: of every ``of`` shards the ``number``-th is its own.

    >>> Part.read("2/8")
    Part(number=2, of=8)
    >>> Part.read("9/8")
    Traceback (most recent call last):
        ...
    conceptmap.errors.InputError: --shards must name a part: got 9/8, expected i/n with 1 <= i <= n, such as 1/8
    """

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Part:
        """A part written as ``i/n``.

        Raises:
            InputError: there is no such part.
        """
        number, _, of = text.partition("/")
        if number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of):
            return cls(int(number), int(of))
        raise InputError("--shards must name a part", got=text, expected="i/n with 1 <= i <= n, such as 1/8")

    def holds(self, shard: int) -> bool:
        """Whether a shard, counted from 0, belongs to this part."""
        return shard % self.of == self.number - 1
