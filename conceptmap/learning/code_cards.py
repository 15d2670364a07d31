"""A code adapter's card, for people to read: what it learned from, and how good it is on patients it had not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from conceptmap.learned.code_adapter import CodeAdapter

__all__ = ["code_card", "is_better"]


def is_better(adapter: CodeAdapter) -> bool:
    """Whether held-out notes are coded better with it than by the rules alone."""
    figures = adapter.card["figures"]
    return bool(figures["learned"]["f1"] > figures["rules"]["f1"])


def code_card(adapter: CodeAdapter) -> str:
    """The page, in Markdown."""
    card, made_for = adapter.card, adapter.made_for
    counts, figures, least = card["counts"], card["figures"], card["thresholds"]
    parts = [
        f"# Code adapter for {made_for.system} {made_for.release}, notes read with the encoder {made_for.encoder}",
        f"Learned from {counts['codes']:,} codes ({counts['different codes']:,} different ones) that coders gave to "
        f"{counts['notes']:,} notes of {counts['patients']:,} patients ({card.get('data', 'not stated')}; licence: "
        f"{card.get('licence', 'not stated')}). {counts['codes not in the index']:,} more codes are not in the index.",
        f"It holds no text of one patient: {counts['words kept']:,} words, pairs and triples of words and codes of "
        f"mentions that stand in notes of {counts['least patients']} patients or more, without digits, of words of the "
        "ontology or of the package's word list. It does hold how often each code was given. "
        + ("It names its training notes." if "note ids" in card else "It names no note."),
        *_marks(counts),
        "## Codes of notes held out",
        "Each note judged by what other patients' notes taught, in five parts; thresholds were chosen on them. "
        f"The model is {'boosted trees' if card['model'] == 'trees' else 'a logistic regression'}.",
        _table(["", "precision", "recall", "F1", "F1 of categories"], _scores(figures, ("rules", "learned"))),
        f"Mean average precision {figures['ranks']['map']:.3f}; of the first five codes "
        f"{100 * figures['ranks']['p@5']:.1f} % are right.",
        "Codes that coders gave to other notes (seen), and those that they never gave (unseen), accepted from "
        f"probabilities of {least['seen']:.2f} and {least['unseen']:.2f}:",
        _table(["", "precision", "recall", "F1"], [row[:-1] for row in _scores(figures, ("seen", "unseen"))]),
    ]
    if card["learning curve"]:
        curve = [[f"{n:,}", f"{rules:.3f}", f"{learned:.3f}"] for n, rules, learned in card["learning curve"]]
        last = [f"{counts['notes']:,}", f"{figures['rules']['f1']:.3f}", f"{figures['learned']['f1']:.3f}"]
        parts += ["## Learning curve", _table(["notes", "F1 of the rules", "F1 learned"], [*curve, last])]
    parts += [*_vectors(card), *_calibration(card)]
    parts += ["## Belongs to", _table(["", ""], [[name, f"`{value}`"] for name, value in asdict(made_for).items()])]
    return "\n\n".join(parts) + "\n"


def _marks(counts: Mapping[str, int]) -> list[str]:
    """What became of the phrases that coders marked."""
    if "phrases marked" not in counts:
        return []
    return [
        f"Coders marked {counts['phrases marked']:,} phrases for codes; {counts['phrases found']:,} of them stand in "
        f"their notes, {counts['different phrases']:,} different ones. By the same rule {counts['phrases kept']:,} of "
        f"these are kept as they are, and with their parts {counts['marked words kept']:,} words, pairs and triples of "
        "words that were marked for some code in two notes or more."
    ]


def _vectors(card: Mapping[str, Any]) -> list[str]:
    """What a head on vectors gains."""
    found, head = card["vectors"], "## Vectors of mentions"
    if found is None:
        return [head, "Not weighed: the notes were read by words alone, or vectors were not to be weighed."]
    rows = []
    for name, label in (("log loss", "log loss a note (less is better)"), ("f1", "F1")):
        words, vectors, low, high = found[name]
        rows.append([label, f"{words:.3f}", f"{vectors:.3f}", f"{low:+.4f} to {high:+.4f}"])
    then = "The adapter weighs them" if found["kept"] else "They are left out of the adapter"
    why = "more than chance" if found["gains"] else "no more than chance"
    return [
        head,
        "How likely a code is given, as the vectors of its mentions tell it, was weighed beside words on the same "
        f"notes held out. {then}: they gain {why} (95 % interval of the gain in log loss, patients drawn anew).",
        _table(["", "words alone", "with vectors", "gain"], rows),
    ]


def _scores(figures: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> list[list[str]]:
    columns = ("precision", "recall", "f1", "category f1")
    return [[name, *(f"{100 * figures[name].get(column, 0.0):.1f}" for column in columns)] for name in names]


def _calibration(card: Mapping[str, Any]) -> list[str]:
    bins = [[f"{n:,}", f"{sure:.3f}", f"{right:.3f}"] for n, sure, right in card["reliability"]]
    return [
        "## Probability",
        f"Expected calibration error {card['expected calibration error']:.3f}, over possible codes of at least 5 %.",
        "![reliability diagram](reliability.svg)",
        _table(["codes", "mean probability", "share right"], bins),
        "## What is weighed",
        "Share of what moves the probabilities, by what it rests on:",
        _table(["", "share"], [[group, f"{100 * share:.0f} %"] for group, share in card["groups"].items()]),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
