"""File names for notes: made of their ids, different on every file system, and readable backwards."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, unquote

__all__ = ["FILE_NAME", "FileNames", "file_name", "note_id_of"]

FILE_NAME = r"[A-Za-z0-9_%~][A-Za-z0-9_.~%-]{0,139}"
"""What a name may look like, as a regular expression. None starts with a dot or a dash."""
LONGEST_NAME = 120
KEPT = 80
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)", re.IGNORECASE)
"""What Windows takes for a device, whatever follows the first dot."""
_EDGES = re.compile(r"^[.-]|\.$")


def file_name(note_id: str) -> str:
    """A file name, without its suffix: the id, with what file systems do not take, or take for something else, as %XX.

    A long one is cut and gets ``~`` and a digest of the id; no other name holds a ``~``.

    >>> file_name("ward 3/17"), file_name("n1"), file_name(".."), file_name("con.1"), file_name("a~1")
    ('ward%203%2F17', 'n1', '%2E%2E', '%63on.1', 'a%7E1')
    """
    name = _EDGES.sub(_escaped, quote(note_id, safe="").replace("~", "%7E"))
    name = f"{_escaped(name[0])}{name[1:]}" if _RESERVED.match(name) else name
    return name if 0 < len(name) <= LONGEST_NAME else f"{name[:KEPT]}~{_digest(note_id)}"


def _escaped(character: str | re.Match[str]) -> str:
    return f"%{ord(character if isinstance(character, str) else character[0]):02X}"


def _digest(note_id: str) -> str:
    return hashlib.sha256(note_id.encode()).hexdigest()[:32]


def note_id_of(name: str) -> str | None:
    """The id that a name was made of; None where only the list of names can say.

    >>> note_id_of("ward%203%2F17"), note_id_of(file_name("x" * 300))
    ('ward 3/17', None)
    """
    return None if "~" in name else unquote(name)


class FileNames:
    """The names of the notes of one run. An id that differs from an earlier one only in case gets its digest, too."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, note_id: str) -> str:
        """The name of a note's files, to be asked for once for each note.

        >>> names = FileNames()
        >>> names.of("A1"), names.of("a1")[:3]
        ('A1', 'a1~')
        """
        name = file_name(note_id)
        if name.lower() in self._taken:
            name = f"{name[:KEPT]}~{_digest(note_id)}"
        self._taken.add(name.lower())
        return name
