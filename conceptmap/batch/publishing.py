"""From a hidden folder to the final names: what belongs together moves together, and nothing of somebody else's goes.

A file makes way only if a run of this program wrote it and nobody has changed it since, or if the caller said so. What
is written down before the first file moves makes a run that is killed here know its own files again.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptmap.batch.folder import ShardFolder
from conceptmap.batch.owned import OVERWRITE, blocked_error, is_output, journal_text, owned_of, there, unlike
from conceptmap.batch.runfile import RUN_FILE, read_run, run_text
from conceptmap.export.brat import BRAT, CONFIGURATION, FILES, digests_in
from conceptmap.files import (
    Access,
    Owned,
    allow,
    atomic_text,
    foreign_error,
    fsync_folder,
    make_folder,
    publish,
    remove_known,
    sha256_file,
    writing,
)

__all__ = ["STAGING", "Place", "earlier_run", "file_digests", "names_of", "remove_stale", "retire", "staging"]

STAGING = ".partial-"
_STAGING = re.compile(r"\.partial-[0-9a-f]{12}")
_STAGED = re.compile(rf"\.[a-z]+\.parts(?:/(?:\d{{8}}\.parquet|tmp\w+))?|{BRAT}|\.former-{BRAT}")


@contextlib.contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A hidden folder inside the target that is gone afterwards."""
    with writing(target):
        at = target / f"{STAGING}{secrets.token_hex(6)}"
        make_folder(at)
        try:
            yield at
        finally:
            shutil.rmtree(at, ignore_errors=True)


def remove_stale(target: Path) -> None:
    """Remove what runs that were killed while they finished left in their hidden folders."""
    for folder in target.iterdir():
        if _STAGING.fullmatch(folder.name):
            remove_known(folder, lambda name: is_output(name.removeprefix(".former-")) or bool(_STAGED.fullmatch(name)))


def file_digests(at: Path) -> dict[str, str]:
    """SHA-256 of every file; those of the folder ``brat`` are in its list, but for its configuration."""
    names = sorted(path.name for path in at.iterdir())
    assert all(name == BRAT or is_output(name) for name in names), f"batch.owned does not list all of {names}"
    files = {name: sha256_file(at / name) for name in names if name != BRAT}
    configuration = at / BRAT / CONFIGURATION
    return files | ({f"{BRAT}/{CONFIGURATION}": sha256_file(configuration)} if configuration.is_file() else {})


@dataclass(frozen=True)
class Place:
    """Where outputs go.

    Attributes:
        target: the output folder.
        shards: of this run; its journal is kept there.
        access: who may read the files.
        overwrite: replace files of other people, too.
    """

    target: Path
    shards: ShardFolder
    access: Access
    overwrite: bool

    def kept(self, at: Path, files: Mapping[str, str]) -> list[str]:
        """Files of earlier runs that are not written now, and were changed since: they stay.

        Args:
            at: where the new files are.
            files: from `file_digests`.
        """
        new, owned = {*_digests(at, files), RUN_FILE}, owned_of(self.target)
        return owned.foreign(name for name in there(self.target) if name in owned.record and name not in new)

    def publish(self, at: Path, facts: Mapping[str, Any]) -> tuple[str, ...]:
        """Move the files of ``at`` into place; what an earlier run wrote, and this one did not, goes.

        Raises:
            InputError: somebody has put files there meanwhile. Nothing has moved.
        """
        new = _digests(at, facts["files"])
        owned = owned_of(self.target)
        self._check(owned, [*new, RUN_FILE])
        stale = [name for name in there(self.target) if name not in new and name != RUN_FILE and owned.holds(name)]
        self._write_down(owned, new)
        (self.target / RUN_FILE).unlink(missing_ok=True)
        for name in facts["files"]:
            if "/" not in name:
                allow(at / name, self.access)
                publish(at / name, self.target / name)
        if (at / BRAT).is_dir():
            self._publish_brat(at / BRAT, self.target / BRAT, owned)
        self._remove(stale, new)
        atomic_text(self.target / RUN_FILE, run_text(facts), self.access)
        return names_of(facts["files"])

    def _check(self, owned: Owned, names: Sequence[str]) -> None:
        existing = [name for name in names if os.path.lexists(self.target / name)]
        if blocked := unlike(self.target, names):
            raise blocked_error(self.target / blocked)
        if not self.overwrite and (foreign := owned.foreign(existing)):
            raise foreign_error(self.target, foreign, then=OVERWRITE)

    def _write_down(self, owned: Owned, new: Mapping[str, str]) -> None:
        record = {name: owned.record.get(name, frozenset()) | {digest} for name, digest in new.items()}
        self.shards.write_down(journal_text({**owned.record, **record}))

    def _publish_brat(self, at: Path, final: Path, owned: Owned) -> None:
        """Give the notes' files their final names; one call makes them durable, where each would take its own."""
        for path in at.iterdir():
            allow(path, self.access)
        if hasattr(os, "sync"):
            os.sync()
        there_now = [path.name for path in final.iterdir()] if final.is_dir() else []
        if all(owned.holds(f"{BRAT}/{name}") for name in there_now):
            self._swap(at, final, there_now)
        else:
            for path in at.iterdir():
                path.replace(final / path.name)
            fsync_folder(final)
        fsync_folder(final.parent)

    def _swap(self, at: Path, final: Path, former: Sequence[str]) -> None:
        """Put a folder in the place of another, of which only these files go: two renames instead of thousands."""
        allow(at, self.access)
        if not final.exists():
            at.replace(final)
            return
        aside = self.target / f"{STAGING}{secrets.token_hex(6)}"
        make_folder(aside)
        final.replace(aside / BRAT)
        at.replace(final)
        remove_known(aside, {BRAT, *(f"{BRAT}/{name}" for name in former)}.__contains__)
        for path in (aside / BRAT).iterdir() if aside.exists() else ():  # put there in this very moment
            if not os.path.lexists(final / path.name):
                path.replace(final / path.name)
        remove_known(aside, {BRAT}.__contains__)

    def _remove(self, names: Sequence[str], new: Iterable[str]) -> None:
        """Remove files, but for what is a new one under another name: case does not count on every file system."""
        folded = {name.lower(): name for name in new}
        for name in names:
            path = self.target / name
            now = folded.get(name.lower())
            if os.path.lexists(path) and (now is None or not path.samefile(self.target / now)):
                path.unlink()
        if any(name.startswith(f"{BRAT}/") for name in names):
            with contextlib.suppress(OSError):  # where something else is in it
                (self.target / BRAT).rmdir()


def _digests(at: Path, files: Mapping[str, str]) -> dict[str, str]:
    """What is written now, the files of notes included."""
    return {**files, **(dict(digests_in(at / FILES)) if FILES in files else {})}


def names_of(files: Mapping[str, str]) -> tuple[str, ...]:
    """What a run wrote into its folder, ``run.json`` last."""
    return (*sorted({name.partition("/")[0] for name in files}), RUN_FILE)


def earlier_run(target: Path, key: str) -> dict[str, Any] | None:
    """What ``run.json`` says, where an earlier call with this key has finished and its files are as it left them."""
    found = read_run(target)
    files = found.get("files")
    if found.get("key") != key or not isinstance(files, dict):
        return None
    owned = owned_of(target, journals=False)
    return found if {*files} <= {*owned.record} and all(map(owned.holds, owned.record)) else None


def retire(target: Path, shards: ShardFolder) -> None:
    """Take ``run.json`` away and write down what it said of its files, which are this program's as before."""
    shards.write_down(journal_text(owned_of(target).record))
    (target / RUN_FILE).unlink(missing_ok=True)
