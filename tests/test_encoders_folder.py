"""What a model folder says about itself, and what is refused."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import make

from conceptmap.encoders import load_encoder
from conceptmap.encoders.folder import identity, read_card, sentence_facts
from conceptmap.errors import ModelError

load = partial(load_encoder, dtype="float32")  # whatever this machine would choose


@pytest.fixture(scope="module")
def mpnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("models") / "tiny-mpnet", "sentence-mpnet")


@pytest.mark.parametrize(
    ("front", "licence", "non_commercial"),
    [
        ("license: apache-2.0", "apache-2.0", False),
        ("tags: [x]\nlicense: 'cc-by-nc-4.0'", "cc-by-nc-4.0", True),
        ("license: other\nlicense_name: ihtsdo-and-nlm-licences", "other (ihtsdo-and-nlm-licences)", False),
        ("license: other\nlicense_name: Research Non-Commercial", "other (Research Non-Commercial)", True),
        ("license:\n- mit\n- apache-2.0\ntags:\n- x", "mit, apache-2.0", False),
        ("license: cnc-public", "cnc-public", False),
        ("tags: []", "unknown", False),
    ],
)
def test_the_licence_is_read_from_the_card(tmp_path: Path, front: str, licence: str, non_commercial: bool) -> None:
    (tmp_path / "README.md").write_text(f"---\n{front}\n---\nlicense: not here\n", "utf-8")
    card = read_card(tmp_path)
    assert (card.licence, card.non_commercial) == (licence, non_commercial)


def test_no_card_is_an_unknown_licence(tmp_path: Path) -> None:
    assert read_card(tmp_path).licence == "unknown"
    (tmp_path / "README.md").write_text("# A model\nlicense: mit\n", "utf-8")
    assert read_card(tmp_path).licence == "unknown"


def test_a_snapshot_is_named_by_the_hub_and_a_folder_by_its_weights(tmp_path: Path, mpnet: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--FremyCompany--BioLORD-2023" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    assert identity(snapshot) == ("FremyCompany/BioLORD-2023", commit)
    name, revision = identity(mpnet)
    assert name == "tiny-mpnet"
    assert revision.startswith("sha256:")
    changed = tmp_path / "tiny-mpnet"
    changed.mkdir()
    state = load_file(mpnet / "model.safetensors")
    save_file({key: value + 1 for key, value in state.items()}, changed / "model.safetensors")
    assert identity(changed)[0] == name
    assert identity(changed)[1] != revision


def test_a_hub_name_is_fetched_at_its_revision(mpnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def snapshot(name: str, **settings: object) -> str:
        asked.update(settings, name=name)
        return str(mpnet)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    encoder = load("FremyCompany/BioLORD-2023", revision="abc")
    assert (asked["name"], asked["revision"]) == ("FremyCompany/BioLORD-2023", "abc")
    assert "*.bin" not in str(asked["allow_patterns"])
    load("FremyCompany/BioLORD-2023@def")
    assert (asked["name"], asked["revision"]) == ("FremyCompany/BioLORD-2023", "def")
    assert encoder.licence == "other (ihtsdo-and-nlm-licences)"


def test_an_unreachable_hub_names_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="cannot fetch the model 'nobody/nothing'"):
        load("nobody/nothing")


def test_pickled_weights_are_refused(tmp_path: Path, mpnet: Path) -> None:
    _copy(mpnet, tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="no weights that are safe"):
        load(tmp_path)


def test_missing_weights_are_refused_not_made_up(tmp_path: Path, mpnet: Path) -> None:
    _copy(mpnet, tmp_path)
    state = load_file(mpnet / "model.safetensors")
    del state["encoder.layer.1.intermediate.dense.weight"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 parameters missing, such as encoder\.layer\.1"):
        load(tmp_path)


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path, mpnet: Path) -> None:
    _copy(mpnet, tmp_path)
    (tmp_path / "own.py").write_text("raise SystemExit('ran')\n", "utf-8")
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (tmp_path / "config.json").write_text(json.dumps({**config, **own}), "utf-8")
    with pytest.raises(ModelError, match="cannot load"):
        load(tmp_path)


def test_a_model_with_a_decoder_is_refused(tmp_path: Path, mpnet: Path) -> None:
    from transformers import T5Config, T5Model

    _copy(mpnet, tmp_path)
    config = T5Config(d_model=16, d_ff=16, num_layers=1, num_heads=2, vocab_size=50)
    T5Model(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="not an encoder"):
        load(tmp_path)


def test_values_that_are_not_finite_are_refused(tmp_path: Path, mpnet: Path) -> None:
    _copy(mpnet, tmp_path)
    state = load_file(mpnet / "model.safetensors")
    state["encoder.layer.1.intermediate.dense.weight"].fill_(torch.nan)
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="with NaN or infinity"):
        load(tmp_path)


def test_lower_casing_of_the_folder_reaches_the_tokenizer(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = make(tmp_path / "tiny", "plain-modernbert")
    assert load(folder).terms(["Fever"]).tobytes() != load(folder).terms(["fever"]).tobytes()
    _write(folder / "modules.json", [_module(0, "", "Transformer"), _module(1, "1_Pooling", "Pooling")])
    _write(folder / "1_Pooling" / "config.json", {"embedding_dimension": 32, "pooling_mode": "lasttoken"})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": True})
    found = load(folder).terms(["Fever", "fever"])
    assert found[0].tobytes() == found[1].tobytes()
    library = SentenceTransformer(str(folder), device="cpu").encode(["Fever", "fever"])
    assert abs(found - library).max() < 1e-5


@pytest.mark.parametrize("mode", ["cls", "max", "lasttoken", "mean_sqrt_len_tokens", "weightedmean", ["mean", "cls"]])
def test_every_pooling_mode_is_the_librarys(tmp_path: Path, mode: str | list[str]) -> None:
    from sentence_transformers import SentenceTransformer

    folder = make(tmp_path / "tiny", "sentence-bert-cls")
    _write(folder / "1_Pooling" / "config.json", {"embedding_dimension": 32, "pooling_mode": mode})
    assert not sentence_facts(folder).own_modules
    terms = ["chest pain", "COPD", "family history of breast cancer", "fever"]
    found = load(folder).terms(terms)
    assert abs(found - SentenceTransformer(str(folder), device="cpu").encode(terms)).max() < 1e-5


def _copy(source: Path, target: Path) -> None:
    for path in source.iterdir():
        if path.is_file():
            (target / path.name).write_bytes(path.read_bytes())


def _module(idx: int, path: str, kind: str) -> dict[str, object]:
    return {"idx": idx, "name": str(idx), "path": path, "type": f"sentence_transformers.models.{kind}"}


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")
