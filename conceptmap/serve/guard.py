"""What stands before every request: who may ask, from where, how much and how long.

The server is for one person on one machine. A page of another site that this person has open can send requests to it
too, and a name that is made to lead here (DNS rebinding) makes the browser take such a page for our own. So the names
in ``Host`` and ``Origin`` have to be ours, a request has to be one that no foreign form can send, and answers say that
nothing may be loaded from or shown elsewhere.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from conceptmap.errors import InputError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LOOPBACK", "Admission", "Guard"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
OPEN = ("/", "/api/health", "/favicon.ico", "/note.css", "/note.js", "/page.css", "/page.js")
"""Paths that hold nothing of anybody and need no token: the page asks for everything else."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_TYPES = ("application/json", "application/octet-stream")
"""Content types that no form of another site can send without asking first."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may ask for how much.

    Attributes:
        host: the address that is listened on.
        port: its port.
        token: what a caller has to know; required where others than this machine can reach the server.
        body_bytes: most bytes of a request.
        seconds: most seconds for an answer.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    body_bytes: int = 8 << 20
    seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK and not self.token:
            got, expected = f"{self.host} without a token", "127.0.0.1, or --token"
            raise InputError("others could reach the server", got=got, expected=expected)

    @property
    def names(self) -> frozenset[str]:
        """What a request may call this server."""
        hosts = LOOPBACK if self.host in LOOPBACK else (*LOOPBACK, self.host)
        return frozenset(f"[{host}]" if ":" in host else host for host in hosts)


class Guard:
    """ASGI middleware that lets no request through that is not ours, and sees that answers stay ours."""

    def __init__(self, app: ASGIApp, access: Admission) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def closed(message: Message) -> None:
            """Send with the headers that keep an answer to itself."""
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        refused = _refusal(scope["method"], scope["path"], Headers(scope=scope), self._access)
        if refused is None:
            refused = await self._answered(scope, receive, closed)
        if refused is not None:
            await JSONResponse({"error": refused[1]}, refused[0])(scope, receive, closed)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> tuple[int, str] | None:
        """Let the application answer; status and words where it does not."""
        began = False
        limit = asyncio.timeout(self._access.seconds)

        async def sending(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                limit.reschedule(None)  # what is streamed may take its time
            await send(message)

        try:
            async with limit:
                await self._app(scope, _Limited(receive, self._access.body_bytes), sending)
        except _TooLargeError:
            told = 413, f"the request is larger than {self._access.body_bytes:,} bytes"
        except TimeoutError:
            told = 503, f"no answer within {self._access.seconds:g} s; send a shorter text"
        except Exception as error:  # noqa: BLE001 - its message may hold note text, so its kind is all that is said
            told = 500, f"internal error: {type(error).__name__}"
        else:
            return None
        return None if began else told


class _TooLargeError(Exception):
    """More bytes than a request may have."""


class _Limited:
    """Receives a request's body up to a limit."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._left = receive, most

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _TooLargeError
        return message


def _refusal(method: str, path: str, headers: Mapping[str, str], access: Admission) -> tuple[int, str] | None:
    """Status and words for a request that is not to be answered."""
    if method not in ("GET", "HEAD", "POST"):
        return 405, "GET and POST are all that is answered"
    if _hostname(headers.get("host", "")) not in access.names:
        return 421, "this server does not go by that name"
    if (origin := headers.get("origin")) is not None and not _is_ours(origin, access):
        return 403, "the request comes from another site"
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return 403, "the request comes from another site"
    if access.token and path not in OPEN and not _knows(headers.get("authorization", ""), access.token):
        return 401, "the token is missing or wrong"
    if method != "POST":
        return None
    if headers.get("content-type", "").partition(";")[0].strip().lower() not in _TYPES:
        return 415, f"the content type has to be one of {', '.join(_TYPES)}"
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > access.body_bytes:
        return 413, f"the request is larger than {access.body_bytes:,} bytes"
    return None


def _hostname(host: str) -> str:
    """``Host`` without its port.

    >>> _hostname("localhost:8000"), _hostname("[::1]:8000"), _hostname("evil.example@localhost")
    ('localhost', '[::1]', '')
    """
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() and not host.endswith("]") else host
    return name.lower() if "@" not in name and "/" not in name else ""


def _is_ours(origin: str, access: Admission) -> bool:
    try:
        parts = urlsplit(origin)
        return parts.scheme == "http" and _hostname(parts.netloc) in access.names and parts.port == access.port
    except ValueError:
        return False


def _knows(authorization: str, token: str) -> bool:
    kind, _, given = authorization.partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
