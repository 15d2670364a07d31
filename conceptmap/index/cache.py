"""Indexes built once and kept in the user's cache folder: found by their facts, locked, rebuilt when damaged.

Other facts make another index, so every new vocabulary or encoder leaves one behind: an index that nobody has opened
for a month is removed after the next one of its kind is built.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from conceptmap.errors import IndexMismatchError, InputError, OutOfSpaceError
from conceptmap.files import remove_known, writing
from conceptmap.index.cosine_scale import MEASURED
from conceptmap.index.files import read_json, remove_stale
from conceptmap.index.index import ConceptIndex
from conceptmap.index.manifest import FORMAT_VERSION
from conceptmap.index.opening import LAYOUT

__all__ = ["UNUSED_DAYS", "cache_folder", "cached_index"]

UNUSED_DAYS = 30
"""An index that was not opened for so many days may be removed."""


def cache_folder() -> Path:
    """Where indexes are kept: ``$CONCEPTMAP_CACHE``, or the platform's cache folder of the user."""
    given = os.environ.get("CONCEPTMAP_CACHE")
    return Path(given) if given else platformdirs.user_cache_path("conceptmap", appauthor=False)


def cached_index(
    facts: Mapping[str, str],
    build: Callable[[], ConceptIndex],
    *,
    name: str,
    folder: str | Path | None = None,
) -> ConceptIndex:
    """The index that these facts describe: opened when it is there, else built, saved and opened.

    The facts are its key, so they must hold everything that the index depends on, and should be cheap to find out:
    versions of packages, digests of data files, the encoder's name and revision, the stored type, the centring. An
    index is opened without a lock and without calling ``build``; two processes that need the same one build it once.
    After a build, indexes of the same name that were not opened for ``UNUSED_DAYS`` are removed.

    Args:
        facts: what the index is made of; recorded in its manifest, beside what was measured of its cosines.
        build: makes the index.
        name: start of the folder's name, for people who look into the cache.
        folder: instead of `cache_folder`.

    Returns:
        The index as opened from disk, or as built (with a warning) where it cannot be saved.

    Warns:
        UserWarning: a damaged index is rebuilt, or the cache cannot be written to.
    """
    home = Path(folder) if folder is not None else cache_folder()
    target = home / f"{name}-{_key(facts)}"
    if (found := _opened(target, facts, warn=True)) is not None:
        return found
    lock = _lock_of(target)
    try:
        with writing(home):
            home.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except (InputError, OutOfSpaceError) as error:
        warnings.warn(f"the index is not kept: {error}", stacklevel=2)
        return build()
    try:
        if (found := _opened(target, facts, warn=False)) is not None:
            return found
        index = _saved(target, facts, build())
    finally:
        lock.release()
    _remove_unused(home, name, target)
    return index


def _key(facts: Mapping[str, str], version: int = FORMAT_VERSION) -> str:
    text = json.dumps([version, sorted(facts.items())], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _made_of(facts: Mapping[str, str]) -> dict[str, str]:
    """Facts of a manifest without those that were measured when the index was built."""
    return {name: value for name, value in facts.items() if name not in MEASURED}


def _lock_of(target: Path, timeout: float = -1) -> FileLock:
    return FileLock(target.with_name(f".{target.name}.lock"), timeout)


def _opened(target: Path, facts: Mapping[str, str], *, warn: bool) -> ConceptIndex | None:
    """The index in a folder, or None when there is none that can be used."""
    if not target.is_dir():
        return None
    with suppress(OSError):  # a folder that may only be read
        os.utime(target / "manifest.json")
    try:
        index = ConceptIndex.open(target)
    except IndexMismatchError as error:
        if warn and target.is_dir():
            warnings.warn(f"the cached index is built again: {error}", stacklevel=3)
        return None
    return index if _made_of(index.manifest.facts) == dict(facts) else None


def _saved(target: Path, facts: Mapping[str, str], built: ConceptIndex) -> ConceptIndex:
    """Save under the lock and open again; what killed processes left behind is cleared away."""
    remove_stale(target, LAYOUT)
    measured = {name: value for name, value in built.manifest.facts.items() if name in MEASURED}
    index = replace(built, manifest=replace(built.manifest, facts={**facts, **measured}))
    try:
        index.save(target, overwrite=True)
    except (InputError, OutOfSpaceError) as error:
        warnings.warn(f"the index is not kept: {error}", stacklevel=3)
        return index
    return ConceptIndex.open(target)


def _remove_unused(home: Path, name: str, newest: Path) -> None:
    """Remove indexes of this name that were not opened for long; what cannot be removed stays.

    One that is being built or removed is locked; one that is open elsewhere was opened a month ago, and the files that
    a process has mapped outlive their names.
    """
    for folder in home.glob(f"{name}-*"):
        if folder == newest or not _is_unused(folder, name):
            continue
        with suppress(OSError, Timeout), _lock_of(folder, timeout=0):
            if _is_unused(folder, name):  # still, now that nobody else can build it
                former = folder.with_name(f".{folder.name}.former-{secrets.token_hex(6)}")
                folder.replace(former)
                remove_known(former, LAYOUT.names.__contains__)


def _is_unused(folder: Path, name: str) -> bool:
    """Whether a folder is one of ours, its name the key of what its manifest holds, and was not opened for long."""
    try:
        if folder.is_symlink() or time.time() - (folder / "manifest.json").stat().st_mtime < UNUSED_DAYS * 86_400:
            return False
        manifest = read_json(folder / "manifest.json")
        return folder.name == f"{name}-{_key(_made_of(manifest['facts']), manifest['format'])}"
    except (OSError, IndexMismatchError, KeyError, AttributeError, TypeError):
        return False
