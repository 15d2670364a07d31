"""Encoders: note text to token vectors with exact character offsets, terms to one vector each.

Torch is loaded by the first call of `load_encoder`, never by the import.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from conceptmap.encoders.embeddings import TokenEmbeddings
from conceptmap.encoders.encoder import Spans, TokenEncoder
from conceptmap.encoders.tuned.names import EMBEDDED, EMBEDDED_NAMES, SHIPPED
from conceptmap.encoders.tuned.store import is_tuned, read_tuned
from conceptmap.errors import InputError, ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["Dtype", "EncoderLike", "Spans", "TokenEmbeddings", "TokenEncoder", "load_encoder"]

EncoderLike: TypeAlias = "TokenEncoder | SentenceTransformer | tuple[Any, Any] | Callable[[list[str]], Any]"
"""An encoder that is loaded already: ours, or what `load_encoder` makes one of."""

Dtype = Literal["auto", "float32", "bfloat16", "float16", "int8"]


def load_encoder(
    name_or_path: str | Path | EncoderLike = "embedded",
    *,
    device: str = "cpu",
    dtype: Dtype = "auto",
    revision: str | None = None,
) -> TokenEncoder:
    """Load an encoder: the embedded default, a model folder, a tuned one, or a model of the hub.

    Args:
        name_or_path: ``"embedded"`` (all-MiniLM-L6-v2 tuned to clinical names, always offline; ``"embedded-plain"``
            as its makers published it), a folder of a model or of ``conceptmap tune``, or a hub name, which may carry
            its revision: ``"FremyCompany/BioLORD-2023@167aab5"``. Or what is loaded already, and stays where it is: a
            ``SentenceTransformer``, a pair ``(AutoModel, tokenizer)``, or a function from strings to an array of a
            vector each, which reads words one by one, without what stands beside them.
        device: where torch runs: ``cpu``, ``cuda``, ``mps``.
        dtype: what the weights are computed in; ``auto`` takes bfloat16 where the device has it natively, else float32
            (terms of an index, with the embedded encoder: ``int8`` where the processor has loops for it). ``int8``
            computes the linear layers in eight bits, on a CPU with AVX2.
        revision: branch, tag or commit of a hub model.

    Raises:
        ModelError: the model is missing, has other bytes than expected, or is no encoder.
        InputError: torch cannot use the device.
    """
    if not isinstance(name_or_path, str | Path):
        from conceptmap.encoders.given import as_encoder

        return as_encoder(name_or_path)
    from conceptmap.encoders.precision import check_usable

    check_usable(device)
    if name_or_path in EMBEDDED_NAMES:
        _no_revision(revision, "the embedded encoder")
        return _embedded(str(name_or_path), device=device, dtype=dtype)
    from conceptmap.encoders.transformer import fetch, load_folder

    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        _no_revision(revision, "a folder")
        return _of_folder(folder, device=device, dtype=dtype)
    if isinstance(name_or_path, Path) or name_or_path.startswith((".", "~", "/")) or name_or_path.count("/") > 1:
        raise ModelError("no such model folder", got=str(name_or_path), expected="a folder, a hub name or 'embedded'")
    name, _, pinned = name_or_path.partition("@")
    return load_folder(fetch(name, revision or pinned or None), device=device, dtype=dtype)


def _embedded(name: str, *, device: str, dtype: Dtype) -> TokenEncoder:
    from conceptmap.encoders.embedded import load_embedded

    tuned = read_tuned(SHIPPED) if name == EMBEDDED else None
    return load_embedded(device=device, dtype=dtype, tuned=tuned)


def _of_folder(folder: Path, *, device: str, dtype: Dtype) -> TokenEncoder:
    from conceptmap.encoders.transformer import load_folder
    from conceptmap.encoders.tuned.load import load_tuned

    return (load_tuned if is_tuned(folder) else load_folder)(folder, device=device, dtype=dtype)


def _no_revision(revision: str | None, what: str) -> None:
    if revision is not None:
        raise InputError(f"{what} has no revisions", got=repr(revision), then="leave the revision out")
