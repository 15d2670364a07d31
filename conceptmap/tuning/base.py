"""The encoder that is tuned: as it reads notes now, and as a network that can learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from conceptmap.encoders import TokenEncoder, load_encoder
from conceptmap.encoders.embedded import DIGESTS, SENTENCE, checked_folder
from conceptmap.encoders.folder import sentence_facts, weights_digest
from conceptmap.encoders.foreign import foreign_files
from conceptmap.encoders.terms import Sentence
from conceptmap.encoders.transformer import check_tunable, fetch, load_network, quietly, sentence_of
from conceptmap.encoders.tuned.names import EMBEDDED_NAMES, MODEL, PLAIN
from conceptmap.encoders.tuned.store import Base, is_tuned
from conceptmap.errors import InputError, ModelError

__all__ = ["Opened", "open_base"]


@dataclass(frozen=True, eq=False)
class Opened:
    """A base encoder.

    Attributes:
        base: what a tuned one is tied to.
        encoder: it as it is.
        sentence: how it makes one vector of a name.
        network: its transformer with float32 weights, on the device.
    """

    base: Base
    encoder: TokenEncoder
    sentence: Sentence
    network: Any = field(repr=False)


def open_base(name_or_path: str | Path, *, device: str = "cpu") -> Opened:
    """Load an encoder to be tuned.

    Args:
        name_or_path: ``embedded`` or ``embedded-plain`` (the plain one either way), a model folder, or a hub name.
        device: where it learns.

    Raises:
        ModelError: it cannot be loaded, or its name vectors are no pooled token vectors.
        InputError: it is tuned already.
    """
    if name_or_path in EMBEDDED_NAMES:
        folder, encoder = checked_folder(), load_encoder(PLAIN, device=device)
        base = Base(MODEL, encoder.revision, DIGESTS["model.safetensors"], PLAIN)
        sentence = Sentence(normalised=True, length=SENTENCE)
        return Opened(base, encoder, sentence, _network(folder, device))
    folder = Path(name_or_path).expanduser()
    on_hub = not folder.is_dir() and isinstance(name_or_path, str) and name_or_path.count("/") == 1
    if on_hub:
        name, _, revision = str(name_or_path).partition("@")
        folder = fetch(name, revision or None)
    if folder.is_dir() and is_tuned(folder):
        raise InputError("this encoder is tuned already", then="tune its base, with all that it is to learn")
    encoder = load_encoder(folder, device=device)  # says what is wrong with a folder
    facts = sentence_facts(folder)
    check_tunable(facts)
    sentence = sentence_of(facts, encoder.window)
    if len(sentence.modes) > 1:
        raise ModelError("this encoder cannot be tuned", got="several poolings side by side", expected="one")
    place = f"{encoder.name}@{encoder.revision}" if on_hub else str(folder.resolve())
    base = Base(encoder.name, encoder.revision, weights_digest(folder), place)
    return Opened(base, encoder, sentence, _network(folder, device))


def _network(folder: Path, device: str) -> Any:  # noqa: ANN401 - any transformers model
    facts = sentence_facts(folder)
    with foreign_files(facts.transformer), quietly():
        network, _, _ = load_network(facts, torch.float32)
    return network.to(device).eval()
