"""Indexes and adapters made by others: what cannot be right is refused at opening, exit code 4."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import small_mapper
from foreign_folders import change_frame, change_tensors, reseal

from conceptmap.adapters import open_adapter, save_adapter
from conceptmap.adapters.adapter import Adapter, compatibility_of
from conceptmap.adapters.calibration import Calibration
from conceptmap.adapters.judge import FEATURES, Judge
from conceptmap.adapters.memory import NAMES, SEEN, Memory
from conceptmap.cli import main
from conceptmap.errors import IndexMismatchError
from conceptmap.index import checks, opening
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper
from conceptmap.matching.lexicon import lexicon_of

DIM = 8


def built(dtype: str = "float32") -> ConceptIndex:
    codes = small_mapper.ontology().concepts["code"].to_list()
    vectors = np.random.default_rng(0).normal(size=(len(codes), DIM)).astype(np.float32)
    index = ConceptIndex.from_vectors(codes, vectors, small_mapper.ontology(), dtype=dtype)
    return replace(index, lexicon=lexicon_of(index.system, index.concepts, index.terms))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built().save(tmp_path_factory.mktemp("index") / "whole")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "index")


def refused(folder: Path, message: str) -> None:
    with pytest.raises(IndexMismatchError, match=message) as caught:
        ConceptIndex.open(folder)
    assert str(caught.value).isprintable()
    assert main(["info", str(folder)]) == 4


# -- rows -------------------------------------------------------------------------------------------------------------


def spoil_row(what: float) -> Callable[[dict[str, Any]], object]:
    return lambda tensors: tensors["vectors"][1].__setitem__(3, what)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("what", [np.nan, np.inf, 0.0])
def test_rows_without_a_cosine_are_refused_at_opening(dtype: str, what: float, tmp_path: Path) -> None:
    folder = built(dtype).save(tmp_path / "index")
    ConceptIndex.open(folder)
    bits = {np.inf: 0x7F80, 0.0: 0}.get(what, 0x7FC0) if dtype == "bfloat16" else what
    change_tensors(folder, "vectors.safetensors", spoil_row(bits))
    refused(folder, r"vectors\.safetensors holds rows without a cosine: got row 3")


@pytest.mark.parametrize("norm", [np.nan, np.inf, 0.0, -1.0, 7.0])
def test_norms_that_are_not_the_rows_are_refused_at_opening(folder: Path, norm: float) -> None:
    change_tensors(folder, "vectors.safetensors", lambda t: t["norms"][1].__setitem__(2, norm))
    refused(folder, r"vectors\.safetensors holds rows without a cosine")


def test_rows_of_a_large_file_are_checked_before_they_are_first_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "VERIFY_AT_OPENING", 1)
    monkeypatch.setattr(checks, "ROWS_AT_ONCE", 4)
    change_tensors(folder, "vectors.safetensors", lambda t: t["vectors"][1].__setitem__(9, np.nan))
    index = ConceptIndex.open(folder)
    assert index.checked is not None
    index.checked.verify(0, 8)
    assert index.checked.done == {0, 1}
    with pytest.raises(IndexMismatchError, match="got row 9 with a norm of nan"):
        index.search(np.ones((1, DIM), dtype=np.float32), 3)
    with pytest.raises(IndexMismatchError, match="got row 9"):
        index.verify()


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update(norms=("F32", t["norms"][1].astype(np.float32))),
        lambda t: t.update(vectors=("F16", t["vectors"][1].astype(np.float16))),
        lambda t: t.update(vectors=("I32", t["vectors"][1].astype(np.int32))),
        lambda t: t.update(vectors=("F32", t["vectors"][1][:, :0])),
        lambda t: t.update(vectors=("F32", t["vectors"][1][:-1])),
        lambda t: t.update(vectors=("F32", t["vectors"][1].ravel())),
        lambda t: t.pop("norms"),
    ],
)
def test_blocks_of_the_wrong_kind_are_refused(folder: Path, change: Callable[[Any], object]) -> None:
    change_tensors(folder, "vectors.safetensors", change)
    refused(folder, r"vectors\.safetensors (is not what its manifest says|holds no vectors)")


# -- manifest ---------------------------------------------------------------------------------------------------------

MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no width": (lambda m: m.update(dim=0), "of width 0"),
    "negative": (lambda m: m.update(dim=-8), "dim is out of range"),
    "a float": (lambda m: m.update(rows=float(m["rows"])), "rows is out of range"),
    "a truth": (lambda m: m.update(dim=True), "dim is out of range"),
    "huge": (lambda m: m.update(rows=2**80), "rows is out of range"),
    "text": (lambda m: m.update(concepts="7"), "concepts is out of range"),
    "type": (lambda m: m.update(dtype="int8"), "dtype or system is unknown"),
    "escape": (lambda m: m.update(system="icd\x1b[31m"), "system is no text"),
    "line end": (lambda m: m.update(release="2099\n"), "release is no text"),
    "no text": (lambda m: m.update(encoder=None), "encoder is no text"),
    "facts": (lambda m: m.update(facts={"a": "\x07"}), "facts are no texts"),
    "list of facts": (lambda m: m.update(facts=["a"]), "facts are no texts"),
    "outside": (lambda m: m["files"].update({"../terms.parquet": m["files"]["terms.parquet"]}), "leads elsewhere"),
    "absolute": (lambda m: m["files"].update({"/etc/passwd": m["files"]["terms.parquet"]}), "leads elsewhere"),
    "backslash": (lambda m: m["files"].update({"a\\b": m["files"]["terms.parquet"]}), "leads elsewhere"),
    "NUL": (lambda m: m["files"].update({"a\0b": m["files"]["terms.parquet"]}), "leads elsewhere"),
    "no blocks": (lambda m: m["files"]["vectors.safetensors"].update(blocks=[]), "no checksum of its kind"),
    "block": (lambda m: m["files"]["vectors.safetensors"].update(blocks=[7]), "no checksum of its kind"),
    "bytes": (lambda m: m["files"]["vectors.safetensors"].update(bytes=-1), "the size of a file"),
    "other rows": (lambda m: m.update(rows=m["rows"] - 1), "rows that are not those of the matrix"),
    "other concepts": (lambda m: m.update(concepts=1), "another number of rows"),
    "format": (lambda m: m.update(format="\x1b[2J" * 99), "has another format"),
    "missing": (lambda m: m.pop("dim"), "is damaged"),
    "files": (lambda m: m.update(files=[]), "is damaged"),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_manifests_of_other_values_are_refused(case: str, folder: Path) -> None:
    change, message = MANIFESTS[case]
    reseal(folder, change)
    refused(folder, message)


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000, '{"a":' * 900 + "1" + "}" * 900])
def test_deep_manifests_and_headers_are_refused(folder: Path, deep: str) -> None:
    whole = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(deep + "}\n")
    refused(folder, r"manifest\.json is damaged")
    (folder / "manifest.json").write_text(whole)
    header = deep.encode()
    (folder / "vectors.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    reseal(folder)
    refused(folder, r"vectors\.safetensors is damaged")


# -- frames -----------------------------------------------------------------------------------------------------------


def with_first(column: str, value: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def change(frame: pl.DataFrame) -> pl.DataFrame:
        first = pl.int_range(pl.len()) == 0
        return frame.with_columns(pl.when(first).then(pl.lit(value)).otherwise(pl.col(column)).alias(column))

    return change


FRAMES: dict[str, tuple[str, Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "no column": ("concepts", lambda f: f.drop("name"), "other columns"),
    "numbers": ("terms", lambda f: f.with_columns(term=pl.lit(7)), "other columns"),
    "row": ("terms", lambda f: f.with_columns(row=pl.col("row").cast(pl.Float64)), "a column of another type"),
    "flag": ("concepts", lambda f: f.with_columns(active=pl.lit("yes")), "a column of another type"),
    "heirs": ("concepts", lambda f: f.with_columns(replaced_by=pl.lit("x")), "a column of another type"),
    "null": ("terms", with_first("term", None), "a null where none may be"),
    "escape": ("concepts", with_first("name", "fever\x1b]0;x\x07"), "control characters in name"),
    "line end": ("terms", with_first("term", "a\nb"), "control characters in term"),
    "code": ("concepts", with_first("code", "R50\x00"), "control characters in code"),
    "twice": ("concepts", lambda f: f.with_columns(node=pl.lit("a")), "a node twice"),
    "row twice": ("terms", with_first("row", 1), "rows that are not those of the matrix"),
    "row outside": ("terms", with_first("row", 10**12), "rows that are not those of the matrix"),
    "negative row": ("terms", with_first("row", -1), "rows that are not those of the matrix"),
    "lost term": ("terms", with_first("node", "nowhere"), "a term without its concept"),
    "lost edge": ("edges", with_first("child", "nowhere"), "an edge without its concept"),
    "cycle": ("edges", lambda f: pl.concat([f, f.select(parent="child", child="parent")]), "a cycle"),
    "concept outside": ("lexicon", lambda f: f.with_columns(concept=pl.lit(10**6, pl.Int32)), "a wording without"),
    "key": ("lexicon", lambda f: f.with_columns(key=pl.col("key").cast(pl.Int64, strict=False)), "other columns"),
    "null key": ("lexicon", lambda f: f.with_columns(key=pl.lit(None, pl.UInt64)), "a null"),
}


@pytest.mark.parametrize("case", FRAMES)
def test_frames_that_no_index_has_are_refused(case: str, folder: Path) -> None:
    name, change, message = FRAMES[case]
    change_frame(folder, name, change)
    refused(folder, rf"{name}\.parquet is not part of an index: got {message}")


def test_a_file_that_is_no_parquet_is_refused(folder: Path) -> None:
    (folder / "terms.parquet").write_bytes(b"PAR1 nothing PAR1")
    reseal(folder)
    refused(folder, r"terms\.parquet is damaged")


def test_indexes_of_every_kind_still_open(tmp_path: Path) -> None:
    for number, index in enumerate((small_mapper.index(), built(), built("float16"), built("bfloat16"))):
        opened = ConceptIndex.open(index.save(tmp_path / str(number)))
        found = ConceptMapper.load(opened, encoder=None).annotate("Known hypertension, no fever.")
        assert found.codes["code"].to_list() == ["I10"]


def test_a_release_with_control_characters_in_its_names_makes_an_index_that_opens(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    terms = '[Term]\nid: X:1\nname: fe\x1bver\x07\nsynonym: "hot\x7fness" EXACT []\n'
    (tmp_path / "a.obo").write_text(f"format-version: 1.2\ndata-version: 1\x1b[31m\n\n{terms}")
    assert main(["build", str(tmp_path / "a.obo"), "-o", str(tmp_path / "index"), "--encoder", "none"]) == 0
    index = ConceptIndex.open(tmp_path / "index")
    assert (index.release, index.concepts["name"].to_list()) == ("1 [31m", ["fe ver "])
    assert set(index.terms["term"]) == {"fe ver ", "hot ness"}
    assert "\x1b" not in capfd.readouterr().err


# -- adapters ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """With everything that an adapter may have."""
    rng = np.random.default_rng(1)
    fit = compatibility_of(built(), encoder="invented", revision="1", dim=DIM)
    judge = Judge(rng.normal(size=len(FEATURES) + 1), Calibration(1.0, 0.0), 0.5)
    names = pl.DataFrame([("fever", None, "R50.9", 2.0, 1.0)], schema=NAMES, orient="row")
    seen = pl.DataFrame([("fever", 3, 2)], schema=SEEN, orient="row")
    matrix, inside = (rng.normal(size=size).astype(np.float32) for size in ((DIM, DIM), DIM + 1))
    return save_adapter(Adapter(fit, Memory(names, seen), matrix, inside, 0.25, judge, {}), tmp_path / "adapter")


def test_an_adapter_opens_as_it_was_saved_and_so_do_older_ones(adapter: Path) -> None:
    found = open_adapter(adapter)
    value = json.loads((adapter / "manifest.json").read_text())
    assert value.pop("format") == "adapter 2"
    del value["sha256"]
    (adapter / "manifest.json").write_text(json.dumps({"format": "adapter 1", **value}) + "\n")
    assert open_adapter(adapter).sha256 == found.sha256
    assert open_adapter("embedded").made_for.system == "icd10cm"


def test_an_adapters_manifest_is_covered_by_a_checksum(adapter: Path) -> None:
    path = adapter / "manifest.json"
    path.write_text(path.read_text().replace('"threshold": 0.5', '"threshold": 0.6'))
    with pytest.raises(IndexMismatchError, match=r"got other content of manifest\.json than its digest says"):
        open_adapter(adapter)


ADAPTERS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "NaN threshold": (lambda m: m["judge"].update(threshold=float("nan")), "the judge's threshold"),
    "threshold of 2": (lambda m: m["judge"].update(threshold=2), "the judge's threshold"),
    "negative threshold": (lambda m: m["judge"].update(threshold=-0.1), "the judge's threshold"),
    "text threshold": (lambda m: m["judge"].update(threshold="0.5"), "the judge's threshold"),
    "infinite": (lambda m: m.update(inside_threshold=float("inf")), "the threshold of inside"),
    "falling": (lambda m: m["judge"]["calibration"].update(slope=-1.0), "the slope of the calibration"),
    "NaN curve": (lambda m: m["judge"]["calibration"].update(intercept=float("nan")), "the intercept"),
    "features": (lambda m: m["judge"].update(features=[]), "judge has other features"),
    "no width": (lambda m: m["fit"].update(dim=0), "the width dim"),
    "other width": (lambda m: m["fit"].update(index_dim=9), "the shape of matrix"),
    "escape": (lambda m: m["fit"].update(encoder="\x1b[31m"), "the name encoder"),
    "outside": (lambda m: m["files"].update({"../x": m["files"]["names.parquet"]}), "ValueError"),
    "card": (lambda m: m.update(card=7), "the card"),
    "judge": (lambda m: m.update(judge=[]), "TypeError"),
    "format": (lambda m: m.update(format="\x1b[2J" * 99), "is not an adapter that can be read"),
}


@pytest.mark.parametrize("case", ADAPTERS)
def test_adapters_of_other_values_are_refused(case: str, adapter: Path) -> None:
    change, message = ADAPTERS[case]
    reseal(adapter, change)
    with pytest.raises(IndexMismatchError, match=message) as caught:
        open_adapter(adapter)
    assert str(caught.value).isprintable()
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("name", ["matrix", "inside", "judge"])
@pytest.mark.parametrize("what", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(name: str, what: float, adapter: Path) -> None:
    change_tensors(adapter, "adapter.safetensors", lambda t: t[name][1].__setitem__(0, what))
    with pytest.raises(IndexMismatchError, match=name):
        open_adapter(adapter)


@pytest.mark.parametrize(
    ("frame", "column", "value"),
    [("names", "share", float("nan")), ("names", "share", 2.0), ("names", "code", None), ("names", "forms", "a\x1bb"),
     ("names", "written", "\x07"), ("names", "annotated", -1.0), ("seen", "right", 9), ("seen", "seen", None)],
)  # fmt: skip
def test_wordings_that_no_training_gives_are_refused(frame: str, column: str, value: object, adapter: Path) -> None:
    change_frame(adapter, frame, with_first(column, value))
    with pytest.raises(IndexMismatchError, match="is damaged"):
        open_adapter(adapter)
