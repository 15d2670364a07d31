"""Indexes built once and kept in the user's cache folder: found by their facts, locked, rebuilt when damaged."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import platformdirs
from filelock import FileLock

from conceptmap.errors import IndexMismatchError, InputError, OutOfSpaceError
from conceptmap.files import writing
from conceptmap.index import ConceptIndex
from conceptmap.manifest import FORMAT_VERSION

__all__ = ["cache_folder", "cached_index"]


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

    Args:
        facts: what the index is made of; recorded in its manifest.
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
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        with writing(home):
            home.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except InputError as error:
        warnings.warn(f"the index is not kept: {error}", stacklevel=2)
        return build()
    try:
        return _opened(target, facts, warn=False) or _saved(target, facts, build())
    finally:
        lock.release()


def _key(facts: Mapping[str, str]) -> str:
    text = json.dumps([FORMAT_VERSION, sorted(facts.items())], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _opened(target: Path, facts: Mapping[str, str], *, warn: bool) -> ConceptIndex | None:
    """The index in a folder, or None when there is none that can be used."""
    if not target.is_dir():
        return None
    try:
        index = ConceptIndex.open(target)
    except IndexMismatchError as error:
        if warn:
            warnings.warn(f"the cached index is built again: {error}", stacklevel=3)
        return None
    return index if dict(index.manifest.facts) == dict(facts) else None


def _saved(target: Path, facts: Mapping[str, str], built: ConceptIndex) -> ConceptIndex:
    """Save under the lock and open again; what killed processes left behind is cleared away."""
    for stale in target.parent.glob(f".{target.name}.*-*"):
        shutil.rmtree(stale, ignore_errors=True)
    if target.is_dir() and not (target / "manifest.json").is_file():
        shutil.rmtree(target, ignore_errors=True)
    index = replace(built, manifest=replace(built.manifest, facts=dict(facts)))
    try:
        index.save(target)
    except (InputError, OutOfSpaceError) as error:
        warnings.warn(f"the index is not kept: {error}", stacklevel=3)
        return index
    return ConceptIndex.open(target)
