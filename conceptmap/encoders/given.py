"""Encoders that somebody has loaded: a SentenceTransformer, a transformers model with its tokenizer, a function.

They are told apart by what they can do, so that no library is imported for the sake of a question. What has no name and
no revision of its own is known by a digest of its weights, or of what it gives for a few strings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import Vectors
from conceptmap.encoders.encoder import EncodeTerms, Progress, TokenEncoder, TokenModel
from conceptmap.encoders.terms import Sentence, pooled_terms
from conceptmap.encoders.tokenise import WordTokeniser
from conceptmap.errors import InputError, ModelError

__all__ = ["as_encoder"]

_PROBE = ("chest pain", "fever", "type 2 diabetes mellitus")
_AT_ONCE = 2048
"""Strings that an encoder gets at once."""
_EXPECTED = (
    "'embedded', a folder, a hub name, a SentenceTransformer, a pair (model, tokenizer), or a function from strings to "
    "an array of vectors"
)


def as_encoder(given: Any) -> TokenEncoder:  # noqa: ANN401 - what others made
    """An encoder as ours.

    Raises:
        InputError: it is none, or its vectors are not as they should be.
        ModelError: a model and a tokenizer that do not fit together.
    """
    if isinstance(given, TokenEncoder) or (hasattr(given, "tokens") and hasattr(given, "terms")):
        encoder: TokenEncoder = given
        return encoder
    if isinstance(given, tuple) and len(given) == 2 and hasattr(given[0], "config"):
        return _of_pair(*given)
    if hasattr(given, "encode") and hasattr(given, "tokenizer"):
        return _of_sentences(given)
    if callable(given) and not hasattr(given, "config"):
        return _of_function(given)
    then = "give its tokenizer too: encoder=(model, tokenizer)" if hasattr(given, "config") else None
    raise InputError("this is no encoder", got=type(given).__name__, expected=_EXPECTED, then=then)


def _of_pair(network: Any, tokenizer: Any) -> TokenEncoder:  # noqa: ANN401 - transformers' own classes
    """Tokens are the network's last hidden states, terms the mean of theirs."""
    from conceptmap.encoders.transformer import loaded_model

    model = loaded_model(network, tokenizer)
    encode = pooled_terms(model, Sentence(special=False, length=model.window))
    return _encoder(_name(network), _digest(network), model, encode, model.dim)


def _of_sentences(library: Any) -> TokenEncoder:  # noqa: ANN401 - sentence-transformers' own class
    """Tokens are its transformer's last hidden states, terms what it makes of strings itself."""
    from conceptmap.encoders.transformer import loaded_model

    network = getattr(library[0], "auto_model", None)
    if network is None:
        got = type(library[0]).__name__
        raise ModelError(
            "it gives no token vectors", got=got, expected="a SentenceTransformer with a transformer first"
        )
    model = loaded_model(network, library.tokenizer)

    def encode(terms: list[str]) -> Any:  # noqa: ANN401 - an array
        return library.encode(terms, show_progress_bar=False, convert_to_numpy=True)

    checked = _checked(encode)
    return _encoder(_name(network), _digest(library), model, _in_parts(checked), checked(_PROBE).shape[1])


def _of_function(encode: Callable[[list[str]], Any]) -> TokenEncoder:
    """Tokens are whole words, each encoded once and kept, without what stands beside it."""
    checked, words, vectors = _checked(encode), WordTokeniser(), dict[int, NDArray[np.float32]]()
    probe = checked(_PROBE)

    def forward(inputs: Sequence[NDArray[np.int64]], rows: NDArray[np.int64] | None = None) -> Vectors:
        ids = np.concatenate(inputs) if rows is None else np.concatenate(inputs)[rows]
        if missing := [int(one) for one in np.unique(ids) if int(one) not in vectors]:
            texts = list(words.known)
            for at in range(0, len(missing), _AT_ONCE):
                some = missing[at : at + _AT_ONCE]
                vectors.update(zip(some, checked([texts[one] for one in some]), strict=True))
        return np.stack([vectors[int(one)] for one in ids]) if len(ids) else probe[:0]

    name = getattr(encode, "__name__", type(encode).__name__)
    model = TokenModel(words, forward, dim=probe.shape[1], window=1 << 20, threads=1)
    digest = hashlib.sha256(np.round(probe, 3).tobytes()).hexdigest()[:12]
    return _encoder(name, digest, model, _in_parts(checked), probe.shape[1])


def _encoder(name: str, revision: str, model: TokenModel, encode: EncodeTerms, width: int) -> TokenEncoder:
    return TokenEncoder(name, revision, "unknown", False, width, model, encode)


def _checked(encode: Callable[[list[str]], Any]) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """The function, whose answer is looked at."""

    def checked(texts: Sequence[str]) -> NDArray[np.float32]:
        found = encode(list(texts))
        array = np.asarray(found.detach().cpu() if hasattr(found, "detach") else found, dtype=np.float32)
        if array.ndim != 2 or len(array) != len(texts):
            got = f"shape {array.shape} for {len(texts):,} strings"
            raise InputError("the encoder gives no vector a string", got=got, expected=f"shape ({len(texts):,}, dim)")
        if not np.isfinite(array).all():
            raise InputError("the encoder gives NaN or infinity", expected="numbers")
        return array

    return checked


def _in_parts(checked: Callable[[Sequence[str]], NDArray[np.float32]]) -> EncodeTerms:
    """Terms a part at a time, equal ones once."""

    def encode(terms: Sequence[str], progress: Progress | None) -> NDArray[np.float32]:
        different = sorted(set(terms), key=len, reverse=True)
        parts = []
        for at in range(0, len(different), _AT_ONCE):
            parts.append(checked(different[at : at + _AT_ONCE]))
            if progress is not None:
                progress(min(at + _AT_ONCE, len(different)), len(different))
        place = {term: row for row, term in enumerate(different)}
        rows = np.concatenate(parts) if parts else checked(_PROBE)[:0]
        out: NDArray[np.float32] = rows[[place[term] for term in terms]]
        return out

    return encode


def _name(network: Any) -> str:  # noqa: ANN401 - any transformers model
    """The last part of where the network came from."""
    return PurePath(str(getattr(network.config, "_name_or_path", "") or type(network).__name__)).name


def _digest(model: Any) -> str:  # noqa: ANN401 - any torch module
    """Of all weights."""
    import torch

    total = hashlib.sha256()
    for name, weights in sorted(model.state_dict().items()):
        total.update(name.encode())
        total.update(weights.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()[:12]
