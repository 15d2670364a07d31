"""``run.json``: what a run was made with and what it gave. Never note text."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import conceptmap
from conceptmap.files import json_of

if TYPE_CHECKING:
    from conceptmap.encoders import TokenEncoder
    from conceptmap.index.index import ConceptIndex
    from conceptmap.mapper import ConceptMapper

__all__ = ["encoder_facts", "index_facts", "mapper_facts", "read_run", "run_text", "versions"]

_PACKAGES = ("networkx", "numpy", "polars", "safetensors", "scipy", "tokenizers", "torch", "transformers")


def versions() -> dict[str, str]:
    """Versions of conceptmap, Python and the packages that bear on the results."""
    found = {"conceptmap": conceptmap.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def encoder_facts(encoder: TokenEncoder | None) -> dict[str, object] | None:
    """Name, revision and licence of an encoder; None without one."""
    if encoder is None:
        return None
    facts = ("name", "revision", "licence", "non_commercial", "dim")
    return {name: getattr(encoder, name) for name in facts}


def index_facts(indexes: Iterable[ConceptIndex]) -> list[dict[str, object]]:
    """System, release and content of every index. The ``sha256`` covers its manifest, which covers its files."""
    facts = ("system", "release", "encoder", "revision", "dim", "dtype", "rows", "concepts", "centring")
    return [
        {**{name: getattr(index.manifest, name) for name in facts}, "sha256": index.manifest.as_json()["sha256"]}
        for index in indexes
    ]


def mapper_facts(mapper: ConceptMapper) -> dict[str, object]:
    """Everything of a mapper that bears on its results."""
    facts: dict[str, object] = {"encoder": encoder_facts(mapper.encoder), "indexes": index_facts(mapper.indexes)}
    if mapper.adapters:
        facts["adapters"] = [{"system": adapter.fit.system, "sha256": adapter.sha256} for adapter in mapper.adapters]
    return facts


def run_text(facts: Mapping[str, object]) -> str:
    """The facts as JSON text."""
    return json.dumps(facts, ensure_ascii=False, indent=2) + "\n"


def read_run(folder: Path) -> dict[str, Any]:
    """What an earlier run left in a folder; empty when there was none that can be read."""
    try:
        found = json_of((folder / "run.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
