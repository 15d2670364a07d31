"""``run.json``: what a run was made with and what it gave. Never note text.

``format`` says that this program wrote it, and ``sha256``, over everything else, that nobody has changed it since.
Versions before these two fields are known by their other fields.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import conceptmap
from conceptmap.files import json_of

if TYPE_CHECKING:
    from conceptmap.encoders import TokenEncoder
    from conceptmap.index.index import ConceptIndex
    from conceptmap.mapper import ConceptMapper

__all__ = [
    "RUN_FILE",
    "encoder_facts",
    "index_facts",
    "mapper_facts",
    "read_run",
    "recognised",
    "run_text",
    "versions",
]

RUN_FILE = "run.json"
FORMAT = "conceptmap run 1"
_FIRST_VERSIONS = {
    "versions": dict, "indexes": list, "settings": dict, "source": dict, "counts": dict, "quarantined": list,
    "files": dict,
}  # fmt: skip
"""Fields, and what they hold, of a ``run.json`` that does not say its format."""

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
        facts["adapters"] = [
            {"system": adapter.made_for.system, "sha256": adapter.sha256} for adapter in mapper.adapters
        ]
    if mapper.code_adapters:
        facts["code_adapters"] = [
            {"system": adapter.made_for.system, "sha256": adapter.sha256} for adapter in mapper.code_adapters
        ]
    if mapper.scope:
        facts["scope"] = asdict(mapper.scope)
    return facts


def run_text(facts: Mapping[str, object]) -> str:
    """The facts as JSON text."""
    marked = {"format": FORMAT, **facts}
    return json.dumps({**marked, "sha256": _sha256(marked)}, ensure_ascii=False, indent=2) + "\n"


def read_run(folder: Path) -> dict[str, Any]:
    """What an earlier run left in a folder; empty when there was none that can be read and is this program's."""
    try:
        return recognised((folder / RUN_FILE).read_bytes())
    except OSError:
        return {}


def recognised(content: bytes) -> dict[str, Any]:
    """What a ``run.json`` says; nothing where another program wrote it, or somebody has changed it."""
    try:
        found = json_of(content)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    said = {name: value for name, value in found.items() if name != "sha256"}
    ours = found.get("sha256") == _sha256(said) if found.get("format") == FORMAT else _is_first_version(found)
    return found if ours else {}


def _sha256(facts: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _is_first_version(found: Mapping[str, Any]) -> bool:
    return (
        "format" not in found
        and all(isinstance(found.get(name), kind) for name, kind in _FIRST_VERSIONS.items())
        and isinstance(found["versions"].get("conceptmap"), str)
        and isinstance(found["settings"].get("formats"), list)
    )
