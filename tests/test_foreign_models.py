"""Model folders that were damaged, or made by others: what does not fit ends as the model's own error, exit code 4."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import make

from conceptmap.cli import main
from conceptmap.encoders import load_encoder
from conceptmap.encoders.folder import sentence_facts
from conceptmap.errors import ModelError

DEEP = '{"a":' * 100_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("models") / "tiny", "sentence-bert-mean")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "tiny")


def changed(path: Path, change: Callable[[Any], object]) -> None:
    value = json.loads(path.read_text())
    found = change(value)
    path.write_text(json.dumps(value if found is None else found))


def refused(folder: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_encoder(folder)
    assert caught.value.exit_code == 4
    assert str(caught.value).isprintable()


class Trap:
    """What a pickle runs when it is read."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return Path.touch, (Path("it-was-run"),)  # type: ignore[return-value]


def test_a_pickle_under_the_name_of_safetensors_is_refused_and_not_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (pickle.dumps(Trap()), b"PK\x03\x04", b"", b"\xff" * 99):
        (folder / "model.safetensors").write_bytes(content)
        refused(folder, "cannot load tiny as a transformers encoder")
    assert not Path("it-was-run").exists()


@pytest.mark.parametrize(
    "modules",
    [7, {}, [7], [{"type": "x.Transformer"}], [{"type": 7, "path": ""}], [{"type": "x.Transformer", "path": 7}], "x"],
)
def test_modules_of_other_types_are_refused(folder: Path, modules: object) -> None:
    changed(folder / "modules.json", lambda _: modules)
    refused(folder, r"modules\.json of the model holds something else: expected a list of objects with type and path")


@pytest.mark.parametrize("path", ["../other", "/etc", "a/../../b", "..\\b", "C:\\models", "a\0b", "a\x1bb"])
def test_modules_outside_the_folder_are_refused(folder: Path, path: str) -> None:
    changed(folder / "modules.json", lambda modules: modules[1].update(path=path))
    refused(folder, r"modules\.json of the model holds something else: expected paths within the model's folder")


def test_a_module_path_longer_than_names_may_be_is_refused(folder: Path) -> None:
    changed(folder / "modules.json", lambda modules: modules[1].update(path="é" * 300))
    refused(folder, r"modules\.json of the model holds something else: expected paths of at most 100 characters")


def test_a_tokenizer_without_a_piece_for_unknown_characters_is_refused_at_loading(folder: Path) -> None:
    changed(folder / "tokenizer.json", lambda value: value["model"].update(unk_token="[NONE]"))
    refused(folder, "cannot load tiny as a transformers encoder")


SETTINGS: dict[str, tuple[str, Callable[[Any], object], str]] = {
    "length": ("sentence_bert_config.json", lambda v: v.update(max_seq_length="x"), "max_seq_length"),
    "negative length": ("sentence_bert_config.json", lambda v: v.update(max_seq_length=-1), "max_seq_length"),
    "list": ("sentence_bert_config.json", lambda _: [1], "sentence_bert_config.json"),
    "pooling": ("1_Pooling/config.json", lambda v: v.update(pooling_mode={"a": 1}), "pooling_mode"),
    "modes": ("1_Pooling/config.json", lambda v: v.update(pooling_mode=[7]), "pooling_mode"),
    "prompts": ("config_sentence_transformers.json", lambda v: v.update(prompts=7), "prompts by name"),
    "prompt": ("config_sentence_transformers.json", lambda v: v.update(default_prompt_name=[]), "prompts by name"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_of_other_types_are_refused(case: str, folder: Path) -> None:
    name, change, message = SETTINGS[case]
    changed(folder / name, change)
    with pytest.raises(ModelError, match=message):
        sentence_facts(folder)


CONFIGS: dict[str, tuple[Callable[[Any], object], str]] = {
    "no object": (lambda _: [], "config.json of the model is not an object"),
    "many layers": (lambda v: v.update(num_hidden_layers=10**9), "num_hidden_layers is out of range"),
    "no layer": (lambda v: v.update(num_hidden_layers=0), "num_hidden_layers is out of range"),
    "wide": (lambda v: v.update(hidden_size=10**12), "hidden_size is out of range"),
    "negative": (lambda v: v.update(vocab_size=-1), "vocab_size is out of range"),
    "NaN": (lambda v: v.update(layer_norm_eps=float("nan")), "layer_norm_eps is out of range"),
    "text": (lambda v: v.update(hidden_size="32"), "cannot load tiny"),
    "list": (lambda v: v.update(num_attention_heads=[4]), "cannot load tiny"),
    "null": (lambda v: v.update(layer_norm_eps=None), "cannot load tiny"),
    "heads": (lambda v: v.update(num_attention_heads=5), "cannot load tiny"),
    "kind": (lambda v: v.update(model_type="\x1b[2J"), "cannot load tiny"),
    "no kind": (lambda v: {name: value for name, value in v.items() if name != "model_type"}, "cannot load tiny"),
    "activation": (lambda v: v.update(hidden_act=7), "cannot load tiny"),
    "larger": (lambda v: v.update(vocab_size=300), "cannot load tiny"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_configurations_of_other_values_are_refused(case: str, folder: Path) -> None:
    change, message = CONFIGS[case]
    changed(folder / "config.json", change)
    refused(folder, message)


@pytest.mark.parametrize("name", ["modules.json", "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_deep_json_of_a_model_is_refused(name: str, folder: Path) -> None:
    (folder / name).write_text(DEEP)
    refused(folder, "is not JSON|cannot load tiny")


def test_a_vocabulary_that_does_not_fit_the_embedding_matrix_is_refused(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    state[name] = state[name][:100].clone()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    changed(folder / "config.json", lambda config: config.update(vocab_size=100))
    refused(folder, r"the vocabulary does not fit the embedding matrix: got a piece numbered \d+, expected 0 to 99")


def test_one_weight_that_is_no_number_is_refused_at_loading(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    state["embeddings.word_embeddings.weight"][77, 3] = torch.nan  # of a word that no probe has
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    refused(folder, r"the weights are damaged: got embeddings\.word_embeddings\.weight with NaN or infinity")


@pytest.mark.parametrize("length", [0, 1, 3, True, "x", None, -1])
def test_a_window_without_room_is_refused_or_done_without(folder: Path, length: object) -> None:
    changed(folder / "tokenizer_config.json", lambda config: config.update(model_max_length=length))
    try:
        encoder = load_encoder(folder)
    except ModelError:
        return
    assert len(encoder.tokens(["Known hypertension, no fever and no headache."])[0].vectors) > 4


def test_a_damaged_model_ends_a_command_with_code_4(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "model.safetensors").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "small.obo").write_text("format-version: 1.2\n\n[Term]\nid: X:1\nname: fever\n")
    command = ["build", str(tmp_path / "small.obo"), "-o", str(tmp_path / "index"), "--encoder", str(folder)]
    assert main(command) == 4
    assert "cannot load tiny as a transformers encoder" in capfd.readouterr().err
