"""A tuned encoder's folder, and its page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.tuned.names import tuned_name
from conceptmap.encoders.tuned.store import CARD, FORMAT, MANIFEST, TENSORS, Base
from conceptmap.files import PRIVATE, Access, is_manifest
from conceptmap.index import files as indexfiles
from conceptmap.index.manifest import write_manifest
from conceptmap.tuning.figures import Figures

__all__ = ["LAYOUT", "save_tuned"]


def _is_ours(value: Mapping[str, Any]) -> bool:
    return str(value.get("format")).startswith("tuned encoder ") and is_manifest(value)


LAYOUT = indexfiles.FolderLayout(
    "a tuned encoder",
    frozenset({MANIFEST, TENSORS, CARD}),
    lambda folder: indexfiles.recorded(folder, _is_ours),
)

_SAID = {
    "names_1": "names of concepts held back, nearest other name is of the same concept",
    "names_5": "the same, among the five nearest concepts",
    "mentions_1": "mentions held back, nearest name is of their concept",
    "mentions_5": "the same, among the five nearest concepts",
    "kept": "tokens of sentences held back, mean cosine with what they were",
}


def save_tuned(
    folder: Path,
    factors: Mapping[str, NDArray[np.float16]],
    *,
    base: Base,
    dim: int,
    scale: float,
    card: Mapping[str, Any],
    overwrite: bool = False,
    access: Access = PRIVATE,
) -> Path:
    """Write a tuned encoder into a folder, which appears whole or not at all; the same one gives the same bytes.

    Args:
        folder: new, empty, or holding an older one as it was saved.
        factors: by ``LAYER.a`` and ``LAYER.b``.
        base: what it belongs to.
        dim: width of a token vector.
        scale: what products of factors are multiplied by.
        card: what it learned from and how good it is.
        overwrite: also replace one that was changed since, or files of these names.
        access: who may read it.

    Raises:
        InputError: the folder exists and holds something else.
        OutOfSpaceError: the disk is full.
    """
    with indexfiles.new_folder(folder, LAYOUT, overwrite=overwrite, access=access) as partial:
        indexfiles.write_tensors(partial / TENSORS, {name: ("F16", factors[name]) for name in sorted(factors)})
        (partial / CARD).write_text(page(base, card), encoding="utf-8")
        fields = {"format": FORMAT, "name": tuned_name(base.name), "base": asdict(base), "dim": dim, "scale": scale}
        write_manifest(partial, {**fields, "card": dict(card)})
    return folder


def page(base: Base, card: Mapping[str, Any]) -> str:
    """The card in Markdown."""
    before, after = (Figures.from_json(card[when]) for when in ("before", "after"))
    rows = [
        [said, _number(getattr(before, name), name), _number(getattr(after, name), name)]
        for name, said in _SAID.items()
        if getattr(before, name) is not None
    ]
    looks = [[str(step), *(_number(figures[name], name) for name in _SAID)] for step, figures in card["looks"]]
    counts = card["counts"]
    parts = [
        f"# {tuned_name(base.name)}",
        f"Low-rank changes of {base.name} ({base.revision}), whose licence is {card['base licence']}. They are of use "
        f"with its weights alone: sha256 `{base.sha256}`.",
        f"Learned from {', '.join(card['ontologies'])}: {counts['names']:,} names of {counts['concepts']:,} concepts "
        f"({counts['concepts held back']:,} held back); {counts['notes']:,} notes ({card['data']}; licence: "
        f"{card['licence']}), {counts['sentences']:,} sentences, {counts['mentions']:,} mentions. Nothing held "
        "back was learned from.",
        "## Figures",
        _table(["", "before", "after"], rows),
        "## The way there",
        _table(["step", *(name.replace("_", "@") for name in _SAID)], looks),
        f"Kept: step {card['step']}. It changes {card['layers']} layers, {card['numbers']:,} numbers.",
        "## Settings",
        _table(["", ""], [[name.replace("_", " "), str(value)] for name, value in card["settings"].items()]),
    ]
    return "\n\n".join(parts) + "\n"


def _number(share: float | None, name: str) -> str:
    if share is None:
        return ""
    return f"{share:.3f}" if name == "kept" else f"{100 * share:.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
