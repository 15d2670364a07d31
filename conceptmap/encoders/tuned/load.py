"""Load a tuned encoder: its base, found by the digest of its weights, with its changes merged in."""

from __future__ import annotations

import re
from pathlib import Path

from conceptmap.encoders.embedded import load_embedded
from conceptmap.encoders.encoder import TokenEncoder
from conceptmap.encoders.folder import weights_digest
from conceptmap.encoders.transformer import fetch, load_folder
from conceptmap.encoders.tuned.names import PLAIN
from conceptmap.encoders.tuned.store import Tuned, read_tuned
from conceptmap.errors import ModelError

__all__ = ["base_folder", "load_tuned"]

_ON_HUB = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{40})")


def load_tuned(folder: Path, *, device: str = "cpu", dtype: str = "auto") -> TokenEncoder:
    """Load a tuned encoder from its folder.

    Raises:
        ModelError: it is damaged, its base is not at hand, or what lies there has other weights.
    """
    tuned = read_tuned(folder)
    if tuned.base.place == PLAIN:
        return load_embedded(device=device, dtype=dtype, tuned=tuned)
    return load_folder(base_folder(tuned), device=device, dtype=dtype, tuned=tuned)


def base_folder(tuned: Tuned) -> Path:
    """The folder of a tuned encoder's base: where it lay, or beside the tuned one by its name, or of the hub.

    Raises:
        ModelError: none of them has the weights that were tuned.
    """
    places = [Path(tuned.base.place), tuned.folder.resolve().parent / Path(tuned.base.name).name]
    there = [place for place in places if place.is_dir()]
    if on_hub := _ON_HUB.fullmatch(tuned.base.place):
        there.append(fetch(on_hub["name"], on_hub["commit"]))
    for place in there:
        if weights_digest(place) == tuned.base.sha256:
            return place
    raise ModelError(
        "a tuned encoder belongs to its base",
        got="one with other weights" if there else "none",
        expected=f"{tuned.base.name}, weights of sha256 {tuned.base.sha256[:12]}",
        then=f"put its folder beside {tuned.folder.name}",
    )
