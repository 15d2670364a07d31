"""Sources: a digest of the modules that make something, found by what they import of one another."""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from importlib.resources.abc import Traversable

__all__ = ["imported", "source_digest"]

_IMPORT = re.compile(rb"from (conceptmap[\w.]*) import (\([^)]*\)|[^\n#]*)")
"""The one form of import in this package. Parsing the files takes 20 times as long, and this is done at every start."""
_NAME = re.compile(rb"\w+")


def source_digest(module: str, *, apart: tuple[str, ...] = (), package: Traversable | None = None) -> str:
    """Hexadecimal sha256 over a module, all of our own modules that it needs, and our own tables.

    Args:
        module: such as ``conceptmap.index.embedded``.
        apart: packages whose modules do not count, nor what only they need.
        package: the folder of conceptmap, instead of the one that is running.
    """
    home = resources.files("conceptmap") if package is None else package
    read: dict[str, bytes] = {}
    waiting = {module}
    while waiting:
        name = waiting.pop()
        if name not in read and not name.startswith(apart):
            file = _file(home, name)
            assert file is not None
            read[name] = file.read_bytes()
            waiting |= imported(read[name], home)
    tables = {entry.name: entry.read_bytes() for entry in home.joinpath("data").iterdir() if entry.name[-4:] == ".csv"}
    digest = hashlib.sha256()
    for name, content in sorted({**read, **tables}.items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def imported(source: bytes, package: Traversable) -> set[str]:
    """Our own modules that a file imports anywhere, inside functions too.

    ``from conceptmap.index import files`` is the module ``conceptmap.index.files``; of a name that a package itself
    holds, it is ``conceptmap.index.__init__``.
    """
    found: set[str] = set()
    for origin, listed in _IMPORT.findall(source):
        module = origin.decode()
        if _file(package, module) is not None:
            found.add(module)
            continue
        inside = {f"{module}.{name.decode()}" for name in _NAME.findall(listed)}
        modules = {name for name in inside if _file(package, name) is not None}
        found |= modules if modules == inside else {*modules, f"{module}.__init__"}
    return found


def _file(package: Traversable, module: str) -> Traversable | None:
    """A module's file; None where it is a package, or there is none."""
    file = package.joinpath("/".join(module.split(".")[1:]) + ".py")
    return file if file.is_file() else None
