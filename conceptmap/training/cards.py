"""An adapter's card: what it was trained on, under which licence, and how good it is, for people to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from conceptmap.adapters.adapter import Adapter
from conceptmap.adapters.judge import FEATURES

__all__ = ["card_pages", "reliability_svg", "with_facts"]

SIDE = 260
MARGIN = 36


def with_facts(adapter: Adapter, *, data: str, licence: str, encoder_licence: str) -> Adapter:
    """The adapter with what only its maker knows."""
    facts = {"data": data, "licence": licence, "encoder licence": encoder_licence}
    return replace(adapter, card={**facts, **adapter.card})


def card_pages(adapter: Adapter) -> dict[str, str]:
    """``README.md``, and ``reliability.svg`` where mentions were judged, by name."""
    bins = adapter.card.get("mentions", {}).get("reliability")
    pages = {"README.md": _card(adapter)}
    return {**pages, "reliability.svg": reliability_svg(bins)} if bins else pages


def _card(adapter: Adapter) -> str:
    card, fit = adapter.card, asdict(adapter.made_for)
    counts = card["counts"]
    parts = [
        f"# Adapter for {fit['system']} {fit['release']} and {fit['encoder']}",
        f"Trained on {counts['mentions']:,} mentions in {counts['notes']:,} notes ({card.get('data', 'not stated')}; "
        f"licence: {card.get('licence', 'not stated')}); {counts['notes read']:,} of the notes were read through the "
        f"encoder, whose licence is {card.get('encoder licence', 'not stated')}. {counts['left out']:,} mentions were "
        "left out because the index holds none of their codes.",
        "It holds wordings of the training notes: an adapter of private notes is private."
        if adapter.memory.names.height
        else "It holds no wording of the training notes.",
        "## Given spans",
        _spans(card["spans"]),
        f"The map is `{card['method']}`, chosen on these held-out notes, one in four, and then fitted to all notes.",
        _table(["map", "", "acc@1", "acc@5", "acc@20"], _rows(card["spans"]["maps"])),
    ]
    if "mentions" in card:
        parts += _judged(adapter, card["mentions"])
    parts += [
        "## Belongs to",
        _table(["", ""], [[name.replace("_", " "), f"`{value}`"] for name, value in fit.items()]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _spans(figures: Mapping[str, Any]) -> str:
    rows = _rows({name: value for name, value in figures.items() if isinstance(value, dict) and name != "maps"})
    said = (
        f"{figures['held-out mentions']:,} mentions of notes held out; {figures['of concepts not in the rest']:,} of "
        "concepts that no other note mentions (unseen)."
    )
    return said + "\n\n" + _table(["", "", "acc@1", "acc@5", "acc@20"], rows)


def _rows(figures: Mapping[str, Mapping[str, Sequence[float]]]) -> list[list[str]]:
    return [
        [name, which, *(f"{100 * share:.1f}" for share in shares)]
        for name, parts in figures.items()
        for which, shares in parts.items()
    ]


def _judged(adapter: Adapter, figures: Mapping[str, Any]) -> list[str]:
    """End to end, calibration, and what the judge weighs."""
    scores = [
        [name, *(f"{100 * value[key]:.1f}" for key in ("precision", "recall", "f1"))]
        for name, value in figures.items()
        if isinstance(value, dict)
    ]
    partly = adapter.card["marked"] == "in part"
    parts = [
        "## Mentions end to end",
        f"{figures['notes']:,} notes, each read with what the others taught. A mention is right when it overlaps a "
        "marked one and its first concept is one of that one's."
        + (" The notes are marked in part: mentions that touch no marked one are not counted." if partly else ""),
        _table(["", "precision", "recall", "F1"], scores),
    ]
    if "reliability" not in figures:
        return [*parts, "Too few mentions to judge by: `probability` stays empty."]
    bins = [[f"{n:,}", f"{p:.3f}", f"{right:.3f}"] for n, p, right in figures["reliability"]]
    table = _table(["mentions", "mean probability", "share right"], bins)
    error = f"Expected calibration error {figures['expected calibration error']:.3f}"
    if adapter.judge is None:
        asked = adapter.card.get("probabilities") == "left out"
        why = ", on notes of this kind: for others it" if asked else ": too much to be called a probability, so that it"
        empty = f"{error}{why} stays empty."
        return [*parts, "## Probability", empty, "![reliability diagram](reliability.svg)", table]
    auc = adapter.card["tokens"]["auc"]
    weights = [[name, f"{weight:+.2f}"] for name, weight in zip(FEATURES, adapter.judge.weights, strict=False)]
    return [
        *parts,
        "## Probability",
        f"{error}, each mention judged by what other notes taught. "
        + (
            "It is that of meaning its concept, where a mention is one of what was marked; none abstains."
            if partly
            else f"Mentions below {adapter.judge.threshold:.2f} abstain."
        ),
        "![reliability diagram](reliability.svg)",
        table,
        "What the judge weighs, in the units of each feature:",
        _table(["feature", "weight"], weights),
        "" if adapter.inside is None else f"Words outside mentions abstain by a head of their own (AUC {auc:.3f}).",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def reliability_svg(bins: Sequence[Sequence[float]]) -> str:
    """A reliability diagram: share right over mean probability, a dot's area by its number of mentions.

    Args:
        bins: number, mean probability and share right of each.
    """
    most, size = max(n for n, _, _ in bins), SIDE + 2 * MARGIN

    def at(x: float, y: float) -> tuple[float, float]:
        return round(MARGIN + SIDE * x, 1), round(MARGIN + SIDE * (1 - y), 1)

    dots = []
    for n, probability, right in bins:
        x, y = at(probability, right)
        dots.append(
            f'<circle cx="{x}" cy="{y}" r="{2 + 8 * (n / most) ** 0.5:.1f}" fill="#2a6f97" fill-opacity="0.7"/>'
        )
    (left, bottom), (right_edge, top) = at(0, 0), at(1, 1)
    marks = []
    for share in (0.0, 0.5, 1.0):
        x, y = at(share, share)
        marks.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{share}</text>')
        marks.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{share}</text>')
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" font-family="sans-serif" font-size="11">',
        f'<rect x="{left}" y="{top}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#999"/>',
        f'<line x1="{left}" y1="{bottom}" x2="{right_edge}" y2="{top}" stroke="#999" stroke-dasharray="4 3"/>',
        *dots,
        *marks,
        f'<text x="{size / 2}" y="{size - 4}" text-anchor="middle">mean probability</text>',
        f'<text x="12" y="{size / 2}" text-anchor="middle" transform="rotate(-90 12 {size / 2})">share right</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
