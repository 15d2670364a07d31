"""Tables of given vectors: what their columns are is found out, and nothing is left out in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from invented import RF2
from safetensors.numpy import save_file
from typed_ontologies import typed

from conceptmap.errors import IndexMismatchError, InputError, UnknownCodeError
from conceptmap.index import spooled
from conceptmap.index.building import index_of_vectors
from conceptmap.index.files import write_tensors
from conceptmap.index.given_vectors import GivenVectors, read_vectors
from conceptmap.index.index import ConceptIndex
from conceptmap.index.rows import from_bfloat16, to_bfloat16
from conceptmap.index.vector_files import fetch_data_set
from conceptmap.index.vector_keys import keyed
from conceptmap.memory import let_go
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers import load_ontology

ACTIVE = ["10049999999101", "10069999999100", "10089999999105"]
RETIRED = "10119999999101"  # replaced, twice over, by 10069999999100
WIDTH = 6
HALF = (7 * np.random.default_rng(6).normal(size=(3, WIDTH))).astype(np.float16)
BRAIN = from_bfloat16(to_bfloat16((7 * np.random.default_rng(6).normal(size=(3, WIDTH))).astype(np.float32)))


@pytest.fixture(scope="module")
def snomed() -> Ontology:
    return load_ontology(RF2)


def vectors(n_rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(5).normal(size=(n_rows, WIDTH)).astype(np.float32)


def lists(column: str = "embedding", **others: object) -> pl.DataFrame:
    """A frame with a column of vectors."""
    frame = pl.DataFrame(others)
    return frame.with_columns(pl.Series(column, vectors(frame.height).tolist()))


def as_parquet(path: Path) -> Path:
    lists(sctid=[int(code) for code in ACTIVE], vec_id=[0, 1, 2]).write_parquet(path / "v.parquet")
    return path / "v.parquet"


def as_arrow_file(path: Path) -> Path:
    frame = lists(conceptId=ACTIVE, other=["x", "y", "z"])
    frame.with_columns(pl.col("embedding").cast(pl.Array(pl.Float32, WIDTH))).write_ipc(path / "v.feather")
    return path / "v.feather"


def as_arrow_stream(path: Path) -> Path:
    lists(conceptId=[f"http://snomed.info/id/{code}" for code in ACTIVE]).write_ipc_stream(path / "v.arrow")
    return path  # the folder


def as_columns(path: Path) -> Path:
    columns = {f"dim_{at}": vectors(3)[:, at] for at in reversed(range(WIDTH))}
    pl.DataFrame({"code": [f"snomedct:{code}" for code in ACTIVE], "year2": [1.5, 2.5, 3.5]} | columns).write_csv(
        path / "v.csv"
    )
    return path / "v.csv"


def as_csv_lists(path: Path) -> Path:
    texts = [json.dumps([float(value) for value in row]) for row in vectors(3)]
    pl.DataFrame({"n": ["1", "2", "3"], "id": [f"{code} | x |" for code in ACTIVE], "e": texts}).write_csv(
        path / "v.tsv", separator="\t"
    )
    return path / "v.tsv"


def as_shards(path: Path) -> Path:
    whole = lists(sctid=ACTIVE)
    whole.head(2).write_parquet(path / "train-00000.parquet")
    whole.tail(1).write_parquet(path / "train-00001.parquet")
    (path / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n", encoding="utf-8")
    return path


def as_safetensors(path: Path) -> Path:
    codes = np.array([int(code) for code in ACTIVE])
    save_file({"weight": vectors(3), "sctid": codes, "bias": np.zeros(3, np.float32)}, path / "v.safetensors")
    return path / "v.safetensors"


def as_npy(path: Path) -> Path:
    np.save(path / "v.npy", vectors(3))
    (path / "codes.txt").write_text("\n".join(ACTIVE) + "\n", encoding="utf-8")
    return path / "v.npy"


def as_npz(path: Path) -> Path:
    np.savez(path / "v.npz", m=vectors(3).astype(np.float64), names=np.array(ACTIVE))
    return path / "v.npz"


KINDS = (
    as_parquet,
    as_arrow_file,
    as_arrow_stream,
    as_columns,
    as_csv_lists,
    as_shards,
    as_safetensors,
    as_npy,
    as_npz,
)


@pytest.mark.parametrize("write", KINDS)
def test_codes_and_vectors_are_found_in_every_kind_of_file(
    write: Callable[[Path], Path], snomed: Ontology, tmp_path: Path
) -> None:
    given = read_vectors(write(tmp_path), snomed)
    assert given.codes == ACTIVE
    assert given.licence == ("cc-by-nc-4.0" if write is as_shards else "unknown")
    np.testing.assert_allclose(given.vectors, vectors(3), rtol=1e-6)
    assert given.vectors.dtype == np.float32
    assert given.terms is None
    assert given.about[0].startswith(f"3 vectors of width {WIDTH} in ")
    assert next(line for line in given.about if line.startswith("codes")).endswith("all of which the release holds")
    assert not given.changed.height


def as_half_npy(path: Path) -> Path:
    np.save(path / "v.npy", HALF)
    (path / "codes.txt").write_text("\n".join(ACTIVE) + "\n", encoding="utf-8")
    return path / "v.npy"


def as_half_lists(path: Path) -> Path:
    column = pl.Series("embedding", HALF.tolist(), dtype=pl.List(pl.Float16))
    pl.DataFrame({"sctid": ACTIVE}).with_columns(column).write_parquet(path / "v.parquet")
    return path / "v.parquet"


def as_half_columns(path: Path) -> Path:
    columns = {f"d{at}": pl.Series(HALF[:, at].tolist(), dtype=pl.Float16) for at in range(WIDTH)}
    pl.DataFrame({"sctid": ACTIVE} | columns).write_parquet(path / "v.parquet")
    return path / "v.parquet"


def as_bfloat16(path: Path) -> Path:
    tensors = {"weight": ("BF16", to_bfloat16(BRAIN)), "sctid": ("I64", np.array([int(code) for code in ACTIVE]))}
    write_tensors(path / "v.safetensors", tensors)
    return path / "v.safetensors"


@pytest.mark.parametrize("write", [as_half_npy, as_half_lists, as_half_columns, as_bfloat16])
def test_vectors_of_a_16_bit_type_are_kept_as_they_are(
    write: Callable[[Path], Path], snomed: Ontology, tmp_path: Path
) -> None:
    """The stored values are the truth: neither widened nor scaled to length 1."""
    given = read_vectors(write(tmp_path), snomed)
    name, values = ("bfloat16", BRAIN) if write is as_bfloat16 else ("float16", HALF.astype(np.float32))
    folder = index_of_vectors(snomed, given).save(tmp_path / "index")
    index = ConceptIndex.open(folder)
    assert index.manifest.dtype == name
    assert given.about[0].endswith(f"kept in {name}")
    assert index.vectors is not None
    assert index.vectors.dtype.itemsize == 2
    np.testing.assert_array_equal(index.values(slice(None)), values)
    scores, rows = index.search(values, 1)
    np.testing.assert_array_equal(rows[:, 0], [0, 1, 2])
    np.testing.assert_allclose(scores[:, 0], 1.0, atol=1e-6)


def test_terms_are_the_column_that_agrees_with_the_release(snomed: Ontology, tmp_path: Path) -> None:
    names = [snomed.name(code).upper() for code in ACTIVE]
    frame = lists(sctid=[*ACTIVE, ACTIVE[0]], label=["a", "b", "c", "d"], said=[*names[:2], None, "another name"])
    frame.write_parquet(tmp_path / "v.parquet")
    given = read_vectors(tmp_path / "v.parquet", snomed)
    assert given.codes == [*ACTIVE, ACTIVE[0]]  # several rows of a concept stay
    assert given.terms == [*names[:2], snomed.name(ACTIVE[2]), "another name"]
    assert given.about[2] == "terms in column said"
    assert read_vectors(tmp_path / "v.parquet", snomed, term_column="label").terms == ["a", "b", "c", "d"]
    frame.drop("said").write_parquet(tmp_path / "v.parquet")
    assert read_vectors(tmp_path / "v.parquet", snomed).terms == ["a", "b", "c", "d"]


def test_what_the_release_does_not_hold_is_listed_and_old_codes_become_new_ones(
    snomed: Ontology, tmp_path: Path
) -> None:
    gone = snomed.concepts.filter(~pl.col("active") & (pl.col("replaced_by").list.len() == 0))["code"][0]
    codes = [ACTIVE[0], RETIRED, gone, "22298006", None]
    lists(concept_id=codes, row=["0", "1", "2", "3", "4"]).write_parquet(tmp_path / "v.parquet")
    given = read_vectors(tmp_path / "v.parquet", snomed)
    assert given.codes == [ACTIVE[0], ACTIVE[1]]
    np.testing.assert_array_equal(given.vectors, vectors(5)[:2])
    assert given.changed.drop("change").rows() == [
        (1, RETIRED, "replaced", ACTIVE[1]),
        (2, gone, "inactive", None),
        (3, "22298006", "unknown", None),
        (4, None, "unknown", None),
    ]


def test_check_digits_tell_the_codes_of_another_release_and_none_is_an_error(snomed: Ontology, tmp_path: Path) -> None:
    lists(n=[7, 8], sctid=["22298006", "138875005"]).write_parquet(tmp_path / "v.parquet")
    with pytest.raises(UnknownCodeError, match="no code in column sctid is a concept of snomedct INT_20250101"):
        read_vectors(tmp_path / "v.parquet", snomed)
    lists(n=[7, 8], words=["fever", "cough"]).write_parquet(tmp_path / "v.parquet")
    with pytest.raises(InputError, match=r"which column holds the codes of snomedct .*got n \(0 % known\), words"):
        read_vectors(tmp_path / "v.parquet", snomed)


def test_options_say_what_cannot_be_told(snomed: Ontology, tmp_path: Path) -> None:
    frame = lists("a", sctid=ACTIVE, old=ACTIVE[::-1]).with_columns(b=pl.col("a").list.eval(-pl.element()))
    frame.write_parquet(tmp_path / "v.parquet")
    with pytest.raises(InputError, match="got several: a, b, expected a column of lists of numbers"):
        read_vectors(tmp_path / "v.parquet", snomed)
    given = read_vectors(tmp_path / "v.parquet", snomed, vector_column="b", code_column="old")
    assert given.codes == ACTIVE[::-1]
    np.testing.assert_array_equal(given.vectors, -vectors(3))
    with pytest.raises(InputError, match="no such column of codes: got c, expected one of sctid, old"):
        read_vectors(tmp_path / "v.parquet", snomed, vector_column="b", code_column="c")
    with pytest.raises(InputError, match="no such column of terms: got c"):
        read_vectors(tmp_path / "v.parquet", snomed, vector_column="b", term_column="c")


def test_several_vectors_in_a_row_get_rows_of_their_own(snomed: Ontology, tmp_path: Path) -> None:
    nested = [vectors(3)[:2].tolist(), vectors(3)[2:].tolist()]
    pl.DataFrame({"sctid": ACTIVE[:2], "v": nested}).write_parquet(tmp_path / "v.parquet")
    given = read_vectors(tmp_path / "v.parquet", snomed)
    assert given.codes == [ACTIVE[0], ACTIVE[0], ACTIVE[1]]
    np.testing.assert_array_equal(given.vectors, vectors(3))


def test_files_that_hold_no_vectors_are_refused(snomed: Ontology, tmp_path: Path) -> None:
    uneven = tmp_path / "uneven.parquet"
    pl.DataFrame({"sctid": ACTIVE[:2], "v": [[1.0, 2.0], [1.0]]}).write_parquet(uneven)
    np.save(tmp_path / "alone.npy", vectors(3))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "three.txt").write_text("1\n2\n", encoding="utf-8")
    (tmp_path / "bad.parquet").write_bytes(b"no")
    pl.DataFrame({"sctid": ACTIVE, "x": [0.5] * 3}).write_csv(tmp_path / "flat.csv")
    cases: list[tuple[str, dict[str, str], str]] = [
        ("uneven.parquet", {}, "row 2 of column v is no vector as the first is: expected 2 numbers"),
        ("alone.npy", {}, "no codes for the vectors in alone.npy: got none beside it"),
        ("alone.npy", {"codes_file": str(tmp_path / "three.txt")}, "codes and vectors do not fit: got 2 and 3"),
        ("objects.npy", {}, "without Python objects"),
        ("bad.parquet", {}, "cannot read bad.parquet"),
        ("flat.csv", {}, "cannot tell the vectors in flat.csv: got 2 columns"),
        ("three.txt", {}, "cannot read vectors from three.txt"),
        ("flat.csv", {"codes_file": "x"}, "a file of codes goes with safetensors or npy"),
        ("nowhere.parquet", {}, "there are no vectors there"),
    ]
    for name, options, message in cases:
        with pytest.raises(InputError, match=message):
            read_vectors(tmp_path / name, snomed, **options)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no vectors"):
        read_vectors(tmp_path / "empty", snomed)


def test_a_data_set_of_the_hub_is_fetched_at_its_revision(
    snomed: Ontology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def snapshot_download(name: str, **options: object) -> str:
        asked.append((name, options))
        if options["revision"] == "gone":
            raise ValueError("no such revision")
        return str(as_shards(tmp_path))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    given = read_vectors("Somebody/Concepts25@0a1b2c3", snomed)
    assert given.codes == ACTIVE
    assert "they may not be used commercially: cc-by-nc-4.0" in given.about
    facts = index_of_vectors(snomed, given).manifest.facts
    assert (facts["vectors"], facts["licence"]) == ("Somebody/Concepts25@0a1b2c3", "cc-by-nc-4.0")
    name, options = asked[0]
    assert (name, options["repo_type"], options["revision"]) == ("Somebody/Concepts25", "dataset", "0a1b2c3")
    assert "*.parquet" in str(options["allow_patterns"])
    with pytest.raises(InputError, match="cannot fetch the data set a/b@gone: got ValueError"):
        fetch_data_set("a/b@gone")
    with pytest.raises(InputError, match="with its revision, owner/name@commit"):
        fetch_data_set("Somebody/Concepts25")


def test_the_index_says_which_encoder_its_vectors_go_with(snomed: Ontology, tmp_path: Path) -> None:
    given = GivenVectors(ACTIVE, vectors(3), None, (), pl.DataFrame())
    index = index_of_vectors(snomed, given)
    assert (index.manifest.encoder, index.manifest.revision, index.dim) == ("given", "", WIDTH)
    assert index.lexicon is not None
    named = index_of_vectors(snomed, given, "maker/model@c0ffee")
    assert (named.manifest.encoder, named.manifest.revision) == ("maker/model", "c0ffee")
    folder = tmp_path / "a-model"
    folder.mkdir()
    save_file({"w": vectors(1)}, folder / "model.safetensors")
    assert index_of_vectors(snomed, given, folder).manifest.encoder == "a-model"
    best = named.search(vectors(3), 1).rows[:, 0]
    assert named.concepts["code"].gather(named.row_concept[best]).to_list() == ACTIVE


def test_keys_may_be_ids_of_descriptions_terms_or_any_mixture(snomed: Ontology, tmp_path: Path) -> None:
    ids = snomed.terms.filter(node=ACTIVE[0]).sort("kind")["description_ids"].explode().to_list()
    term = snomed.terms.filter(node=ACTIVE[1], kind="preferred")["term"].item()
    for name, keys in {
        "ids": [*ids, "11"],
        "terms": [term, snomed.name(ACTIVE[0]), "no such term"],
        "mixture": [ACTIVE[2], ids[0], term, "nothing"],
    }.items():
        path = tmp_path / f"{name}.parquet"
        pl.DataFrame({"key": keys, "vector": vectors(len(keys)).tolist()}).write_parquet(path)
        given = read_vectors(path, snomed)
        assert len(given.codes) == len(keys) - 1
        assert given.changed["reason"].to_list() == ["unknown"]
        assert ("by the id of a description" in " ".join(given.about)) == (name != "terms")
        assert ("by a term" in " ".join(given.about)) == (name != "ids")
    assert given.codes == [ACTIVE[2], ACTIVE[0], ACTIVE[1]]


def test_a_term_of_several_concepts_stands_for_the_one_that_has_it_as_its_name() -> None:
    rows = [("1", "disorder", "Fever", (), None), ("2", "finding", "Heat", ("Fever", "Warmth"), None)]
    rows += [("3", "finding", "Glow", ("Warmth",), None)]
    ontology = typed("own", rows)
    found, said = keyed(pl.Series(["Fever", "Warmth", "Heat"]), ontology)
    assert found.to_list() == ["1", None, "2"]
    assert said == ", 2 by a term"


def test_vectors_of_another_width_than_the_encoder_s_are_refused_at_build(snomed: Ontology, tmp_path: Path) -> None:
    given = GivenVectors(ACTIVE, vectors(3), None, (), pl.DataFrame())
    folder = tmp_path / "a-model"
    folder.mkdir()
    save_file({"w": vectors(1)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"hidden_size": WIDTH}))
    assert index_of_vectors(snomed, given, folder).dim == WIDTH
    (folder / "config.json").write_text(json.dumps({"hidden_size": 384}))
    with pytest.raises(IndexMismatchError, match="width than the vectors: got 384, expected 6; give the encoder"):
        index_of_vectors(snomed, given, folder)


# -- tables larger than memory should hold ----------------------------------------------------------------------------


def test_a_large_table_lies_in_a_file_and_gives_the_same_index(
    snomed: Ontology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = lists(sctid=[*ACTIVE, "10000000000", *ACTIVE] * 40)  # an unknown code is left out
    (tmp_path / "parts").mkdir()
    table.head(100).write_parquet(tmp_path / "parts" / "a.parquet", row_group_size=7)
    table.slice(100).write_parquet(tmp_path / "parts" / "b.parquet")
    held = read_vectors(tmp_path / "parts", snomed)
    monkeypatch.setattr(spooled, "IN_MEMORY", 0)
    mapped = read_vectors(tmp_path / "parts", snomed)
    assert isinstance(mapped.vectors, np.memmap)
    assert not isinstance(held.vectors, np.memmap)
    assert np.array_equal(mapped.vectors, held.vectors)
    assert mapped.codes == held.codes
    index = index_of_vectors(snomed, mapped)
    assert index.vectors is not None
    assert np.shares_memory(index.vectors, mapped.vectors), "no copy of what may be large"
    let_go(index.vectors)
    assert np.array_equal(index.vectors, held.vectors), "what was let go comes back"
    one, other = (index_of_vectors(snomed, given).save(tmp_path / str(n)) for n, given in enumerate((held, mapped)))
    assert (one / "vectors.safetensors").read_bytes() == (other / "vectors.safetensors").read_bytes()


def test_an_array_that_may_change_is_copied(snomed: Ontology) -> None:
    mine = vectors(3)
    index = ConceptIndex.from_vectors(ACTIVE, mine, snomed)
    assert index.vectors is not None
    assert not np.shares_memory(index.vectors, mine)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[1.0, 2.0], [1.0]], "row 2 of column v is no vector as the first is"),
        ([[1.0, 2.0], None], "row 2 of column v is no vector as the first is"),
        ([[1.0, 2.0], [1.0, None]], "a vector holds no number in column v"),
        ([[1.0, 2.0], [0.0, 0.0]], "vector 1 is a zero vector"),
        ([[1.0, 2.0], [float("nan"), 0.0]], "vector 1 holds NaN"),
    ],
)
def test_rows_of_a_large_table_that_are_no_vectors_are_named(
    snomed: Ontology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[object], said: str
) -> None:
    monkeypatch.setattr(spooled, "IN_MEMORY", 0)
    pl.DataFrame({"code": ACTIVE[:2], "v": pl.Series(rows, dtype=pl.List(pl.Float32))}).write_parquet(
        tmp_path / "v.parquet"
    )
    with pytest.raises(InputError, match=said):
        index_of_vectors(snomed, read_vectors(tmp_path / "v.parquet", snomed))
