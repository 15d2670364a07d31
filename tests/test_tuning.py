"""``conceptmap tune``: tiny models of the usual layouts learn made-up concepts; what they learned is kept safely."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tiny_models import WIDTH, make

from conceptmap.encoders import TokenEncoder, load_encoder
from conceptmap.encoders.embedded import DIGESTS
from conceptmap.encoders.pooling import normalise
from conceptmap.encoders.tuned.names import SHIPPED, encoder_named
from conceptmap.encoders.tuned.store import is_tuned, read_tuned
from conceptmap.errors import IndexMismatchError, InputError, MissingExtraError, ModelError
from conceptmap.index.building import build_index
from conceptmap.index.index import ConceptIndex
from conceptmap.linking.pooling import pool_all
from conceptmap.mapper import ConceptMapper
from conceptmap.notes.marked import MarkedNote, MarkedSpan
from conceptmap.readers import load_ontology
from conceptmap.tuning.base import open_base
from conceptmap.tuning.batches import Material, batch_of, compared
from conceptmap.tuning.concepts import concepts_of, hard_neighbours, name_key
from conceptmap.tuning.contexts import certain_mentions, contexts_of, marked_mentions
from conceptmap.tuning.network import learner_of
from conceptmap.tuning.settings import TuneSettings
from conceptmap.tuning.tune import TunedTo
from conceptmap.tuning.tune import tune as tune_by

FAMILIES = ("pylate-modernbert", "sentence-mpnet", "sentence-bert-cls", "sentence-bert-mean")
FIRST = (
    "ardent brisk cobalt dusky eager".split(),
    "gentle hollow ivory keen lunar".split(),
    "mellow noble opal pale quiet".split(),
)
LAST = ("fever rash cough palsy".split(), "ague itch wheeze weakness".split(), "heat spots croup drop".split())
QUICK = TuneSettings(
    steps=24, rate=0.02, rank=4, concepts=12, mentions=16, sentences=4, context=1.0, keeping=0.3, warm_up=3,
    check_every=24, keep_every=8,
)  # fmt: skip
OFTEN = replace(QUICK, check_every=6)
LONG = replace(
    QUICK, steps=90, rate=0.01, rank=16, temperature=0.1, parents=0.0, keeping=0.1, check_every=90, keep_every=90
)
"""For models of a few thousand numbers."""


tune = partial(tune_by, dtype="float32")  # for models this small bfloat16 takes longer


def names_of(i: int) -> list[str]:
    """Of one of twenty made-up concepts, in three tongues with a word for what it is and one for what it is like."""
    return [f"{FIRST[k][i // 4]} {LAST[k][i % 4]}{'' if k else ' of the arm'}" for k in range(3)]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small wait for one another's threads longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ConceptIndex:
    """Twenty diseases below four, without vectors."""
    lines = ["format-version: 1.2", "data-version: 1", "ontology: inv", ""]
    for i in range(4):
        lines += ["[Term]", f"id: INV:{100 + i}", f"name: {LAST[0][i]} disease", ""]
    for i in range(20):
        first, *others = names_of(i)
        lines += ["[Term]", f"id: INV:{i:03d}", f"name: {first}"]
        lines += [f'synonym: "{name}" EXACT []' for name in others] + [f"is_a: INV:{100 + i % 4}", ""]
    path = tmp_path_factory.mktemp("inv") / "inv.obo"
    path.write_text("\n".join(lines), "utf-8")
    return build_index(load_ontology(path, system="inv"), None)


def notes() -> list[str]:
    """Plain notes that name the diseases."""
    said = ("Seen for {}, which came back.", "Mother reports {} since Monday.", "Has had {} twice.", "Now {} again.")
    named = [one.format(name) for i in range(20) for name in names_of(i) for one in said]
    return [*named, "All is well, walks at home."]


def accuracy(encoder: TokenEncoder, index: ConceptIndex, rows: NDArray[np.float32] | None = None) -> float:
    """Share of taught names which, in a sentence as the notes have it, are nearest to their own concept."""
    concepts = concepts_of([index], dim=encoder.dim)
    taught = [i for i in range(len(concepts)) if len(concepts.names[i]) > 1]
    names = [(name, i) for i in taught for name in concepts.names[i]]
    texts = [f"Now {name} again." for name, _ in names]
    spans = [[(4, 4 + len(name))] for name, _ in names]
    said = np.asarray(pool_all(encoder.tokens(texts, spans=spans), spans), dtype=np.float32)
    of = np.array([i for _, i in names])
    known, known_of = (encoder.terms([name for name, _ in names]), of) if rows is None else (rows, np.arange(len(rows)))
    found = known_of[np.argmax(normalise(said) @ normalise(known).T, axis=1)]
    return float((found == of).mean())


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def model(models: Path, family: str) -> Path:
    folder = models / family
    return folder if folder.is_dir() else make(folder, family)


@pytest.fixture(scope="module")
def learned(models: Path, index: ConceptIndex) -> TunedTo:
    """A tuned encoder beside its base."""
    return tune([index], notes(), models / "learned", encoder=model(models, "sentence-bert-mean"), settings=OFTEN)


# -- it learns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layout_learns_made_up_concepts(models: Path, index: ConceptIndex, tmp_path: Path, family: str) -> None:
    dtype = "auto" if family == "sentence-bert-mean" else "float32"
    base = model(models, family)
    done = tune_by([index], notes(), tmp_path / "tuned", encoder=base, settings=LONG, dtype=dtype)  # type: ignore[arg-type]
    encoder, before = load_encoder(done.folder, dtype="float32"), load_encoder(base, dtype="float32")
    assert (encoder.name, encoder.dim, encoder.licence) == (f"{family} tuned", before.dim, before.licence)
    assert encoder.revision != before.revision
    assert accuracy(encoder, index) > accuracy(before, index) + 0.2
    if family == "pylate-modernbert":  # ClinicalEncoder25's layout learns what it was not told as well
        assert done.before.names_1 is not None
        assert done.after.names_1 is not None
        assert done.after.names_1 > done.before.names_1 + 0.3


def test_a_table_of_given_vectors_is_what_tokens_are_taught_to_be_near(
    models: Path, index: ConceptIndex, tmp_path: Path
) -> None:
    """ClinicalEncoder25's layout and a table like ClinicalMap25: a vector a concept, from elsewhere."""
    rows = np.random.default_rng(0).normal(size=(len(index.concepts), WIDTH)).astype(np.float32)
    table = ConceptIndex.from_vectors(index.concepts["code"].to_list(), rows, index.ontology())
    base = model(models, "pylate-modernbert")
    done = tune([table], notes(), tmp_path / "tuned", encoder=base, settings=LONG)
    encoder, before = load_encoder(done.folder, dtype="float32"), load_encoder(base, dtype="float32")
    assert accuracy(encoder, table, rows) > accuracy(before, table, rows) + 0.2


def test_what_was_known_is_kept(models: Path, index: ConceptIndex, tmp_path: Path) -> None:
    """Without the part that keeps it, the same run leaves the encoder further behind."""
    base, near = model(models, "sentence-bert-mean"), []
    for keeping in (4.0, 0.0):
        settings = replace(QUICK, keeping=keeping)
        done = tune([index], notes(), tmp_path / f"{keeping}", encoder=base, settings=settings)
        assert done.after.kept is not None
        near.append(done.after.kept)
    assert near[0] > near[1] + 0.05


def test_the_merged_weights_are_what_peft_computes(models: Path, learned: TunedTo) -> None:
    tuned = read_tuned(learned.folder)
    base = open_base(model(models, "sentence-bert-mean"))
    learner = learner_of(base, rank=4, scale=tuned.scale, seed=1, dtype="float32")
    with torch.no_grad():
        for layer, pair in tuned.factors.items():
            for side, value in zip("ab", pair, strict=True):
                learner.factors[f"{layer}.{side}"].copy_(torch.from_numpy(value))
        said = ["ardent fever", "keen rash of the arm"]
        theirs = learner.names(said).numpy()
    ours = load_encoder(learned.folder, dtype="float32").terms(said)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert tuned.factors.keys() == {
        f"encoder.layer.{i}.{name}"
        for i in range(3)
        for name in (
            *(f"attention.self.{one}" for one in ("query", "key", "value")),
            "attention.output.dense", "intermediate.dense", "output.dense",
        )
    }  # fmt: skip


# -- the same again, and after a kill ---------------------------------------------------------------------------------


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_runs_and_one_that_was_killed_give_the_same_bytes(
    models: Path, index: ConceptIndex, tmp_path: Path, learned: TunedTo
) -> None:
    base = model(models, "sentence-bert-mean")
    again = tune([index], notes(), tmp_path / "again", encoder=base, settings=OFTEN)
    assert content(again.folder) == content(learned.folder)

    def stop(done: int, _: int) -> None:
        if done == 19:
            raise KeyboardInterrupt

    target = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        tune([index], notes(), target, encoder=base, settings=OFTEN, progress=stop)
    assert not target.exists()
    seen: list[int] = []
    done = tune([index], notes(), target, encoder=base, settings=OFTEN, progress=lambda at, _: seen.append(at))
    assert (done.resumed, seen[0]) == (16, 17)
    assert content(target) == content(learned.folder)
    assert not (tmp_path / "killed.parts").exists()


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_not_gone_on_with(
    models: Path, index: ConceptIndex, tmp_path: Path
) -> None:
    base, target = model(models, "sentence-bert-mean"), tmp_path / "t"
    short = replace(QUICK, steps=4, check_every=2, keep_every=2)

    def stop(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune([index], notes(), target, encoder=base, settings=short, progress=stop)
    kept = tmp_path / "t.parts" / "tuning.safetensors"
    data = bytearray(kept.read_bytes())
    other = tune([index], notes(), target, encoder=base, settings=replace(short, seed=1))
    assert other.resumed == 0
    kept.parent.mkdir()
    data[-3] ^= 1
    kept.write_bytes(data)
    assert tune([index], notes(), tmp_path / "t", encoder=base, settings=short).resumed == 0


def test_tuning_ends_where_what_is_held_back_gets_no_better(models: Path, index: ConceptIndex, tmp_path: Path) -> None:
    slow = replace(QUICK, rate=1e-9, steps=20, check_every=2, patience=2)
    done = tune([index], notes(), tmp_path / "t", encoder=model(models, "sentence-bert-mean"), settings=slow)
    looks = json.loads((done.folder / "manifest.json").read_text())["card"]["looks"]
    assert done.step == 2
    assert [step for step, _ in looks] == [2, 4, 6]


# -- what it is told --------------------------------------------------------------------------------------------------


def test_relatives_and_what_is_held_back_are_no_counter_examples(index: ConceptIndex) -> None:
    concepts = concepts_of([index], dim=WIDTH)
    numbers = {code: i for i, code in enumerate(index.concepts["code"])}
    assert concepts.related(numbers["INV:100"], numbers["INV:004"])
    assert not concepts.related(numbers["INV:100"], numbers["INV:001"])
    assert concepts.held
    assert all(not concepts.names[i] and len(concepts.own[i]) > 1 for i in concepts.held)
    kept_back = {name_key(name) for i in concepts.held for name in concepts.own[i]}
    assert not kept_back & {name_key(name) for names in concepts.names for name in names}
    near = hard_neighbours(concepts, {i: np.eye(20, dtype=np.float32)[0] for i in range(20)}, n=30)
    assert numbers["INV:004"] not in near[numbers["INV:100"]]
    assert numbers["INV:001"] in near[numbers["INV:100"]]
    material = Material.of(concepts, {i: near[i] for i in near if len(concepts.names[i]) > 1}, [])
    batch = batch_of(material, QUICK, 0)
    positive, left_out = compared(batch, concepts, n_given=0)
    assert not (positive & left_out).any()
    for i, j in zip(*np.nonzero(positive), strict=True):
        assert batch.concept[i] == batch.concept[j]
        assert name_key(batch.names[i]) != name_key(batch.names[j])
    above = [j for j, one in enumerate(batch.concept.tolist()) if one in concepts.parents[int(batch.concept[0])]]
    assert above
    assert left_out[0, above].all()


def test_mentions_stand_where_the_words_are(models: Path, index: ConceptIndex) -> None:
    concepts = concepts_of([index], dim=WIDTH)
    encoder = load_encoder(model(models, "plain-modernbert"))
    text = "Now ardent fever of the arm again. Tomorrow home."
    placed = certain_mentions(index, [text], first=0)
    assert [text[a:b] for a, b, _ in placed[0]] == ["ardent fever of the arm"]
    note = MarkedNote.of("a", text, [MarkedSpan(4, 16, ("inv:INV:000",)), MarkedSpan(0, 3, ("INV:999",))])
    assert marked_mentions(index, [note], first=7) == [[(4, 16, 7 + index.ontology().positions["INV:000"])]]
    (context,) = contexts_of(encoder.model, concepts, [text], placed, longest=64)
    backend = encoder.model.tokeniser.backend  # type: ignore[union-attr]
    ((first, stop, _),) = context.mentions
    assert backend.decode(context.ids[first:stop].tolist()).strip() == "ardent fever of the arm"
    others = [backend.decode(context.ids[a:b].tolist()).strip() for a, b in context.background]
    assert others == ["Now", "again", "Tomorrow", "home"]
    with pytest.raises(InputError, match="no sentences"):
        contexts_of(encoder.model, concepts, [" "], [[]], longest=64)


def test_concepts_that_maps_join_one_to_one_are_taught_by_the_names_of_both(tmp_path: Path) -> None:
    """A concept with two codes, and codes with two concepts, are not one and the same."""
    ours = ["format-version: 1.2", "ontology: a", ""]
    for code, name, refs in (
        ("1", "alba", ["B:1"]),
        ("2", "nigra", ["B:2", "B:3"]),
        ("3", "rubra", ["B:4"]),
        ("4", "flava", ["B:4"]),
    ):
        ours += ["[Term]", f"id: A:{code}", f"name: {name}", *(f"xref: {ref}" for ref in refs), ""]
    theirs = ["format-version: 1.2", "ontology: b", ""]
    for i, name in enumerate(("white disease", "black disease", "dark disease", "red disease"), 1):
        theirs += ["[Term]", f"id: B:{i}", f"name: {name}", f'synonym: "{name}s" EXACT []', ""]
    for name, lines in (("a", ours), ("b", theirs)):
        (tmp_path / f"{name}.obo").write_text("\n".join(lines), "utf-8")
    indexes = [build_index(load_ontology(tmp_path / f"{name}.obo", system=name), None) for name in "ab"]
    concepts = concepts_of(indexes, dim=WIDTH)
    assert concepts.own == (
        ("alba", "white disease", "white diseases"), ("nigra",), ("rubra",), ("flava",),
        ("white disease", "white diseases", "alba"), ("black disease", "black diseases"),
        ("dark disease", "dark diseases"), ("red disease", "red diseases"),
    )  # fmt: skip
    assert concepts.related(0, 4)
    assert not concepts.related(1, 5)
    alone = concepts_of(indexes[:1], dim=WIDTH)
    assert alone.own[0] == ("alba",)


def test_what_a_classification_says_in_parentheses_is_no_part_of_a_name(tmp_path: Path) -> None:
    """Nonessential modifiers of ICD-10-CM; elsewhere parentheses may tell two concepts apart."""
    from conceptmap.tuning.concepts import _said

    assert _said("Hypertension (arterial) (benign), unspecified", "I10", "icd10cm") == "Hypertension"
    assert _said("Hypertension (arterial)", "1", "doid") == "Hypertension (arterial)"
    assert _said("Hypertension (disorder)", "1", "sct") == "Hypertension"


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"rate": 0.0}, {"keeping": -1.0}, {"names": 0.0, "context": 0.0, "parents": 0.0, "background": 0.0}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        replace(QUICK, **wrong)  # type: ignore[arg-type]


def test_without_peft_the_command_to_type_is_told(
    models: Path, index: ConceptIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'conceptmap\[train\]'"):
        tune([index], notes(), tmp_path / "t", encoder=model(models, "sentence-bert-mean"), settings=QUICK)


@pytest.mark.parametrize("family", ["sentence-dense"])
def test_what_cannot_be_tuned_is_refused(models: Path, index: ConceptIndex, tmp_path: Path, family: str) -> None:
    with pytest.raises(ModelError, match="cannot be tuned"):
        tune([index], notes(), tmp_path / "t", encoder=model(models, family), settings=QUICK)


# -- what is kept, and what is refused --------------------------------------------------------------------------------


def test_it_is_small_and_says_what_it_is(learned: TunedTo) -> None:
    assert is_tuned(learned.folder)
    assert {path.name for path in learned.folder.iterdir()} == {"manifest.json", "lora.safetensors", "README.md"}
    card = (learned.folder / "README.md").read_text("utf-8")
    assert "sentence-bert-mean tuned" in card
    assert "| mentions held back, nearest name is of their concept |" in card
    assert str(learned.folder) not in card
    with pytest.raises(InputError, match="tuned already"):
        open_base(learned.folder)


def test_damaged_ones_are_refused(learned: TunedTo, tmp_path: Path) -> None:
    whole = content(learned.folder)
    for name, data in whole.items():
        if name == "README.md":
            continue
        folder = tmp_path / name
        folder.mkdir()
        for other, same in whole.items():
            (folder / other).write_bytes(same)
        changed = bytearray(data)
        changed[len(changed) // 2] ^= 1
        (folder / name).write_bytes(changed)
        with pytest.raises(ModelError, match=r"damaged|cannot load|no weights"):
            load_encoder(folder)


def test_another_base_is_refused(learned: TunedTo, models: Path, tmp_path: Path) -> None:
    beside = tmp_path / "sentence-bert-mean"
    beside.mkdir()
    for path in model(models, "sentence-bert-mean").rglob("*"):
        target = beside / path.relative_to(model(models, "sentence-bert-mean"))
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
    moved = tmp_path / "moved"
    moved.mkdir()
    for name, data in content(learned.folder).items():
        (moved / name).write_bytes(data)
    value = json.loads((moved / "manifest.json").read_text())
    value["base"]["place"] = str(tmp_path / "gone")
    from conceptmap.files import sha256_of

    value["sha256"] = sha256_of({name: entry for name, entry in value.items() if name != "sha256"})
    (moved / "manifest.json").write_text(json.dumps(value))
    same = load_encoder(moved, dtype="float32")
    assert same.revision == load_encoder(learned.folder, dtype="float32").revision
    state = load_file(beside / "model.safetensors")
    save_file({name: value + 0.01 for name, value in state.items()}, beside / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="belongs to its base: got one with other weights"):
        load_encoder(moved)
    (beside / "model.safetensors").unlink()
    with pytest.raises(ModelError):
        load_encoder(moved)


def test_an_index_knows_which_encoder_made_it(
    learned: TunedTo, models: Path, index: ConceptIndex, tmp_path: Path
) -> None:
    base = model(models, "sentence-bert-mean")
    tuned = load_encoder(learned.folder, dtype="float32")
    made = build_index(index.ontology(), tuned)
    assert (made.manifest.encoder, made.manifest.revision) == (tuned.name, tuned.revision)
    made.save(tmp_path / "made")
    assert ConceptMapper.load(str(tmp_path / "made"), encoder=str(learned.folder)).encoder is not None
    with pytest.raises(IndexMismatchError, match="another encoder"):
        ConceptMapper.load(str(tmp_path / "made"), encoder=str(base))
    with pytest.raises(IndexMismatchError, match="another encoder"):
        ConceptMapper.load(build_index(index.ontology(), load_encoder(base)), encoder=learned.folder)


def test_a_folder_with_changes_of_another_model_is_refused(models: Path, tmp_path: Path) -> None:
    """Transformers would look for the model where that file says."""
    folder = make(tmp_path / "m", "plain-modernbert")
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere"}')
    with pytest.raises(ModelError, match="changes of another model"):
        load_encoder(folder)


# -- the embedded one -------------------------------------------------------------------------------------------------


def test_the_embedded_encoder_is_the_tuned_one_that_comes_along() -> None:
    tuned, plain = load_encoder("embedded", dtype="float32"), load_encoder("embedded-plain", dtype="float32")
    assert encoder_named(tuned.name) == "embedded"
    assert encoder_named(plain.name) == "embedded-plain"
    assert (tuned.dim, tuned.licence) == (plain.dim, plain.licence)
    stored = read_tuned(SHIPPED)
    assert tuned.revision == stored.revision
    assert stored.base.sha256 == DIGESTS["model.safetensors"]
    assert (SHIPPED / "lora.safetensors").stat().st_size < 3 << 20
    card = (SHIPPED / "README.md").read_text("utf-8")
    assert "CC0" in card
    assert "public domain" in card
    pairs = [("heart attack", "myocardial infarction"), ("nosebleed", "epistaxis"), ("shingles", "herpes zoster")]
    for one, other in pairs:  # names of one thing have come nearer
        near = [float(a @ b) for a, b in (normalise(encoder.terms([one, other])) for encoder in (tuned, plain))]
        assert near[0] > near[1] + 0.05, (one, other, near)


def test_an_index_of_the_plain_one_says_how_to_open_it(index: ConceptIndex) -> None:
    made = build_index(index.ontology(), load_encoder("embedded-plain"))
    with pytest.raises(IndexMismatchError, match="give embedded-plain as the encoder"):
        ConceptMapper.load(made)
    assert ConceptMapper.load(made, encoder="embedded-plain").encoder is not None


def test_the_command_tunes_the_embedded_encoder(
    tmp_path: Path, index: ConceptIndex, capfd: pytest.CaptureFixture[str]
) -> None:
    from conceptmap.cli import main

    index.save(tmp_path / "inv")
    (tmp_path / "notes").mkdir()
    for i, text in enumerate(notes()[:8]):
        (tmp_path / "notes" / f"{i}.txt").write_text(text)
    out = tmp_path / "tuned"
    line = ["tune", "--ontology", str(tmp_path / "inv"), "--notes", str(tmp_path / "notes"), "-o", str(out)]
    assert main([*line, "--steps", "1", "--patience", "1"]) == 0
    assert "figures in" in capfd.readouterr().err
    assert (out / "lora.safetensors").stat().st_size < 3 << 20
    assert read_tuned(out).base.place == "embedded-plain"
    tuned = load_encoder(out)
    assert (tuned.name, tuned.dim) == ("sentence-transformers/all-MiniLM-L6-v2 tuned", 384)
    assert load_encoder("embedded-plain").revision != tuned.revision
