"""A disk that is full while an index is built: exit code 5, and a warning where the cache is a convenience.

Every mkdir, open, write, fsync and rename fails once, as the system and as Polars say it.
"""

from __future__ import annotations

import errno
import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import small_mapper

from conceptmap.adapters import open_adapter, save_adapter
from conceptmap.cli import main
from conceptmap.errors import OutOfSpaceError
from conceptmap.index.cache import cached_index
from conceptmap.index.index import ConceptIndex
from conceptmap.ontology.ontology import Ontology

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
SAID = "parquet: File out of specification: underlying IO error: No space left on device (os error 28)"
OBO = "format-version: 1.2\ndata-version: 2099-01-01\n\n[Term]\nid: X:1\nname: fever\n\n[Term]\nid: X:2\nname: cough\n"


class Disk:
    """Lets so many calls pass, then fails one."""

    def __init__(self, left: int) -> None:
        self.left, self.failed = left, ""

    def counted(self, what: str, function: Callable[..., Any], error: Exception = FULL) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            reads = what == "open" and str(options.get("mode", (*args, "r")[1])).startswith("r")
            if not reads:
                self.left -= 1
                if self.left == 0:
                    self.failed = what
                    raise error
            return function(*args, **options)

        return call

    def put_in(self, patched: pytest.MonkeyPatch) -> None:
        for what in ("mkdir", "open", "replace"):
            patched.setattr(Path, what, self.counted(what, getattr(Path, what)))
        patched.setattr(os, "fsync", self.counted("fsync", os.fsync))
        written = self.counted("parquet", pl.DataFrame.write_parquet, pl.exceptions.ComputeError(SAID))
        patched.setattr(pl.DataFrame, "write_parquet", written)


def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Disks that fail one call later each, until one does not."""
    disk = Disk(0)
    for k in range(1, 200):
        disk = Disk(k)
        with monkeypatch.context() as patched:
            disk.put_in(patched)
            yield disk
        if not disk.failed:
            return
    pytest.fail("a disk that always fails")


def opened(folder: Path) -> bool:
    return ConceptIndex.open(folder).concepts.height > 0


@pytest.mark.parametrize("before", [False, True])
def test_whatever_call_fails_build_ends_with_code_5_and_a_former_index_stays(
    before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small.obo").write_text(OBO)
    target = tmp_path / "indexes" / "small"
    command = ["build", str(tmp_path / "small.obo"), "-o", str(target), "--encoder", "none"]
    if before:
        assert main(command) == 0
    failed = []
    for disk in faults(monkeypatch):
        code = main(command)
        err = capfd.readouterr().err
        failed.append(disk.failed)
        if disk.failed:
            assert (code, disk.failed) == (5, disk.failed)
            assert "no space left; free some space and run again" in err
            assert opened(target) if before else (not target.exists() or opened(target))
        else:
            assert code == 0
        assert [path.name for path in target.parent.glob(".*partial*")] == []
    assert opened(target)
    assert set(failed) == {"mkdir", "open", "replace", "fsync", "parquet", ""}


def test_whatever_call_fails_the_cache_is_a_convenience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = []
    for number, disk in enumerate(faults(monkeypatch)):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = cached_index({"a": "b"}, small_mapper.index, name="x", folder=tmp_path / str(number))
        failed.append(disk.failed)
        assert found.concepts.height
        if disk.failed:
            assert any("the index is not kept" in str(one.message) for one in said), disk.failed
            assert any("no space left" in str(one.message) for one in said)
    assert {"mkdir", "open", "replace", "fsync", "parquet", ""} == set(failed)


def test_whatever_call_fails_an_adapter_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = open_adapter("embedded")
    for number, disk in enumerate(faults(monkeypatch)):
        folder = tmp_path / str(number)
        try:
            save_adapter(adapter, folder)
        except OutOfSpaceError:
            assert disk.failed
        else:
            assert not disk.failed
        assert not folder.exists() or open_adapter(folder).sha256 == adapter.sha256


def test_a_disk_that_is_full_indeed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip("a file system can only be mounted by root")
    try:
        terms = "".join(f"[Term]\nid: X:{n}\nname: word{np.cos(n):.15f}\n\n" for n in range(5_000))
        (tmp_path / "large.obo").write_text(f"format-version: 1.2\n\n{terms}")
        assert main(["build", str(tmp_path / "large.obo"), "-o", str(disk / "index"), "--encoder", "none"]) == 5
        assert "no space left" in capfd.readouterr().err
        assert list(disk.iterdir()) == []
        with pytest.warns(UserWarning, match="the index is not kept: .*no space left"):
            found = cached_index({"a": "b"}, large, name="x", folder=disk / "cache")
        assert found.concepts.height == 5_000
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def large() -> ConceptIndex:
    names = [f"word{np.cos(n):.15f}" for n in range(5_000)]
    nodes = [f"X:{n}" for n in range(5_000)]
    concepts = pl.DataFrame(
        {"node": nodes, "code": nodes, "kind": "concept", "name": names, "active": True}
    ).with_columns(billable=pl.lit(None, dtype=pl.Boolean))
    terms = concepts.select("node", "code", term="name", kind=pl.lit("preferred"))
    edges = pl.DataFrame(schema={"parent": pl.String, "child": pl.String})
    return ConceptIndex.build(Ontology("x", "1", concepts, terms, edges), None)
