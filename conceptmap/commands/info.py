"""``conceptmap info``: what an index is, or what this installation is."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_command, say, show, write_stdout
from conceptmap.errors import IndexMismatchError, InputError

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.index.index import ConceptIndex

__all__ = ["add", "run"]

_TOLD = ("hubs", "left out", "scope", "separation", "silent terms")
"""Facts of the manifest that people are told."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "info", run, summary="show what an index holds, or versions and the cache folder")
    parser.add_argument(
        "index", nargs="?", metavar="INDEX", help="icd10cm or an index folder; without it, this installation"
    )
    parser.add_argument("--verify", action="store_true", help="compare every file with its checksum")
    parser.add_argument(
        "--silent", action="store_true", help="list the concepts of INDEX that no text can find, and why, as CSV"
    )
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace) -> int:
    """Show it."""
    if args.silent:
        return _list_silent(args.index)
    facts = _of_index(args.index, verify=args.verify) if args.index else _of_installation(verify=args.verify)
    if args.json:
        show(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        width = max(len(name) for name in facts)
        show("\n".join(f"{name:<{width}}  {_shown(value)}" for name, value in facts.items()))
    return 0


def _list_silent(folder: str | None) -> int:
    from conceptmap.export.csv import csv_bytes
    from conceptmap.index.index import ConceptIndex

    if folder is None:
        raise InputError("--silent lists the concepts of an index", got="no index", expected="an index folder")
    write_stdout(csv_bytes(_unreachable(ConceptIndex.open(folder))))
    return 0


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _of_index(name: str, *, verify: bool) -> dict[str, object]:
    """The facts of an index folder, or of the words of the embedded index.

    Raises:
        IndexMismatchError: it is none, or damaged.
    """
    from conceptmap.index.embedded import EMBEDDED, embedded_index
    from conceptmap.index.index import ConceptIndex

    index = embedded_index(None) if name == EMBEDDED else ConceptIndex.open(name)
    if verify:
        index.verify()
    manifest = index.manifest
    names = ("system", "release", "encoder", "revision", "dim", "dtype", "rows", "concepts", "pooling", "centring")
    facts: dict[str, object] = {name: getattr(manifest, name) for name in names}
    facts |= {"encoder": manifest.encoder or "none", "terms": index.terms.height}
    facts |= {"inactive concepts": index.concepts["active"].not_().sum(), "edges": index.edges.height}
    facts |= {name: manifest.facts[name] for name in _TOLD if name in manifest.facts}
    facts |= {"concepts without a reachable name": _unreachable(index).height}
    facts |= {"bytes": sum(digest.bytes for digest in manifest.files.values())}
    facts |= {"sha256": manifest.as_json()["sha256"], "format": manifest.format}
    return facts | ({"verified": "every file"} if verify else {})


def _unreachable(index: ConceptIndex) -> pl.DataFrame:
    from conceptmap.matching.lexicon import lexicon_of, unreachable

    frames = index.system, index.concepts, index.terms
    return unreachable(*frames, lexicon_of(*frames) if index.lexicon is None else index.lexicon)


def _of_installation(*, verify: bool) -> dict[str, object]:
    from conceptmap.batch.runfile import versions
    from conceptmap.index.cache import cache_folder

    home = cache_folder()
    found = sorted(path.parent for path in home.glob("*/manifest.json")) if home.is_dir() else []
    for folder in found if verify else ():
        try:
            _of_index(str(folder), verify=True)
        except IndexMismatchError as error:
            say(f"it will be built again: {error}")
    names = ", ".join(path.name for path in found) or "none"
    size = sum(path.stat().st_size for folder in found for path in folder.iterdir())
    return {**versions(), "cache": str(home), "cached indexes": names, "cached bytes": size}
