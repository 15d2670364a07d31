"""What a model folder says about itself: identity, licence, sentence pooling. Only JSON and the model card are read."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conceptmap.encoders.pooling import MODES
from conceptmap.errors import ModelError

__all__ = ["Card", "SentenceFacts", "identity", "read_card", "sentence_facts"]

_SNAPSHOT = re.compile(r"models--(?P<name>[^/\\]+)[/\\]snapshots[/\\](?P<commit>[0-9a-f]{40})$")
_NON_COMMERCIAL = re.compile(r"(^|[^a-z])nc([^a-z]|$)|non-?commercial|research-only|academic-only")
_LEGACY_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class Card:
    """The licence that a model card names (``unknown`` where it names none), and whether it forbids commercial use."""

    licence: str
    non_commercial: bool


@dataclass(frozen=True, slots=True)
class SentenceFacts:
    """How a folder's modules make sentence vectors.

    Attributes:
        transformer: the folder of the transformer itself.
        modes: pooling modes; empty for a late-interaction or plain transformer folder, which has no sentence vector.
        normalised: whether sentence vectors are scaled to length 1.
        length: most tokens of a sentence; None where the folder does not say.
        lower: whether text is lower-cased before the tokenizer.
        prompt: text that the model puts before every string by default.
        own_modules: the folder has modules that only sentence-transformers can run.
    """

    transformer: Path
    modes: tuple[str, ...] = ()
    normalised: bool = False
    length: int | None = None
    lower: bool = False
    prompt: str = ""
    own_modules: bool = False


def identity(folder: Path) -> tuple[str, str]:
    """Name and revision: those of a hub snapshot, else the folder's name and a digest of its weights.

    Raises:
        ModelError: the folder holds no safetensors weights.
    """
    snapshot = _SNAPSHOT.search(str(folder.resolve()))
    if snapshot:
        return snapshot["name"].replace("--", "/"), snapshot["commit"]
    weights = sorted(folder.rglob("*.safetensors"))
    if not weights:
        raise ModelError(
            "the model folder has no weights that are safe to read",
            got="no *.safetensors",
            expected="model.safetensors",
            then="save the model again with save_pretrained",
        )
    total = hashlib.sha256()
    for path in weights:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return folder.resolve().name, f"sha256:{total.hexdigest()[:12]}"


def read_card(folder: Path) -> Card:
    """Read the licence out of the model card's front matter."""
    path = folder / "README.md"
    lines = path.read_text("utf-8", errors="replace").splitlines() if path.is_file() else []
    if not lines or lines[0].strip() != "---":
        return Card("unknown", non_commercial=False)
    front = lines[1 : next((i for i, line in enumerate(lines[1:], 1) if line.strip() == "---"), 1)]
    found = _entry(front, "license")
    name = _entry(front, "license_name")
    licence = f"{found} ({name})" if name and name != found else found
    return Card(licence or "unknown", non_commercial=bool(_NON_COMMERCIAL.search(licence.lower())))


def sentence_facts(folder: Path) -> SentenceFacts:
    """Read how a folder makes sentence vectors, from modules.json and the files it points to."""
    modules = _json(folder / "modules.json")
    if not isinstance(modules, list) or not modules:
        return SentenceFacts(transformer=folder)
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    at = {kind: folder / str(module["path"]) for kind, module in zip(kinds, modules, strict=True)}
    transformer = at.get("Transformer", folder)
    settings = _settings(transformer)
    pooling = _json(at["Pooling"] / "config.json") if "Pooling" in at else {}
    modes = _modes(pooling)
    prompt = _prompt(_json(folder / "config_sentence_transformers.json"))
    plain = kinds in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
    length = settings.get("max_seq_length")
    return SentenceFacts(
        transformer=transformer,
        modes=modes,
        normalised="Normalize" in kinds,
        length=int(length) if length else None,
        lower=bool(settings.get("do_lower_case", False)),
        prompt=prompt,
        own_modules=bool(modes)
        and not (plain and set(modes) <= set(MODES) and (not prompt or pooling.get("include_prompt", True))),
    )


def _modes(pooling: dict[str, Any]) -> tuple[str, ...]:
    found = pooling.get("pooling_mode")
    if isinstance(found, str):
        return (found,)
    if found:
        return tuple(found)
    legacy = tuple(mode for key, mode in _LEGACY_MODES.items() if pooling.get(key))
    return legacy or (("mean",) if pooling else ())


def _prompt(config: dict[str, Any]) -> str:
    name = config.get("default_prompt_name")
    return str((config.get("prompts") or {}).get(name) or "") if name else ""


def _settings(transformer: Path) -> dict[str, Any]:
    """The transformer module's own file: sentence_bert_config.json, or the same with another model's name."""
    for path in sorted(transformer.glob("sentence_*_config.json")):
        found: dict[str, Any] = _json(path)
        return found
    return {}


def _json(path: Path) -> Any:  # noqa: ANN401 - JSON
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelError(f"{path.name} of the model is not JSON", then="fetch the model again") from error


def _entry(front: list[str], key: str) -> str:
    """The value of a front-matter key, or its list items joined."""
    for i, line in enumerate(front):
        if line.startswith(f"{key}:"):
            value = line.partition(":")[2].strip().strip("'\"")
            if value and value not in ("|", ">"):
                return value
            items = (item.strip() for item in front[i + 1 :])
            return ", ".join(item[1:].strip().strip("'\"") for item in _leading_items(items))
    return ""


def _leading_items(lines: Any) -> list[str]:  # noqa: ANN401 - iterator of lines
    items: list[str] = []
    for line in lines:
        if not line.startswith("-"):
            break
        items.append(line)
    return items
