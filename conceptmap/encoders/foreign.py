"""Model folders that others made or that were damaged: what does not fit is refused as the model's own error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from conceptmap.errors import ConceptMapError, ModelError
from conceptmap.files import json_of

__all__ = ["check_network", "check_sizes", "foreign_files"]

MOST_LAYERS = 1_000
LARGEST = 1 << 24
"""More than any number that says a size in a configuration: vocabularies have under a million pieces."""
_AT_LEAST_ONE = ("hidden_size", "num_attention_heads", "num_hidden_layers", "vocab_size", "max_position_embeddings")
_LONGEST_REASON = 120


@contextmanager
def foreign_files(folder: Path) -> Iterator[None]:
    """Turn whatever the libraries raise on a model's files into a ``ModelError`` that says what.

    Raises:
        ModelError: anything but too little memory, or an error of ours, went wrong.
    """
    try:
        yield
    except (ConceptMapError, MemoryError):
        raise
    except Exception as error:  # the libraries raise what they like
        raise _cannot_load(folder, error) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # of the tokenizers' Rust, which is no Exception
            raise _cannot_load(folder, error) from None
        raise


def _cannot_load(folder: Path, error: BaseException) -> ModelError:
    lines = str(error).split("\n")
    reason = "".join(mark if mark.isprintable() else " " for mark in lines[0])[:_LONGEST_REASON]
    return ModelError(
        f"cannot load {folder.name} as a transformers encoder",
        got=f"{type(error).__name__}: {reason}" if reason else type(error).__name__,
        expected="config.json, tokenizer files and model.safetensors that fit together",
    )


def check_sizes(folder: Path) -> None:
    """Refuse a configuration of sizes that nobody has, before the network is laid out.

    Raises:
        ModelError: names the entry.
    """
    config = json_of((folder / "config.json").read_bytes())
    if not isinstance(config, dict):
        raise ModelError("config.json of the model is not an object", then="fetch the model again")
    for name, value in config.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not name.isidentifier():
            continue
        most = MOST_LAYERS if name.endswith(("_layers", "n_layer")) else LARGEST
        sized = name.endswith(("_size", "_layers", "_heads", "_embeddings", "n_layer"))
        least = int(name in _AT_LEAST_ONE)
        if not math.isfinite(value) or (sized and not least <= value <= most):
            expected = f"{least} to {most:,}" if sized else "a finite number"
            raise ModelError(f"config.json of the model: {name} is out of range", expected=expected)


def check_network(network: Any, tokenizer: Any) -> None:  # noqa: ANN401 - transformers' own classes
    """Refuse weights that are not finite, and a vocabulary that the embedding matrix has no rows for.

    Raises:
        ModelError: says which.
    """
    for name, weights in network.named_parameters():
        if weights.numel() and not all(torch.isfinite(edge) for edge in torch.aminmax(weights.detach())):
            raise ModelError("the weights are damaged", got=f"{name[:60]} with NaN or infinity", expected="numbers")
    rows, vocabulary = len(network.get_input_embeddings().weight), tokenizer.get_vocab()
    highest = max(vocabulary.values(), default=-1)
    if not 0 <= highest < rows:
        raise ModelError(
            "the vocabulary does not fit the embedding matrix",
            got=f"a piece numbered {highest:,}",
            expected=f"0 to {rows - 1:,}",
            then="take tokenizer and weights from one model",
        )
