"""Any transformers encoder as a TokenEncoder: BERT, ModernBERT, MPNet, XLM-R, and folders that wrap one of them.

Token vectors are the transformer's last hidden states, before any pooling or late-interaction projection. Code that
comes with a model is never run and pickled weights are never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, normalizers

from conceptmap.encoders.device import handing_out
from conceptmap.encoders.eight_bits import in_eight_bits
from conceptmap.encoders.embeddings import Vectors, on_host
from conceptmap.encoders.encoder import EncodeTerms, Forward, TokenEncoder, TokenModel
from conceptmap.encoders.folder import SentenceFacts, identity, read_card, sentence_facts
from conceptmap.encoders.foreign import check_network, check_sizes, foreign_files
from conceptmap.encoders.packed_bert import packed_bert
from conceptmap.encoders.precision import dtype_name, feeding, torch_dtype, weights_dtype
from conceptmap.encoders.resident import sent
from conceptmap.encoders.terms import Sentence, library_terms, pooled_terms
from conceptmap.encoders.tokenise import Tokeniser, tokeniser
from conceptmap.encoders.tuned.merge import merge
from conceptmap.encoders.tuned.store import Tuned
from conceptmap.errors import ModelError

__all__ = [
    "check_tunable",
    "fetch",
    "load_folder",
    "load_network",
    "loaded_model",
    "padded",
    "quietly",
    "sentence_of",
]

_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "README.md"]
PROBE = "a \N{FACE WITH THERMOMETER} \u00e9 \ufffd [SEP]\n"
"""Characters that few vocabularies have: a tokenizer that has no piece for them fails at loading, not in a note."""
FEWEST_PIECES = 4
"""Of a text that a model takes at once; below that notes cannot be cut into overlapping windows."""
_NOT_FILES = ["onnx/*", "openvino/*"]


def fetch(name: str, revision: str | None = None) -> Path:
    """The folder of a hub model, fetched once and then taken from the hub's own cache.

    Raises:
        ModelError: no such model or revision, or the hub cannot be reached and the model was never fetched.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_FILES, ignore_patterns=_NOT_FILES))
    except (OSError, ValueError) as error:  # every error of the hub's client is one of these
        raise ModelError(
            f"cannot fetch the model {name!r}" + (f" at revision {revision!r}" if revision else ""),
            got=type(error).__name__,
            then="check the name, or give the path of a folder that holds the model",
        ) from error


def load_folder(
    folder: Path, *, device: str = "cpu", dtype: str = "float32", tuned: Tuned | None = None
) -> TokenEncoder:
    """Load an encoder from a folder; nothing outside it is read.

    Args:
        folder: of the model.
        device: torch device.
        dtype: what the weights are computed in.
        tuned: changes to merge into them; the encoder then has its name and revision.

    Raises:
        ModelError: it holds no encoder, or not all of its weights, or only pickled ones.
    """
    name, revision = identity(folder) if tuned is None else (tuned.name, tuned.revision)
    card = read_card(folder)
    facts = sentence_facts(folder)
    chosen = torch_dtype(dtype, device)
    with foreign_files(facts.transformer), quietly():
        network, cutter, longest = load_network(facts, weights_dtype(chosen) if tuned is None else torch.float32)
        if tuned is not None:
            check_tunable(facts)
            merge(network, tuned, dtype=weights_dtype(chosen))
        model = _model(network.to(device).eval(), cutter, longest, device=device, dtype=chosen)
        encode_terms, term_dim = _terms(model, facts, folder, device=device, dtype=weights_dtype(chosen))
    return TokenEncoder(
        name=name,
        revision=revision,
        licence=card.licence,
        non_commercial=card.non_commercial,
        term_dim=term_dim,
        model=model,
        encode_terms=encode_terms,
        index_dtype=dtype_name(weights_dtype(chosen) if facts.own_modules else chosen),
    )


def loaded_model(network: Any, tokenizer: Any) -> TokenModel:  # noqa: ANN401 - transformers' own classes
    """A network and a tokenizer that somebody has loaded, where the network is and in its number type.

    The tokenizer is copied: what it does for its owner stays.

    Raises:
        ModelError: they do not fit together, or the network is no encoder, or the tokenizer no fast one.
    """
    if getattr(network.config, "is_encoder_decoder", False):
        raise ModelError("not an encoder", got=network.config.model_type, expected="an encoder such as BERT")
    check_network(network, tokenizer)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    cutter = _cutter(tokenizer if backend is None else _Copied(Tokenizer.from_str(backend.to_str())), lower=False)
    longest = min(_positions(network), int(tokenizer.model_max_length))
    return _model(network.eval(), cutter, longest, device=str(network.device), dtype=network.dtype)


class _Copied(NamedTuple):
    """A tokenizer's backend alone."""

    backend_tokenizer: Tokenizer


def check_tunable(facts: SentenceFacts) -> None:
    """Refuse a model whose sentence vectors only sentence-transformers can make.

    Raises:
        ModelError: it is one.
    """
    if facts.own_modules:
        expected = "a transformer, alone or with mean, first-token or such pooling"
        raise ModelError("this encoder cannot be tuned", got="modules of its own after pooling", expected=expected)


def load_network(facts: SentenceFacts, dtype: torch.dtype) -> tuple[Any, Tokeniser, int]:
    """The network, its tokeniser, and the longest input that both take.

    Raises:
        ModelError: the folder holds no encoder, or not all of its weights, or only changes of another model's.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    if (facts.transformer / "adapter_config.json").exists():  # transformers would look for the model elsewhere
        raise ModelError("the folder holds changes of another model", then="save the merged model with save_pretrained")
    safe = {"local_files_only": True, "trust_remote_code": False}
    check_sizes(facts.transformer)
    config = AutoConfig.from_pretrained(facts.transformer, **safe)
    if config.is_encoder_decoder:
        raise ModelError("not an encoder", got=config.model_type, expected="an encoder such as BERT or ModernBERT")
    config.output_hidden_states = config.output_attentions = False  # some folders ask for all layers
    network, info = AutoModel.from_pretrained(
        facts.transformer, config=config, dtype=dtype, use_safetensors=True, output_loading_info=True, **safe
    )
    tokenizer = AutoTokenizer.from_pretrained(facts.transformer, use_fast=True, **safe)
    absent = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))  # no hidden state needs it
    if absent:
        raise ModelError(
            "the weights are not complete", got=f"{len(absent)} parameters missing, such as {absent[0]}", expected="all"
        )
    check_network(network, tokenizer)
    return network, _cutter(tokenizer, lower=facts.lower), min(_positions(network), int(tokenizer.model_max_length))


def _cutter(tokenizer: Any, *, lower: bool) -> Tokeniser:  # noqa: ANN401 - transformers' own class
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(
            "the tokenizer gives no character offsets", got=type(tokenizer).__name__, expected="a fast one"
        )
    if lower:
        backend.normalizer = normalizers.Sequence(
            [normalizers.Lowercase(), *([backend.normalizer] if backend.normalizer else [])]
        )
    made = tokeniser(backend)
    made.pieces([PROBE])
    return made


def _positions(network: Any) -> int:  # noqa: ANN401 - any transformers model
    """Most tokens that the network has positions for; models of RoBERTa's kind start counting after the padding id."""
    table = getattr(getattr(network, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    positions = int(getattr(network.config, "max_position_embeddings", None) or 512)
    return positions if padding is None else positions - padding - 1


def _model(network: Any, cutter: Tokeniser, longest: int, *, device: str, dtype: torch.dtype) -> TokenModel:  # noqa: ANN401
    config = network.config.to_dict()
    if torch.device(device).type == "cpu" and _packable(config):
        forward = packed_bert(network.state_dict(), config, device=device, dtype=dtype)
    else:
        if dtype == torch.int8:
            in_eight_bits(network)
        forward = padded(network, pad=int(config.get("pad_token_id") or 0), device=device)
    if longest < len(cutter.prefix) + len(cutter.suffix) + FEWEST_PIECES:
        got = f"{longest} tokens, special ones included"
        raise ModelError("the model takes too few tokens at once", got=got, then="fetch the model again")
    probe = on_host(forward([cutter.wrap(cutter.backend_ids("a"))]))
    if not np.isfinite(probe).all():
        raise ModelError("the model gives values that are not finite", then="load it as float32")
    return TokenModel(cutter, forward, dim=probe.shape[1], window=longest, **feeding(device))


def _packable(config: dict[str, Any]) -> bool:
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
    )


def padded(network: Any, *, pad: int, device: str) -> Forward:  # noqa: ANN401 - any transformers model
    """The network's own forward on inputs of like length; padding is masked, and left out of what comes back."""
    where = torch.device(device)
    hand_out = handing_out(where)

    def forward(inputs: list[NDArray[np.int64]], rows: NDArray[np.int64] | None = None) -> Vectors:
        lengths = np.array([len(ids) for ids in inputs])
        real = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(real.shape, pad, dtype=np.int64)
        ids[real] = np.concatenate(inputs)
        with torch.inference_mode():
            mask = {} if real.all() else {"attention_mask": sent(real.astype(np.int64), where)}
            hidden = network(input_ids=sent(ids, where), **mask).last_hidden_state.flatten(0, 1)
            if mask or rows is not None:
                place = np.flatnonzero(real)
                hidden = hidden[sent(place if rows is None else place[rows], where)]
            return hand_out(hidden)

    return forward


def _terms(
    model: TokenModel, facts: SentenceFacts, folder: Path, *, device: str, dtype: torch.dtype
) -> tuple[EncodeTerms, int]:
    if facts.own_modules:
        return library_terms(folder, device=device, dtype=dtype_name(dtype))
    sentence = sentence_of(facts, model.window)
    return pooled_terms(model, sentence), model.dim * len(sentence.modes)


def sentence_of(facts: SentenceFacts, window: int) -> Sentence:
    """How a folder without modules of its own makes one vector out of a text's tokens, at most a window of them."""
    length = min(facts.length or window, window)
    if not facts.modes:
        return Sentence(special=False, length=length)
    return Sentence(modes=facts.modes, normalised=facts.normalised, length=length, prompt=facts.prompt)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers from writing to the terminal; its settings come back afterwards."""
    from transformers.utils import logging as noise

    logging: Any = noise
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
