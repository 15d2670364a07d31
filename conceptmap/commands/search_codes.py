"""``conceptmap search-codes``: look codes up by the words of their names and synonyms, and by what these mean."""

from __future__ import annotations

import argparse
import json

from conceptmap.commands.common import add_command, add_mapper_options, load_mapper, say, show
from conceptmap.commands.options.tables import aligned, terminal_width
from conceptmap.errors import InputError

__all__ = ["add", "run"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "search-codes", run, summary="look codes up by words, with where they stand")
    parser.add_argument("query", metavar="QUERY", help='words in any order, quoted ("heart attack"), or a code')
    parser.add_argument("-k", type=int, default=10, metavar="K", help="codes in each system (default 10)")
    parser.add_argument("--json", action="store_true", help="write JSON, with the whole path of each code")
    add_mapper_options(parser)


def run(args: argparse.Namespace) -> int:
    """Look up."""
    if args.k < 1:
        raise InputError("-k must be at least 1", got=args.k)
    if not args.query.strip():
        raise InputError("there is nothing to look up", expected="words or a code")
    mapper, _ = load_mapper(args)
    found = mapper.search_codes(args.query, k=args.k)
    if args.json:
        show(json.dumps(found.to_dicts(), ensure_ascii=False, indent=1))
        return 0
    if not found.height:
        say("nothing found; try other words, or an encoder, which finds what means the same")
        return 0
    several = found["system"].n_unique() > 1
    rows = [("code", *(("system",) if several else ()), "confidence", "name", "under")]
    for row in found.iter_rows(named=True):
        named = row["name"] if row["term"] in (row["name"], row["code"]) else f"{row['name']} ({row['term']})"
        under = row["path"].rpartition(" › ")[2]
        system = (row["system"],) if several else ()
        rows.append((row["code"], *system, f"{row['confidence']:.2f}", named, under))
    show("\n".join(aligned(rows, terminal_width())))
    return 0
