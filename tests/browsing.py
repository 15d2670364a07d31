"""A real browser for the tests of pages, where one is installed; and what keeps people out of a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["BROWSER", "SIZES", "TAB_STOPS", "barriers", "chromium", "watched"]

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
TAB_STOPS = (
    "() => [...document.querySelectorAll('a[href],button,input,select,textarea,summary,[tabindex]')]"
    ".filter((node) => node.tabIndex >= 0 && node.checkVisibility()).length"
)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser, started."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield found
        found.close()


@contextmanager
def watched(browser: Any, address: str, size: str = "wide", **how: Any) -> Iterator[Any]:
    """A page of its own; errors, refusals of its policy and requests to elsewhere fail the test."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, **how)
    context.set_default_timeout(10_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith((address, "blob:")) else None)
    page.goto(address)
    yield page
    context.close()
    assert [words for words in wrong if "503" not in words] == []


def barriers(page: Any) -> list[str]:
    """What axe finds that keeps people out: serious and critical violations, by name and place."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe looks for barriers").Axe()
    found = axe.run(page).response["violations"]
    return [
        f"{one['id']}: {node['target']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
