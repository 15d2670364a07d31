"""``conceptmap serve``: a page on this machine in which notes are pasted and every word is explained."""

from __future__ import annotations

import argparse
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_command, add_mapper_options, load_mapper, say
from conceptmap.errors import InputError, MissingExtraError, counted

if TYPE_CHECKING:
    from conceptmap.mapper import ConceptMapper
    from conceptmap.retrieval.collection import IndexFacts
    from conceptmap.retrieval.search import NoteSearch
    from conceptmap.serve.guard import Admission

__all__ = ["add", "run"]

TOKEN = "CONCEPTMAP_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable that holds the token, so that it stands in no list of processes."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "serve", run, summary="explain notes in a page on this machine, and over a JSON API")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="port (default 8000)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; any but this machine's own needs a token (default 127.0.0.1)",
    )
    parser.add_argument(
        "--token",
        metavar="T",
        help=f"callers have to send it as a bearer token; or set {TOKEN}, which nobody else sees",
    )
    parser.add_argument(
        "--seconds", type=float, default=60, metavar="S", help="most seconds for an answer (default 60)"
    )
    parser.add_argument(
        "--notes-index", metavar="INDEX", help="notes to find in the page: what conceptmap search --index INDEX made"
    )
    parser.add_argument(
        "--notes-encoder", metavar="NAME|PATH", help="that made it, where it is a folder (default: by its name)"
    )
    add_mapper_options(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    try:
        import uvicorn  # noqa: F401 - told to be missing before anything is loaded

        from conceptmap.serve.guard import Admission
    except ImportError as error:
        raise MissingExtraError(error.name or "starlette", extra="serve", purpose="conceptmap serve") from error
    if not 1 <= args.port <= 65_535:
        raise InputError("--port is none", got=args.port, expected="1 to 65535")
    token = args.token or os.environ.get(TOKEN)
    access = Admission(args.host, args.port, token, seconds=args.seconds)
    with _listening(args.host, args.port) as listening:
        _serve(args, access, listening)
    return 0


def _serve(args: argparse.Namespace, access: Admission, listening: socket.socket) -> None:
    import uvicorn

    from conceptmap.serve.app import make_app

    facts = _index_facts(args)
    mapper, seconds = load_mapper(args)
    mapper.annotate("Ready.")  # what is loaded on first use is loaded now
    search = _search(args, facts, mapper) if facts else None
    shown = f"[{args.host}]" if ":" in args.host else args.host
    say(
        f"ready after {seconds:.1f} s: http://{shown}:{args.port}/{'#token=…' if access.token else ''} (Ctrl+C ends it)"
    )
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.levelno >= logging.ERROR)
    app = make_app(mapper, access, search)
    how = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=2)
    uvicorn.Server(how).run(sockets=[listening])


def _index_facts(args: argparse.Namespace) -> IndexFacts | None:
    """What the note index is, which is refused before anything is loaded if it is none."""
    from conceptmap.retrieval.collection import open_collection

    if args.notes_index:
        return open_collection(Path(args.notes_index)).facts
    if args.notes_encoder:
        raise InputError("--notes-encoder is of a note index", expected="--notes-index INDEX too")
    return None


def _search(args: argparse.Namespace, facts: IndexFacts, mapper: ConceptMapper) -> NoteSearch:
    """The note index with the encoder that made it, which may be the mapper's; its texts are checked now.

    Raises:
        IndexMismatchError: it is damaged, or the encoder is another.
        ModelError: the encoder cannot be loaded.
    """
    from conceptmap.retrieval.search import NoteSearch

    own = mapper.encoder
    same = own is not None and own.name == facts.encoder and facts.kind != "projected"
    encoder = args.notes_encoder or (own if same else None)
    where = {"device": args.device, "dtype": args.dtype}
    search = NoteSearch.open(args.notes_index, encoder=encoder, mapper=mapper, **where)
    for segment in search.collection.segments:
        segment.texts  # noqa: B018 - reads and checks them
    say(f"{counted(search.collection.n_notes, 'note')} to search")
    if facts.non_commercial:
        say(f"the encoder {facts.encoder} may not be used commercially, or its licence is not known: {facts.licence}")
    return search


def _listening(host: str, port: int) -> socket.socket:
    """A socket at an address, before anything is loaded.

    Raises:
        InputError: it is taken, or none of this machine's.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise InputError(f"cannot listen on {host}, port {port}", got=got, then="choose another --port") from None
