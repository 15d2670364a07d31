"""The index cache: built once, opened after, locked between processes, rebuilt when damaged."""

from __future__ import annotations

import ast
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl
import pytest
from filelock import FileLock
from numpy.typing import NDArray

import conceptmap
from conceptmap.encoders.embedded import DIGESTS
from conceptmap.index import embedded
from conceptmap.index.cache import UNUSED_DAYS, cache_folder, cached_index
from conceptmap.index.index import ConceptIndex
from conceptmap.index.sources import imported, source_digest
from conceptmap.ontology.ontology import Ontology

if TYPE_CHECKING:
    from conceptmap.encoders import TokenEncoder

FACTS = {"ontology": "invented 1", "encoder": "invented", "dtype": "float16"}


def _build() -> ConceptIndex:
    codes = ["DOID:1", "DOID:2"]
    names = pl.Series(["cold", "warmth"])
    concepts = pl.DataFrame(
        {"node": codes, "code": codes, "kind": "concept", "name": names, "active": True}
    ).with_columns(pl.lit(None, dtype=pl.Boolean).alias("billable"))
    terms = pl.DataFrame({"node": codes, "code": codes, "term": names, "kind": "preferred"})
    ontology = Ontology("doid", "1", concepts, terms, pl.DataFrame({"parent": ["DOID:1"], "child": ["DOID:2"]}))
    return ConceptIndex.build(ontology, lambda terms: np.eye(2, 4)[: len(terms)], encoder_name="invented")


def _kept(home: Path, *encoders: str, name: str = "doid") -> list[Path]:
    """The folders of indexes of these encoders in the cache."""
    indexes = [cached_index({**FACTS, "encoder": one}, _build, name=name, folder=home) for one in encoders]
    return [index.checked.file.path.parent for index in indexes if index.checked is not None]


def _age(*folders: Path, days: float = 99) -> None:
    """Indexes were last opened so many days ago."""
    for folder in folders:
        os.utime(folder / "manifest.json", (time.time() - days * 86_400,) * 2)


def _build_another(home: Path, start: multiprocessing.synchronize.Barrier, encoder: str) -> None:
    start.wait(30)
    assert cached_index({**FACTS, "encoder": encoder}, _build, name="doid", folder=home).n_rows == 2


def _never() -> ConceptIndex:
    raise AssertionError("built although cached")


def _count_and_build(folder: Path, start: multiprocessing.synchronize.Barrier) -> None:
    def build() -> ConceptIndex:
        with (folder / "built").open("a") as file:
            file.write("x")
        return _build()

    start.wait(30)
    assert cached_index(FACTS, build, name="doid", folder=folder / "cache").n_rows == 2


def test_an_index_is_built_once_and_then_opened(tmp_path: Path) -> None:
    built = cached_index(FACTS, _build, name="doid", folder=tmp_path)
    again = cached_index(FACTS, _never, name="doid", folder=tmp_path)
    assert again.sha256 == built.sha256
    assert again.manifest.facts == FACTS
    np.testing.assert_array_equal(again.search(np.eye(4), 2).rows, _build().search(np.eye(4), 2).rows)


@pytest.mark.parametrize("fact", sorted(FACTS))
def test_any_other_fact_is_another_index(tmp_path: Path, fact: str) -> None:
    cached_index(FACTS, _build, name="doid", folder=tmp_path)
    with pytest.raises(AssertionError, match="built although cached"):
        cached_index({**FACTS, fact: "other"}, _never, name="doid", folder=tmp_path)


@pytest.mark.parametrize("damage", [lambda content: content[:-2], lambda content: b"\x55" + content[1:], lambda _: b""])
@pytest.mark.parametrize("file", ["vectors.safetensors", "terms.parquet", "concepts.parquet", "manifest.json"])
def test_a_damaged_index_is_built_again_with_a_warning(
    tmp_path: Path, file: str, damage: Callable[[bytes], bytes]
) -> None:
    cached_index(FACTS, _build, name="doid", folder=tmp_path)
    (path,) = tmp_path.glob(f"doid-*/{file}")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match=f"built again.*{file}"):
        cached_index(FACTS, _build, name="doid", folder=tmp_path)
    assert cached_index(FACTS, _never, name="doid", folder=tmp_path).n_rows == 2


def test_a_lost_manifest_is_built_again(tmp_path: Path) -> None:
    cached_index(FACTS, _build, name="doid", folder=tmp_path)
    next(tmp_path.glob("doid-*/manifest.json")).unlink()
    with pytest.warns(UserWarning, match="not an index"):
        cached_index(FACTS, _build, name="doid", folder=tmp_path)
    assert cached_index(FACTS, _never, name="doid", folder=tmp_path).n_rows == 2


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path) -> None:
    built = cached_index(FACTS, _build, name="doid", folder=tmp_path)
    assert built.checked is not None
    folder = built.checked.file.path.parent
    partial = tmp_path / f".{folder.name}.partial-0123456789ab"
    folder.rename(partial)
    cached_index(FACTS, _build, name="doid", folder=tmp_path)
    assert not partial.exists()


def test_two_processes_build_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    racers = [context.Process(target=_count_and_build, args=(tmp_path, start)) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert (tmp_path / "built").read_text() == "x"


def test_a_cache_that_cannot_be_written_to_costs_a_warning_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="not kept"):
        index = cached_index(FACTS, _build, name="doid", folder=tmp_path / "file" / "cache")
    assert index.n_rows == 2


def test_a_failing_build_releases_the_lock_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="built although cached"):
        cached_index(FACTS, _never, name="doid", folder=tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert cached_index(FACTS, _build, name="doid", folder=tmp_path).n_rows == 2


def test_an_index_that_nobody_opened_for_long_is_removed_after_the_next_build(tmp_path: Path) -> None:
    recent, old, opened = _kept(tmp_path, "recent", "old", "opened")
    (other,) = _kept(tmp_path, "old", name="doid-words")
    _age(recent, days=UNUSED_DAYS - 1)
    _age(old, opened, other, days=UNUSED_DAYS + 1)
    cached_index({**FACTS, "encoder": "opened"}, _never, name="doid", folder=tmp_path)
    assert old.is_dir()
    cached_index(FACTS, _build, name="doid", folder=tmp_path)
    assert not old.exists()
    assert recent.is_dir()
    assert opened.is_dir()
    assert other.is_dir()
    assert not list(tmp_path.glob(".*.former-*"))
    assert cached_index({**FACTS, "encoder": "old"}, _build, name="doid", folder=tmp_path).n_rows == 2


def test_nothing_but_our_own_unlocked_indexes_is_removed(tmp_path: Path) -> None:
    """Neither what somebody renamed or put there, nor what holds no manifest, nor what is locked or linked to."""
    folders = _kept(tmp_path, "renamed", "broken", "linked", "locked")
    (folders[1] / "manifest.json").write_text("[]}\n")
    _age(*folders)
    renamed, broken, linked, locked = folders[0].rename(tmp_path / "doid-kept"), *folders[1:]
    elsewhere = linked.rename(tmp_path / "elsewhere")
    linked.symlink_to(elsewhere)
    stranger = tmp_path / "doid-notes"
    stranger.mkdir()
    (stranger / "mine.txt").write_text("mine")
    with FileLock(tmp_path / f".{locked.name}.lock"):
        cached_index(FACTS, _build, name="doid", folder=tmp_path)
    for folder in (renamed, broken, linked, elsewhere, stranger, locked):
        assert folder.is_dir()
    cached_index({**FACTS, "dtype": "float32"}, _build, name="doid", folder=tmp_path)
    assert not locked.exists()


@pytest.mark.parametrize("failing", ["pathlib.Path.replace", "filelock.FileLock.acquire"])
def test_a_removal_that_fails_does_not_fail_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    from conceptmap.index import cache

    (old,) = _kept(tmp_path, "old")
    _age(old)

    def fail(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(failing, fail)
    cache._remove_unused(tmp_path, "doid", tmp_path / "doid-newest")
    monkeypatch.undo()
    assert old.is_dir()


def test_processes_that_build_and_remove_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    old = _kept(tmp_path, "old 0", "old 1", "old 2")
    _age(*old)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    encoders = ["new 1", "new 2", "old 1"]
    racers = [context.Process(target=_build_another, args=(tmp_path, start, encoder)) for encoder in encoders]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0, 0]
    assert not old[0].exists()
    assert not old[2].exists()
    assert not list(tmp_path.glob(".*.former-*"))
    for encoder in encoders:
        assert cached_index({**FACTS, "encoder": encoder}, _build, name="doid", folder=tmp_path).n_rows == 2


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCEPTMAP_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("CONCEPTMAP_CACHE")
    assert cache_folder().name == "conceptmap"


# -- what makes the embedded index ------------------------------------------------------------------------------------

PACKAGE = Path(conceptmap.__file__).parent
APART = ("conceptmap.encoders", "conceptmap.topk")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's files in another place."""
    copy = tmp_path_factory.mktemp("copied") / "conceptmap"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def _key_of(package: Path) -> str:
    return source_digest("conceptmap.index.embedded", apart=APART, package=package)


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("readers/icd10cm.py", True),
        ("readers/icd10cm_lists.py", True),
        ("readers/icd10cm_index.py", True),
        ("readers/xml.py", True),
        ("ontology/concepts.py", True),
        ("matching/wordings.py", True),
        ("text/words.py", True),
        ("data/word_classes.csv", True),
        ("readers/obo.py", False),
        ("topk/cpu.py", False),
        ("coding/coding.py", False),
        ("export/html.py", False),
    ],
)
def test_what_makes_the_embedded_index_makes_its_key(copied: Path, file: str, *, counts: bool) -> None:
    before = _key_of(copied)
    source = (copied / file).read_bytes()
    (copied / file).write_bytes(source + b"# changed\n")
    assert (_key_of(copied) != before) is counts
    (copied / file).write_bytes(source)
    assert _key_of(copied) == before


def test_the_key_follows_every_import() -> None:
    """Its pattern finds what Python's own parser finds; examples in docstrings may add to it."""
    missed: dict[str, set[tuple[str, str]]] = {}
    for path in PACKAGE.rglob("*.py"):
        source = path.read_bytes()
        named = {
            (node.module or "", alias.name)
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("conceptmap")
            for alias in node.names
        }
        found = imported(source, PACKAGE)
        lost = {(a, b) for a, b in named if not {a, f"{a}.{b}", f"{a}.__init__"} & found}
        missed |= {path.name: lost} if lost else {}
    assert missed == {}


def test_vectors_made_before_get_the_words_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that says something new of the same terms needs no new vectors, and is heard."""
    encoded = []

    def encode(terms: Sequence[str]) -> NDArray[np.float64]:
        encoded.append(len(terms))
        return np.eye(2, 4)[: len(terms)]

    monkeypatch.setenv("CONCEPTMAP_CACHE", str(tmp_path))
    embedded_revision = DIGESTS["model.safetensors"][:12]  # others are asked for the scale of their cosines
    encoder = SimpleNamespace(name="invented", revision=embedded_revision, index_dtype="float32", index_terms=encode)
    for billable in (False, True):
        concepts = pl.col("billable").fill_null(value=billable)
        ontology = _build().ontology()
        changed = replace(ontology, concepts=ontology.concepts.with_columns(concepts))
        monkeypatch.setattr(embedded, "source_digest", lambda *_, said=billable, **__: str(said))
        monkeypatch.setattr(embedded, "_release", lambda changed=changed: changed)
        index = embedded.embedded_index(cast("TokenEncoder", encoder))
        assert index.concepts["billable"].to_list() == [billable] * 2
        assert index.dim == 4
    assert encoded == [2]
