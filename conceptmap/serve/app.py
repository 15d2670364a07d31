"""The server: the page, its API and the description of the API."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from conceptmap.errors import ConceptMapError, InputError
from conceptmap.export.paths import PathOf, paths_of
from conceptmap.export.report.assets import asset
from conceptmap.serve import answers, finding
from conceptmap.serve.asked import MOST_CONCEPTS, MOST_NOTES, AskedText, Sought, list_of, object_of, whole
from conceptmap.serve.guard import Admission, Guard
from conceptmap.serve.openapi import described_api
from conceptmap.serve.reviewed import CSV_TYPE, WORKBOOK_TYPE, csv_of, reviewed_of, workbook_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conceptmap.mapper import ConceptMapper
    from conceptmap.retrieval.search import NoteSearch

__all__ = ["make_app"]

STATIC = Path(__file__).parent / "static"
AT_ONCE = 2
"""Texts that are read at the same time; others wait for their turn."""
_Answer = TypeVar("_Answer")
_Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(mapper: ConceptMapper, access: Admission | None = None, search: NoteSearch | None = None) -> Starlette:
    """The application, for any ASGI server.

    Args:
        mapper: loaded; requests share it.
        access: who may ask for how much; by default this machine alone, on port 8000.
        search: notes that can be found, with a mapper; None for none.
    """
    api = _Api(mapper, paths_of(mapper.path, mapper.indexes), anyio.CapacityLimiter(AT_ONCE), search)
    routes = [
        Route("/", _file("index.html")),
        Route("/note.css", _asset("note.css", "text/css")),
        Route("/note.js", _asset("note.js", "text/javascript")),
        Route("/page.css", _file("page.css")),
        Route("/page.js", _file("page.js")),
        Route("/favicon.ico", _nothing),
        Route("/api/health", _told(api.health)),
        Route("/api/annotate", _told(api.annotate), methods=["POST"]),
        Route("/api/tag", _told(api.tag), methods=["POST"]),
        Route("/api/nearest", _told(api.nearest), methods=["POST"]),
        Route("/api/notes", _told(api.notes), methods=["POST"]),
        Route("/api/search", _told(api.search)),
        Route("/api/search-notes", _told(api.search_notes), methods=["POST"]),
        Route("/api/indexed-note", _told(api.indexed_note), methods=["POST"]),
        Route("/api/csv", _told(api.csv), methods=["POST"]),
        Route("/api/workbook", _told(api.workbook), methods=["POST"]),
        Route("/api/concepts/{system}/{code:path}", _told(api.concept)),
        Route("/api/openapi.json", _openapi),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, access=access or Admission())])


@dataclass(frozen=True, slots=True)
class _Api:
    """The endpoints. Nothing of a request is kept."""

    mapper: ConceptMapper
    above: PathOf
    turns: anyio.CapacityLimiter
    kept: NoteSearch | None = None

    async def health(self, _request: Request) -> Response:
        return JSONResponse({**answers.described(self.mapper), "note_search": self.kept is not None})

    async def annotate(self, request: Request) -> Response:
        """One note; or several, each a line as soon as it is done."""
        asked = AskedText.of(await request.body())
        if asked.notes is None:
            return JSONResponse(await self._annotated(asked.note_id, asked.text, asked.k, drawn=asked.drawn))
        return StreamingResponse(self._lines(asked), media_type="application/x-ndjson")

    async def tag(self, request: Request) -> Response:
        asked = AskedText.of(await request.body())
        found = await self._annotated("note", asked.text, asked.k)
        return JSONResponse({"words": found["words"]})

    async def nearest(self, request: Request) -> Response:
        asked = AskedText.of(await request.body())
        found = await self._in_turn(lambda: answers.nearest(self.mapper, asked.text, k=asked.k))
        html = {"html": answers.drawn_tokens(asked.text, found, above=self.above)} if asked.drawn else {}
        return JSONResponse({"tokens": found, **html})

    async def notes(self, request: Request) -> Response:
        """The notes of a file that was opened or dropped, a line each."""
        name = Path(request.query_params.get("name", "notes.txt")).name
        data = await request.body()
        found = await self._in_turn(lambda: list(_notes_of(name, data)))
        return Response("".join(json.dumps(note) + "\n" for note in found), media_type="application/x-ndjson")

    async def search(self, request: Request) -> Response:
        query = request.query_params.get("q", "").strip()
        if not query:
            raise InputError("nothing to search for", got="no q", expected="words, such as ?q=heart+attack")
        most = whole(request.query_params.get("k", "20"), "k", MOST_CONCEPTS)
        system = request.query_params.get("system")
        found = await self._in_turn(lambda: answers.searched(self.mapper, query, system=system, k=most))
        return JSONResponse({"concepts": found})

    async def search_notes(self, request: Request) -> Response:
        """Notes of the index, and why they were found."""
        kept, asked = self._kept(), Sought.of(await request.body())
        return JSONResponse(await self._in_turn(lambda: finding.found_notes(kept, asked)))

    async def indexed_note(self, request: Request) -> Response:
        """A whole note of the index."""
        kept, note_id = self._kept(), object_of(await request.body()).get("note_id")
        if not isinstance(note_id, str):
            raise InputError("note_id is no string", got=type(note_id).__name__, expected="a note_id of a hit")
        return JSONResponse(await self._in_turn(lambda: finding.indexed_note(kept, note_id)))

    def _kept(self) -> NoteSearch:
        if self.kept is None:
            raise InputError("there are no notes to search", then="start conceptmap serve with --notes-index INDEX")
        return self.kept

    async def csv(self, request: Request) -> Response:
        """What was decided about codes, as a table."""
        notes = list_of(object_of(await request.body()).get("notes"), most=MOST_NOTES)
        return Response(await self._in_turn(lambda: csv_of(reviewed_of(notes))), media_type=CSV_TYPE)

    async def workbook(self, request: Request) -> Response:
        """The same with mentions and notes, as a workbook."""
        notes = list_of(object_of(await request.body()).get("notes"), most=MOST_NOTES)
        return Response(await self._in_turn(lambda: workbook_of(reviewed_of(notes))), media_type=WORKBOOK_TYPE)

    async def concept(self, request: Request) -> Response:
        system, code = request.path_params["system"], request.path_params["code"]
        return JSONResponse(await self._in_turn(lambda: answers.concept(self.mapper, system, code)))

    async def _annotated(self, note_id: str, text: str, k: int, *, drawn: bool = False) -> dict[str, Any]:
        how: dict[str, Any] = {"above": self.above, "note_id": note_id, "k": k, "drawn": drawn}
        return await self._in_turn(lambda: answers.annotated(self.mapper, text, **how))

    async def _lines(self, asked: AskedText) -> AsyncIterator[str]:
        for note_id, text in asked.notes or ():
            try:
                found = await self._annotated(note_id, text, asked.k)
            except ConceptMapError as error:
                found = {"note_id": note_id, "error": str(error)}
            yield json.dumps(found) + "\n"

    async def _in_turn(self, work: Callable[[], _Answer]) -> _Answer:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self.turns)


def _notes_of(name: str, data: bytes) -> Iterator[dict[str, str]]:
    """The notes in a file's bytes; they lie in a private temporary file while they are read."""
    from conceptmap.notes.notes import read_notes

    suffix = "".join(Path(name).suffixes[-2:]).lower() or ".txt"
    handle, path = tempfile.mkstemp(suffix=suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        notes = read_notes(path)
        for chunk in notes.chunks():
            for note_id, text in chunk.select("note_id", "text").iter_rows():
                yield {"note_id": name.removesuffix(suffix) if suffix == ".txt" else note_id, "text": text}
    finally:
        Path(path).unlink(missing_ok=True)


def _told(endpoint: _Endpoint) -> _Endpoint:
    """An endpoint whose errors are answers."""

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ConceptMapError as error:
            return JSONResponse({"error": str(error)}, 400)

    return answered


def _file(name: str) -> _Endpoint:
    async def sent(_request: Request) -> Response:
        return FileResponse(STATIC / name)

    return sent


def _asset(name: str, kind: str) -> _Endpoint:
    """The style and the script of notes, which the report has too."""

    async def sent(_request: Request) -> Response:
        return Response(asset(name), media_type=kind)

    return sent


async def _nothing(_request: Request) -> Response:
    return Response(status_code=204)


async def _openapi(_request: Request) -> Response:
    return JSONResponse(described_api())
