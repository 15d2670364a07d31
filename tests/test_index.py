"""ConceptIndex: rows from terms or given vectors, kept in a folder, searched by concept."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from oracles import topk_oracle
from safetensors.numpy import load_file

from conceptmap.encoders.embeddings import TokenEmbeddings
from conceptmap.errors import IndexMismatchError, InputError, OutOfSpaceError, UnknownCodeError
from conceptmap.index import files as indexfiles
from conceptmap.index import opening as indexopening
from conceptmap.index import rows as indexrows
from conceptmap.index.index import ConceptIndex
from conceptmap.index.rows import from_bfloat16, to_bfloat16
from conceptmap.ontology.ontology import Ontology

DIM = 12
TYPES = ["float16", "bfloat16", "float32"]


def _encode(terms: Sequence[str]) -> NDArray[np.float32]:
    """A vector for every string, the same each time."""
    rows = [np.random.default_rng(list(term.encode())).standard_normal(DIM) + 0.5 for term in terms]
    return np.asarray(rows, dtype=np.float32) * 3


@pytest.fixture
def ontology() -> Ontology:
    """Six concepts, of which two share a string, one has none, and one shares its code with a block."""
    nodes = ["1", "block:B20", "B20", "B21", "B22", "B22.0"]
    names = ["Infections", "HIV", "HIV", "Fever", "Cold", "Cold, other"]
    concepts = pl.DataFrame({"node": nodes, "name": names, "active": True}).with_columns(
        pl.col("node").str.replace("block:", "").alias("code"),
        pl.Series("kind", ["chapter", "block", "category", "category", "category", "code"]),
        pl.lit(None, dtype=pl.Boolean).alias("billable"),
    )
    synonyms = pl.DataFrame(
        {
            "node": ["B20", "B22", "B22", "B21"],
            "term": ["AIDS", "Common cold", "HIV", "raised temperature (of the body, measured)"],
            "kind": ["synonym", "synonym", "inclusion", "synonym"],
        }
    )
    preferred = concepts.head(5).select("node", pl.col("name").alias("term"), pl.lit("preferred").alias("kind"))
    terms = pl.concat([preferred, synonyms]).join(concepts.select("node", "code"), on="node", maintain_order="left")
    edges = pl.DataFrame(
        {"parent": ["1", "block:B20", "1", "1", "B22"], "child": ["block:B20", "B20", "B21", "B22", "B22.0"]}
    )
    notes = pl.DataFrame({"node": ["B21"], "code": ["B21"], "kind": ["definition"], "text": ["It is hot."]})
    maps = pl.DataFrame({"code": ["B21"], "target_system": ["snomedct"], "target_code": ["386661006"]})
    return Ontology("icd10cm", "2026", concepts, terms.select("node", "code", "term", "kind"), edges, maps, notes)


def _values(index: ConceptIndex) -> NDArray[np.float64]:
    return index.values(slice(None)).astype(np.float64)


def _queries(n: int = 7) -> NDArray[np.float32]:
    return np.random.default_rng(5).standard_normal((n, DIM), dtype=np.float32)


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
def test_build_save_open_and_search(ontology: Ontology, tmp_path: Path, dtype: str, centre: bool) -> None:
    built = ConceptIndex.build(ontology, _encode, encoder_name="invented", revision="7", dtype=dtype, centre=centre)
    opened = ConceptIndex.open(built.save(tmp_path / "index"))
    assert (opened.system, opened.release, opened.dim, opened.n_rows) == ("icd10cm", "2026", DIM, 9)
    assert (opened.manifest.encoder, opened.manifest.revision, opened.manifest.dtype) == ("invented", "7", dtype)
    assert opened.manifest.centring == ("mean" if centre else "none")
    for index in (built, opened):
        for per, groups in (("row", None), ("concept", index.row_concept)):
            expected = topk_oracle(_queries(), _values(index), 4, groups=groups)
            found = index.search(_queries(), 4, per=per)
            np.testing.assert_array_equal(found.rows, expected[1])
            np.testing.assert_array_equal(found.scores, expected[0])
    tolerance = {"float16": 1e-3, "bfloat16": 1e-2, "float32": 0}[dtype]
    if not centre:
        unit = _encode(ontology.terms["term"].to_list())
        unit = unit if dtype == "float32" else unit / np.linalg.norm(unit, axis=1, keepdims=True)
        np.testing.assert_allclose(_values(opened), unit, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", TYPES)
def test_centring_subtracts_the_mean_over_concepts_of_unit_rows(ontology: Ontology, dtype: str) -> None:
    plain = ConceptIndex.build(ontology, _encode, dtype="float32")
    unit = _values(plain) / np.linalg.norm(_values(plain), axis=1, keepdims=True)
    concepts = [unit[plain.row_concept == concept].mean(axis=0) for concept in np.unique(plain.row_concept)]
    expected = unit - np.mean(concepts, axis=0)
    centred = _values(ConceptIndex.build(ontology, _encode, dtype=dtype, centre=True))
    cosine = (centred * expected).sum(1) / np.linalg.norm(centred, axis=1) / np.linalg.norm(expected, axis=1)
    np.testing.assert_allclose(cosine, 1, rtol=0, atol=3e-5 if dtype == "bfloat16" else 1e-6)


def test_equal_strings_are_encoded_once_longest_first(ontology: Ontology, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    steps: list[tuple[int, int]] = []

    def encode(terms: Sequence[str]) -> NDArray[np.float32]:
        seen.extend(terms)
        return _encode(terms)

    monkeypatch.setattr(indexrows, "STRINGS_AT_ONCE", 3)
    index = ConceptIndex.build(ontology, encode, dtype="float32", progress=lambda *step: steps.append(step))
    assert sorted(seen) == sorted(set(ontology.terms["term"]))
    assert [len(term) for term in seen] == sorted(map(len, seen), reverse=True)
    assert steps == [(3, 7), (6, 7), (7, 7)]
    np.testing.assert_array_equal(index.vectors, _encode(ontology.terms["term"].to_list()))


def test_rows_lead_to_terms_and_concepts(ontology: Ontology) -> None:
    index = ConceptIndex.build(ontology, _encode)
    assert index.terms["row"].to_list() == list(range(9))
    assert index.concepts["node"].gather(index.row_concept).to_list() == index.terms["node"].to_list()
    _, rows = index.search(_encode(["AIDS"]), 2)
    assert index.terms["term"][int(rows[0, 0])] == "AIDS"
    assert len(set(index.row_concept[rows[0]].tolist())) == 2


def test_search_may_be_kept_to_codes(ontology: Ontology) -> None:
    index = ConceptIndex.build(ontology, _encode)
    found = index.search(_queries(1), 5, codes=["B22", "B21"])
    assert set(index.concepts["code"].gather(index.row_concept[found.rows[0, :2]])) == {"B21", "B22"}
    assert found.rows[0, 2:].tolist() == [-1] * 3
    by_code, by_node = index.mask(["B20"]), index.mask(["block:B20"])
    assert (by_code.sum(), by_node.sum()) == (3, 1)
    assert not index.mask([]).any()
    with pytest.raises(UnknownCodeError, match=r"1 codes are not in icd10cm: got Z99"):
        index.search(_queries(1), codes=["Z99", "B20"])


def test_a_note_is_searched_by_its_tokens(ontology: Ontology) -> None:
    index = ConceptIndex.build(ontology, _encode)
    places = np.arange(7)
    note = TokenEmbeddings(_queries(), places, places + 1)
    np.testing.assert_array_equal(index.search(note, 3).rows, index.search(_queries(), 3).rows)
    assert index.search(note, 3).scores.shape == (7, 3)
    assert index.search(_queries()[:0]).rows.shape == (0, 10)


def test_vectors_of_another_width_name_the_likely_cause(ontology: Ontology) -> None:
    index = ConceptIndex.build(ontology, _encode)
    with pytest.raises(
        IndexMismatchError, match=r"^expected vectors of width 12, got 5: was the index built with another"
    ):
        index.search(np.ones((2, 5)))
    with pytest.raises(IndexMismatchError, match=r"got shape \(12,\)"):
        index.search(np.ones(12))
    with pytest.raises(InputError, match="query row 1 is a zero vector"):
        index.search(np.eye(2, DIM) * [[1], [0]])
    with pytest.raises(InputError, match="per is unknown: got 'term'"):
        index.search(_queries(), per="term")


def test_a_lexical_index_has_terms_and_no_vectors(ontology: Ontology, tmp_path: Path) -> None:
    folder = ConceptIndex.build(ontology, None, encoder_name="unused").save(tmp_path / "index")
    index = ConceptIndex.open(folder)
    assert (index.dim, index.n_rows, index.vectors, index.manifest.encoder) == (0, 9, None, "")
    assert not (folder / "vectors.safetensors").exists()
    assert index.concepts["node"].gather(index.row_concept).to_list() == index.terms["node"].to_list()
    index.verify()
    for use in (lambda: index.search(_queries()), lambda: index.values(slice(3))):
        with pytest.raises(IndexMismatchError, match="has no vectors"):
            use()


def test_the_ontology_comes_back(ontology: Ontology, tmp_path: Path) -> None:
    index = ConceptIndex.open(ConceptIndex.build(ontology, _encode).save(tmp_path / "index"))
    given = ConceptIndex.from_vectors(["B20"], _queries(1), ontology)
    for again in (index.ontology(), given.ontology()):
        assert (again.system, again.release) == (ontology.system, ontology.release)
        for name in ("concepts", "terms", "edges", "maps", "remarks"):
            assert getattr(again, name).equals(getattr(ontology, name)), name
        assert again.parents("B22.0") == {"B22"}


def test_given_vectors_keep_several_rows_of_a_concept(ontology: Ontology, tmp_path: Path) -> None:
    codes = ["B22", "B20", "B22", "block:B20"]
    index = ConceptIndex.from_vectors(codes, np.eye(4), ontology, terms=["a", "b", "c", "d"])
    opened = ConceptIndex.open(index.save(tmp_path / "index"))
    assert opened.concepts["node"].gather(opened.row_concept).to_list() == codes
    assert opened.terms.filter(pl.col("row").is_not_null())["term"].to_list() == ["a", "b", "c", "d"]
    assert opened.terms.filter(pl.col("row").is_null()).drop("row").equals(ontology.terms)
    assert opened.search(np.asarray([[1, 0, 2, 0]]), 2).rows.tolist() == [[2, 1]]
    assert opened.search(np.asarray([[1, 0, 2, 0]]), 2, per="row").rows.tolist() == [[2, 0]]
    named = ConceptIndex.from_vectors(codes, np.eye(4), ontology)
    assert named.terms["term"].head(4).to_list() == ["Cold", "HIV", "Cold", "HIV"]


@pytest.mark.parametrize("dtype", TYPES)
def test_given_vectors_may_have_any_scale(ontology: Ontology, dtype: str) -> None:
    vectors = _queries(2) * np.asarray([[1e-30], [1e30]])
    index = ConceptIndex.from_vectors(["B20", "B21"], vectors, ontology, dtype=dtype)
    assert index.search(_queries(2), 1).rows.tolist() == [[0], [1]]


@pytest.mark.parametrize(
    ("codes", "vectors", "options", "fault"),
    [
        (["B20"], np.eye(2), {}, "codes and vectors do not fit: got 1 and 2"),
        ([], np.empty((0, 3)), {}, "codes and vectors do not fit"),
        (["B20"], np.ones(1), {}, "vectors must have two axes"),
        (["B20"], np.ones((1, 2)), {"terms": []}, "codes and terms do not fit"),
        (["B20"], np.ones((1, 2)), {"dtype": "int8"}, "dtype is unknown: got 'int8'"),
        (["B20", "B21"], np.eye(2) * [[1], [0]], {}, "vector 1 is a zero vector"),
        (["B20", "B21"], np.full((2, 2), np.nan), {}, "vector 0 holds NaN"),
    ],
)
def test_given_vectors_that_do_not_fit(ontology: Ontology, codes: Any, vectors: Any, options: Any, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        ConceptIndex.from_vectors(codes, vectors, ontology, **options)


def test_given_vectors_of_unknown_codes(ontology: Ontology) -> None:
    with pytest.raises(UnknownCodeError, match=r"got Z00"):
        ConceptIndex.from_vectors(["B20", "Z00"], np.eye(2), ontology)


def test_an_encoder_must_answer_every_string(ontology: Ontology) -> None:
    with pytest.raises(InputError, match=r"term encoder's answer does not fit: got \(6, 12\), expected \(7"):
        ConceptIndex.build(ontology, lambda terms: _encode(terms[1:]))
    with pytest.raises(InputError, match="is a zero vector"):
        ConceptIndex.build(ontology, lambda terms: _encode(terms) * 0)


# -- on disk ----------------------------------------------------------------------------------------------------------


def test_other_readers_read_the_files(ontology: Ontology, tmp_path: Path) -> None:
    index = ConceptIndex.build(ontology, _encode)
    folder = index.save(tmp_path / "index")
    tensors = load_file(folder / "vectors.safetensors")
    np.testing.assert_array_equal(tensors["vectors"], index.vectors)
    np.testing.assert_array_equal(tensors["norms"], index.norms)
    assert pl.read_parquet(folder / "terms.parquet").columns[:4] == ["row", "node", "code", "term"]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert manifest["files"]["terms.parquet"]["bytes"] == (folder / "terms.parquet").stat().st_size
    assert ConceptIndex.open(folder).sha256 == manifest["sha256"]


def test_vectors_are_mapped_and_not_read_only_by_luck(ontology: Ontology, tmp_path: Path) -> None:
    opened = ConceptIndex.open(ConceptIndex.build(ontology, _encode).save(tmp_path / "index"))
    assert isinstance(opened.vectors, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        opened.vectors[0] = 0


@pytest.mark.parametrize(
    "file",
    ["vectors.safetensors", "terms.parquet", "concepts.parquet", "edges.parquet", "maps.parquet", "notes.parquet"],
)
@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "grown"])
def test_a_damaged_file_is_named(ontology: Ontology, tmp_path: Path, file: str, damage: str) -> None:
    folder = ConceptIndex.build(ontology, _encode).save(tmp_path / "index")
    content = bytearray((folder / file).read_bytes())
    content[len(content) // 2] ^= 4
    (folder / file).write_bytes(bytes(content) if damage == "flip" else content[:-1] + b"\0\0" * (damage == "grown"))
    if damage == "gone":
        (folder / file).unlink()
    with pytest.raises(IndexMismatchError, match=f"{file} is damaged"):
        ConceptIndex.open(folder)


def test_large_vectors_are_checked_when_first_read(
    ontology: Ontology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexopening, "VERIFY_AT_OPENING", 0)
    monkeypatch.setattr(indexfiles, "BLOCK_BYTES", 256)
    codes = ["B20", "B21"] * 50
    vectors = np.random.default_rng(1).standard_normal((100, 8))
    folder = ConceptIndex.from_vectors(codes, vectors, ontology).save(tmp_path / "index")
    whole = ConceptIndex.open(folder)
    assert whole.checked is not None
    assert whole.checked.file.verified < set(range(len(whole.checked.file.digest.blocks)))
    path = folder / "vectors.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    broken = ConceptIndex.open(folder)
    with pytest.raises(IndexMismatchError, match=r"vectors.safetensors is damaged"):
        broken.search(np.ones((1, 8)))
    with pytest.raises(IndexMismatchError, match=r"vectors.safetensors is damaged"):
        ConceptIndex.open(folder).verify()


@pytest.mark.parametrize("change", [{"format": 99}, {"format": None}, {"release": "2027"}, {"sha256": "0"}, {"dim": 4}])
def test_a_changed_manifest_is_refused(ontology: Ontology, tmp_path: Path, change: dict[str, Any]) -> None:
    path = ConceptIndex.build(ontology, _encode).save(tmp_path / "index") / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(IndexMismatchError, match=r"manifest.json (is damaged|has another format)"):
        ConceptIndex.open(path.parent)


@pytest.mark.parametrize("content", ["", "[]", "{", "\ud800"])
def test_a_manifest_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(IndexMismatchError, match=r"manifest.json is damaged"):
        ConceptIndex.open(tmp_path)


def test_a_folder_without_an_index(tmp_path: Path) -> None:
    with pytest.raises(IndexMismatchError, match="is not an index: expected a folder that holds"):
        ConceptIndex.open(tmp_path)


def test_a_safetensors_header_cannot_point_outside(tmp_path: Path) -> None:
    path = tmp_path / "vectors.safetensors"
    entry = {"dtype": "F32", "shape": [4, 1 << 40], "data_offsets": [0, 1 << 44]}
    headers: list[Any] = [
        {"vectors": entry},
        {"vectors": {**entry, "data_offsets": [-8, 8]}},
        {"vectors": 3},
        [],
        {"x": {}},
    ]
    for header in headers:
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(64))
        with pytest.raises(IndexMismatchError, match=r"vectors.safetensors is damaged"):
            indexfiles.read_tensors(path)
    path.write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    with pytest.raises(IndexMismatchError, match=r"vectors.safetensors is damaged"):
        indexfiles.read_tensors(path)


def test_saving_replaces_an_index_and_nothing_else(ontology: Ontology, tmp_path: Path) -> None:
    index = ConceptIndex.build(ontology, _encode)
    folder = index.save(tmp_path / "sub" / "index")
    ConceptIndex.build(ontology, None).save(folder)
    assert ConceptIndex.open(folder).dim == 0
    assert [path.name for path in folder.parent.iterdir()] == ["index"]
    other = tmp_path / "thesis"
    other.mkdir()
    index.save(other)
    shutil.rmtree(other)
    other.mkdir()
    (other / "chapter.txt").write_text("text")
    with pytest.raises(InputError, match="exists and is not an index"):
        index.save(other)
    assert (other / "chapter.txt").read_text() == "text"


def test_a_full_disk_leaves_nothing_behind(ontology: Ontology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, tensors: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    index = ConceptIndex.build(ontology, _encode)
    monkeypatch.setattr(indexfiles, "write_tensors", full)
    with pytest.raises(OutOfSpaceError, match="no space left"):
        index.save(tmp_path / "index")
    assert not list(tmp_path.iterdir())


def test_too_little_memory_or_disk_is_refused_up_front(
    ontology: Ontology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = ConceptIndex.build(ontology, _encode)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=9))
    with pytest.raises(OutOfSpaceError, match=r"no space for .*index: got 0.0 GiB"):
        index.save(tmp_path / "index")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(indexrows, "_physical_memory", lambda: 9.0)
    with pytest.raises(OutOfSpaceError, match=r"9 vectors of width 12 do not fit into memory"):
        ConceptIndex.build(ontology, _encode)


def test_bfloat16_rounds_to_nearest_ties_to_even() -> None:
    import torch

    values = np.random.default_rng(2).standard_normal(10_000, dtype=np.float32)
    values[:3] = [1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8]
    expected = torch.from_numpy(values).to(torch.bfloat16)
    np.testing.assert_array_equal(to_bfloat16(values), expected.view(torch.uint16).numpy())
    np.testing.assert_array_equal(from_bfloat16(to_bfloat16(values)), expected.to(torch.float32).numpy())
