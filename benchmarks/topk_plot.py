"""The measurements that `topk_cpu.py --json` kept, as a picture.

python benchmarks/topk_plot.py benchmarks/topk_cpu.jsonl benchmarks/topk_cpu.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

OURS, OTHERS = "#1f6f8b", "#b8b8b8"


def bars(axes: Axes, run: dict[str, Any]) -> None:
    """How many times as long as ours the others take."""
    lines = [line for line in run["table"] if "usearch" not in line[0]][::-1]
    base = next(line[2] for line in lines if line[0] == "ours")
    names = [line[0].replace(", blocks of 2,048 rows", "") for line in lines]
    ratios = [line[2] / base for line in lines]
    drawn = axes.barh(names, ratios, color=[OURS if name.startswith("ours") else OTHERS for name in names])
    axes.bar_label(drawn, [f"{ratio:.2f}" for ratio in ratios], padding=2, fontsize=7)
    axes.set_title(f"{run['queries']:,} x {run['rows']:,} x {run['dim']}\n{run['data']}", fontsize=8)
    axes.set_xlabel("processor time, ours = 1", fontsize=8)
    axes.margins(x=0.12)
    axes.tick_params(labelsize=7)


def curve(axes: Axes, points: list[dict[str, Any]], over: str) -> None:
    """Nanoseconds per row and query."""
    fixed = ("queries", 256) if over == "rows" else ("rows", 100_000)
    some = sorted((p[over], p["ns"]) for p in points if p["method"] == "ours" and p[fixed[0]] == fixed[1])
    axes.plot(*zip(*some, strict=True), "o-", color=OURS)
    axes.set(xscale="log", ylim=(0, None))
    axes.set_xlabel(f"{over} ({fixed[1]:,} {fixed[0]})", fontsize=8)
    axes.set_ylabel("ours, ns per row and query", fontsize=8)
    axes.tick_params(labelsize=7)


def main() -> None:
    """Draw."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    runs = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    tables, grown = [run for run in runs if "table" in run], [run for run in runs if "growth" in run]
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    places = list(axes.ravel())
    for run in tables[:4]:
        bars(places.pop(0), run)
    for over in ("rows", "queries"):
        curve(places.pop(0), grown[-1]["growth"], over)
    for unused in places:
        unused.axis("off")
    plt.rcParams.update({"svg.hashsalt": "conceptmap", "svg.fonttype": "none"})
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main()
