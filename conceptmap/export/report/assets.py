"""The style and the script of the pages, as one string each, and the policy that lets a page run these alone."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

from conceptmap.export.report.marks import HUES, SHARES

__all__ = ["NESTED", "POLICY", "SCRIPT", "STYLE", "asset", "policy"]

STYLE, SCRIPT, NESTED, POLICY = "page.css", "page.js", "nested.css", "policy.txt"
"""Names under which templates include them."""
_DARK = re.compile(r"@media \(prefers-color-scheme: dark\) \{\s*:root \{([^}]*)\}\s*\}\n")


@cache
def asset(name: str) -> str | None:
    """A file that is put together: see the names above; also ``note.css`` with its classes and ``note.js``. None for
    another name.
    """
    if name == "note.css":
        return _source("note.css") + _classes()
    if name == "note.js":
        return _source(name)
    if name == STYLE:
        return f"{_source('note.css')}{_classes()}{_source('report.css')}"
    if name == SCRIPT:
        return f"{_source('note.js')}{_source('report.js')}"
    if name == NESTED:
        return _nested(_source("part.css"), f"{_source('note.css')}{_classes()}")
    return policy() if name == POLICY else None


@cache
def policy() -> str:
    """A content security policy: the page's own style and script, known by their digests, and nothing else."""
    own = f"style-src '{_digest(asset(STYLE) or '')}'; script-src '{_digest(asset(SCRIPT) or '')}'"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _source(name: str) -> str:
    return files("conceptmap.export").joinpath("templates", name).read_text(encoding="utf-8")


def _classes() -> str:
    """A class for each colour and for each length of a bar: no element has a style of its own."""
    colours = "".join(f".h{at}{{--h:{at * 360 // HUES}}}" for at in range(HUES))
    return f"{colours}{''.join(f'.p{at}{{--p:{at * 100 // SHARES}%}}' for at in range(SHARES + 1))}\n"


def _nested(part: str, style: str) -> str:
    """A note's style inside the class of a part, its dark colours by the notebook's theme, else by the system's."""
    (dark,) = _DARK.findall(style)
    style = _DARK.sub("", style).replace(":root {", "& {")
    return part.replace("/* style */", style).replace("/* dark */", dark)
