"""What a model folder says about itself: identity, licence, sentence pooling. Only JSON and the model card are read."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from conceptmap.encoders.pooling import MODES
from conceptmap.encoders.tuned.store import is_tuned, read_tuned
from conceptmap.errors import ModelError
from conceptmap.files import json_of

__all__ = [
    "Card",
    "SentenceFacts",
    "hidden_size",
    "identity",
    "is_late_interaction",
    "read_card",
    "sentence_facts",
    "weights_digest",
]

_SNAPSHOT = re.compile(r"models--(?P<name>[^/\\]+)[/\\]snapshots[/\\](?P<commit>[0-9a-f]{40})$")
_NON_COMMERCIAL = re.compile(r"(^|[^a-z])nc([^a-z]|$)|non-?commercial|research-only|academic-only")
_LONGEST = 1 << 24
"""More tokens than any model takes at once."""
_LONGEST_PATH = 100
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
    """Name and revision: a hub snapshot's, a tuned encoder's, else the folder's name and a digest of its weights.

    Raises:
        ModelError: the folder holds no safetensors weights.
    """
    if is_tuned(folder):
        tuned = read_tuned(folder)
        return tuned.name, tuned.revision
    snapshot = _SNAPSHOT.search(str(folder.resolve()))
    if snapshot:
        return snapshot["name"].replace("--", "/"), snapshot["commit"]
    return folder.resolve().name, f"sha256:{weights_digest(folder)[:12]}"


def weights_digest(folder: Path) -> str:
    """SHA-256 over those of a folder's weights.

    Raises:
        ModelError: it holds no safetensors weights.
    """
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
    return total.hexdigest()


def hidden_size(folder: Path) -> int | None:
    """Width of a model's token vectors, out of its ``config.json``; None where that is not there or does not say."""
    if is_tuned(folder):
        return read_tuned(folder).dim
    path = sentence_facts(folder).transformer / "config.json"
    try:
        config = json_of(path.read_bytes())
    except (OSError, ValueError):
        return None
    width = config.get("hidden_size") if isinstance(config, dict) else None
    return width if type(width) is int else None


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
    """Read how a folder makes sentence vectors, from modules.json and the files it points to.

    Raises:
        ModelError: one of these files is no JSON, holds values of other types, or points out of the folder.
    """
    modules = _modules(folder)
    if not modules:
        return SentenceFacts(transformer=folder)
    kinds = [kind for kind, _ in modules]
    at = {kind: folder / path for kind, path in modules}
    transformer = at.get("Transformer", folder)
    settings = _settings(transformer)
    pooling = _object(at["Pooling"] / "config.json") if "Pooling" in at else {}
    modes = _modes(pooling)
    prompt = _prompt(_object(folder / "config_sentence_transformers.json"))
    plain = kinds in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
    return SentenceFacts(
        transformer=transformer,
        modes=modes,
        normalised="Normalize" in kinds,
        length=_length(settings.get("max_seq_length")),
        lower=bool(settings.get("do_lower_case", False)),
        prompt=prompt,
        own_modules=bool(modes)
        and not (plain and set(modes) <= set(MODES) and (not prompt or pooling.get("include_prompt", True))),
    )


def is_late_interaction(folder: Path) -> bool:
    """Whether a folder says how its token vectors are projected and compared with one another: a ColBERT.

    Saved by sentence-transformers (a module ``MultiVectorMask``), by PyLate (a model of type ``ColBERT``) or by the
    code of the paper (an architecture ``HF_ColBERT``).

    Raises:
        ModelError: as `sentence_facts`; or a module's weights are pickled.
    """
    modules = _modules(folder)
    saved = _object(folder / "config_sentence_transformers.json").get("model_type")
    made = _object(folder / "config.json").get("architectures") if not modules else None
    late = saved in ("ColBERT", "MultiVectorEncoder") or any(kind == "MultiVectorMask" for kind, _ in modules)
    if not late and not (isinstance(made, list) and "HF_ColBERT" in made):
        return False
    for _, path in modules:
        if any((folder / path).glob("*.bin")) and not any((folder / path).glob("*.safetensors")):
            raise ModelError(
                "the model folder has weights that are not safe to read",
                got=f"{path or folder.name} without *.safetensors",
                expected="model.safetensors",
                then="save the model again with save_pretrained",
            )
    return True


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Kind and folder of each module, in order; none where there is no modules.json."""
    modules = _json(folder / "modules.json")
    if modules is None:
        return []
    listed: list[Any] = modules if isinstance(modules, list) else [None]
    for module in listed:
        if not isinstance(module, dict) or not all(isinstance(module.get(key), str) for key in ("type", "path")):
            raise _wrong("modules.json", "a list of objects with type and path")
        path = PurePosixPath(module["path"].replace("\\", "/"))
        if len(module["path"]) > _LONGEST_PATH:
            raise _wrong("modules.json", f"paths of at most {_LONGEST_PATH} characters")
        if path.is_absolute() or ".." in path.parts or not module["path"].isprintable() or ":" in module["path"]:
            raise _wrong("modules.json", "paths within the model's folder")
    return [(module["type"].rsplit(".", 1)[-1], module["path"]) for module in listed]


def _length(found: object) -> int | None:
    if found is None:
        return None
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= _LONGEST:
        raise _wrong("max_seq_length", f"a whole number of at most {_LONGEST:,}")
    return found or None


def _modes(pooling: dict[str, Any]) -> tuple[str, ...]:
    found = pooling.get("pooling_mode")
    if isinstance(found, str):
        return (found,)
    if found:
        if not isinstance(found, list) or not all(isinstance(mode, str) for mode in found):
            raise _wrong("pooling_mode", "a mode or a list of modes")
        return tuple(found)
    legacy = tuple(mode for key, mode in _LEGACY_MODES.items() if pooling.get(key))
    return legacy or (("mean",) if pooling else ())


def _prompt(config: dict[str, Any]) -> str:
    name, prompts = config.get("default_prompt_name"), config.get("prompts") or {}
    if not isinstance(prompts, dict) or not isinstance(name, str | None):
        raise _wrong("config_sentence_transformers.json", "prompts by name, and the name of one of them")
    return str(prompts.get(name) or "") if name else ""


def _settings(transformer: Path) -> dict[str, Any]:
    """The transformer module's own file: sentence_bert_config.json, or the same with another model's name."""
    for path in sorted(transformer.glob("sentence_*_config.json")):
        return _object(path)
    return {}


def _object(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file."""
    found = _json(path)
    if not isinstance(found, dict | None):
        raise _wrong(path.name, "a JSON object")
    return found or {}


def _json(path: Path) -> Any:  # noqa: ANN401 - JSON
    """What a file holds; None where there is none."""
    if not path.is_file():
        return None
    try:
        return json_of(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name} of the model is not JSON", then="fetch the model again") from error


def _wrong(what: str, expected: str) -> ModelError:
    return ModelError(f"{what} of the model holds something else", expected=expected, then="fetch the model again")


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
