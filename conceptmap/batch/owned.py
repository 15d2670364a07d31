"""Which files of an output folder are this program's own: the list of all that it writes, and what runs wrote down.

``run.json`` holds the digests of a run's files, ``brat_notes.csv`` those of the folder ``brat``. While outputs are
moved into place ``run.json`` is away: ``written.json``, in the hidden folder of the shards, then holds the digests of
what was there and of what comes, so that a run that is killed just then knows its files again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from conceptmap.annotated.doc_bin import DOCS
from conceptmap.batch.runfile import RUN_FILE, recognised
from conceptmap.batch.settings import Settings
from conceptmap.errors import InputError
from conceptmap.export.brat import BRAT, CONFIGURATION, FILES, digests_in, is_member
from conceptmap.export.corpora.cas import CAS
from conceptmap.export.corpora.pubtator import BIOC, PUBTATOR
from conceptmap.export.omop_conditions import CONDITIONS
from conceptmap.export.report.pages import ARCHIVE, FIRST
from conceptmap.export.tables import TABLE_FORMATS
from conceptmap.export.wide import MATRIX, WIDE
from conceptmap.export.workbook import WORKBOOK
from conceptmap.files import Owned, digest_now, foreign_error, json_of, sha256_file

__all__ = [
    "JOURNAL",
    "OVERWRITE",
    "SHARDS",
    "blocked_error",
    "check_folder",
    "is_output",
    "journal_of",
    "journal_text",
    "owned_of",
    "there",
    "unlike",
]

SHARDS = re.compile(r"\.shards-[0-9a-f]{16}")
"""Names of the hidden folders of shards."""
JOURNAL = "written.json"
FORMAT = "conceptmap files 1"
PAGE = re.compile(r"report-\d{4,}\.html")
DOCUMENTS = {
    "omop": ("note_nlp.csv", "omop_notes.csv", CONDITIONS),
    "fhir": ("bundles.ndjson",),
    "html": (FIRST, ARCHIVE),
    "wide": (WIDE, MATRIX),
    "xlsx": (WORKBOOK,),
    "brat": (FILES,),
    "pubtator": (PUBTATOR,),
    "bioc": (BIOC,),
    "cas": (CAS,),
    "spacy": (DOCS,),
}
NUMBERED = {"html": PAGE, "spacy": re.compile(r"docs-\d{4,}\.spacy")}
"""Further files of a format, as many as the notes need."""
TABLES = ("annotations", "mentions", "codes", "tags", "candidates", "mapped", "situations")
OVERWRITE = "type --overwrite to replace files of these names, or choose another folder"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_output(name: str) -> bool:
    """Whether a run can write a file of this name, a path in its folder with ``/`` between.

    >>> [is_output(name) for name in ("codes.csv", "report-0002.html", "brat/n1.ann", "brat/../n1.ann", "..")]
    [True, True, True, False, False]
    """
    return name in _OUTPUTS or _is_numbered(name, NUMBERED) or is_member(name)


def _is_numbered(name: str, formats: Iterable[str]) -> bool:
    return any(form in NUMBERED and NUMBERED[form].fullmatch(name) is not None for form in formats)


_OUTPUTS = {
    RUN_FILE,
    *(f"{table}.{suffix}" for table in TABLES for suffix in TABLE_FORMATS),
    *(name for names in DOCUMENTS.values() for name in names),
}


def _written_by(settings: Settings) -> Callable[[str], bool]:
    """Which files a run with these settings may write; how many pages and notes is not known before they are read."""
    tables = ["annotations", "mentions", "codes", *(["tags"] if settings.tags else [])]
    tables += ["candidates"] if settings.candidates else []
    tables += ["mapped"] if settings.map_to else []
    tables += ["situations"] if settings.situations else []
    names = {RUN_FILE, *(f"{table}.{suffix}" for table in tables for suffix in settings.formats)}
    names |= {name for form in settings.formats for name in DOCUMENTS.get(form, ())}
    brat = "brat" in settings.formats
    return lambda name: name in names or _is_numbered(name, settings.formats) or (brat and is_member(name))


def check_folder(target: Path, settings: Settings, *, overwrite: bool = False) -> None:
    """Refuse a folder in which a run would replace what is not this program's.

    Raises:
        InputError: it would, and it was not asked to; or something that is no file stands in the way of one.
    """
    if os.path.lexists(target) and not target.is_dir():
        raise InputError(f"{target} is no folder", expected="a folder, or a name that is free", then="choose another")
    names = [name for name in there(target) if _written_by(settings)(name)]
    if blocked := unlike(target, [*names, *([f"{BRAT}/{CONFIGURATION}"] if "brat" in settings.formats else [])]):
        raise blocked_error(target / blocked)
    if overwrite or not owned_of(target).foreign(names):
        return
    if foreign := owned_of(target).foreign(names):  # another run may have been moving what it wrote down
        raise foreign_error(target, foreign, then=OVERWRITE)


def there(target: Path) -> list[str]:
    """Names of the list that are in a folder, however a file system spells them."""
    if not target.is_dir():
        return []
    names = [name for name in sorted(_OUTPUTS) if os.path.lexists(target / name)]
    names += [entry.name for entry in target.iterdir() if _is_numbered(entry.name, NUMBERED)]
    if _is_folder(target / BRAT):
        names += [name for entry in (target / BRAT).iterdir() if is_member(name := f"{BRAT}/{entry.name}")]
    return names


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def unlike(target: Path, names: Iterable[str]) -> str | None:
    """What stands where a file should be, and is a folder; or where the folder should be, and is none."""
    brat = target / BRAT
    blocked = os.path.lexists(brat) and not _is_folder(brat)
    for name in names:
        if blocked and name.startswith(f"{BRAT}/"):
            return BRAT
        if _is_folder(target / name):
            return name
    return None


def blocked_error(path: Path) -> InputError:
    """The error that says what stands in the way, and is never replaced."""
    got, expected = ("a folder", "a file") if _is_folder(path) else ("no folder", "a folder")
    return InputError(f"{path} is in the way", got=got, expected=expected, then="choose another output folder")


def owned_of(target: Path, *, journals: bool = True) -> Owned:
    """What runs of this program have written down about their files in a folder.

    What is about to be moved into place is written down before it is, so whoever looks for files first finds them here.

    Args:
        target: the output folder.
        journals: also what runs wrote down that did not end; else ``run.json`` alone.
    """
    record: dict[str, set[str]] = {}
    for journal in _journals(target) if journals else ():
        for name, digests in journal.items():
            record.setdefault(name, set()).update(digests)
    for name, digest in _of_run_file(target):
        record.setdefault(name, set()).add(digest)
    return Owned(target, {name: frozenset(digests) for name, digests in record.items()})


def _of_run_file(target: Path) -> Iterator[tuple[str, str]]:
    """What ``run.json`` says of its files, and what the list of the folder ``brat`` says of those."""
    try:
        content = (target / RUN_FILE).read_bytes()
    except OSError:
        return
    facts = recognised(content)
    if not isinstance(files := facts.get("files"), dict):
        return
    yield RUN_FILE, hashlib.sha256(content).hexdigest()
    yield from _checked(files.items())
    listed = target / FILES
    if files.get(FILES) is not None and digest_now(listed) == files[FILES]:
        yield from _checked(digests_in(listed))
    elif BRAT in files and _folder_digest(target / BRAT) == files[BRAT]:  # as the first versions wrote it
        yield from ((f"{BRAT}/{path.name}", sha256_file(path)) for path in (target / BRAT).iterdir())


def _checked(entries: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """Names and digests that can be such of our files."""
    for name, digest in entries:
        if is_output(name) and isinstance(digest, str) and _SHA256.fullmatch(digest):
            yield name, digest


def _folder_digest(folder: Path) -> str | None:
    try:
        if folder.is_symlink():
            return None
        digests = {path.name: digest_now(path) for path in sorted(folder.iterdir())}
    except OSError:
        return None
    return None if None in digests.values() else hashlib.sha256(json.dumps(digests).encode()).hexdigest()


# -- the journal ------------------------------------------------------------------------------------------------------


def journal_text(record: Mapping[str, frozenset[str]]) -> str:
    """A record as the text of ``written.json``."""
    return json.dumps({"format": FORMAT, "files": {name: sorted(digests) for name, digests in record.items()}})


def journal_of(path: Path) -> dict[str, frozenset[str]] | None:
    """The record in a ``written.json``; None for anything else."""
    try:
        found = json_of(path.read_bytes())
        if found["format"] != FORMAT:
            return None
        entries = [(name, digest) for name, digests in found["files"].items() for digest in digests]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    record: dict[str, frozenset[str]] = {}
    for name, digest in _checked(entries):
        record[name] = record.get(name, frozenset()) | {digest}
    return record


def _journals(target: Path) -> Iterator[dict[str, frozenset[str]]]:
    if not target.is_dir():
        return
    for folder in target.iterdir():
        if SHARDS.fullmatch(folder.name) and not folder.is_symlink():
            yield journal_of(folder / JOURNAL) or {}
