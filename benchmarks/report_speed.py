"""How large the pages of a report of 100 notes are, and how soon Chromium has them ready, scripts and all.

    python benchmarks/report_speed.py            # the example notes, again and again up to 100

Needs playwright and a Chromium. Prints a row a page: bytes, processor seconds to write it, milliseconds from opening to
the end of loading (median of five, each in a new window) and to the first paint.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path

import polars as pl
from playwright.sync_api import Browser, sync_playwright

from conceptmap.batch import Settings, code_notes
from conceptmap.mapper import ConceptMapper
from conceptmap.notes.notes import read_notes

NOTES = Path(__file__).parents[1] / "examples" / "notes"
MANY = 100
TIMES = """() => [performance.getEntriesByType("navigation")[0].loadEventEnd,
  performance.getEntriesByType("paint").find((one) => one.name === "first-contentful-paint")?.startTime ?? NaN]"""


def many_notes() -> pl.DataFrame:
    """The example notes up to 100, each with an id of its own."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(NOTES.glob("*.txt"))]
    return pl.DataFrame(
        {"note_id": [f"n{at}" for at in range(MANY)], "text": [texts[at % len(texts)] for at in range(MANY)]}
    )


def opened(browser: Browser, page: Path) -> tuple[float, float, float]:
    """Milliseconds until a page is loaded, until its first paint, and of its main thread's processor time."""
    window = browser.new_page(viewport={"width": 1280, "height": 900})
    session = window.context.new_cdp_session(window)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    window.goto(page.as_uri(), wait_until="load")
    window.wait_for_timeout(50)
    loaded, painted = window.evaluate(TIMES)
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    window.close()
    return loaded, painted, 1000 * metrics["TaskDuration"]


def main() -> None:
    """Write the report, open each of its pages."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        notes = Path(folder) / "notes.parquet"
        many_notes().write_parquet(notes)
        began = time.process_time()
        mapper = ConceptMapper.load("icd10cm", encoder="embedded")
        code_notes(read_notes(notes), mapper, Path(folder) / "out", Settings(formats=("html",)))
        print(f"{time.process_time() - began:.1f} s of processor time to code {MANY} notes and write their report")
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        opened(browser, Path(folder) / "out" / "report.html")
        for page in sorted((Path(folder) / "out").glob("report*.html")):
            times = [opened(browser, page) for _ in range(5)]
            loaded, painted, busy = (statistics.median(each) for each in zip(*times, strict=True))
            size = f"{page.name}  {page.stat().st_size:,} bytes"
            print(f"{size}  loaded {loaded:,.0f} ms  painted {painted:,.0f} ms  busy {busy:,.0f} ms")
        packed = Path(folder) / "out" / "report.zip"
        print(f"{packed.name}  {packed.stat().st_size if packed.exists() else 0:,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
