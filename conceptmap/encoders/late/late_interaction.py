"""Late-interaction folders (ColBERT, PyLate) as sentence-transformers applies them, with where each vector stands.

Their own projection, prefixes, lengths, query expansion and skip list are `MultiVectorEncoder`'s; offsets come from the
same tokenizer, and pieces that are not the ones it read are refused. The scored tokens include special ones, the prefix
and a query's expansion, which stand nowhere in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.folder import identity, is_late_interaction, read_card
from conceptmap.encoders.foreign import check_sizes, foreign_files
from conceptmap.encoders.tuned.names import EMBEDDED_NAMES
from conceptmap.errors import ModelError

__all__ = ["LateInteraction", "LateTokens", "late_interaction_folder", "load_late_interaction"]

NOWHERE = -1
"""Offset of a token that stands nowhere in the text."""
BATCH = 32
_FEWEST = 8
"""Pieces of a text that a document has room for, at least."""


@dataclass(frozen=True, slots=True)
class LateTokens:
    """The scored tokens of one text.

    Attributes:
        vectors: *Shape:* (n_tokens, dim) float32, of length 1 where the model normalises.
        start_char: first code point of each token in the text, -1 of one that stands nowhere in it, such as ``[CLS]``.
            *Shape:* (n_tokens,) int64.
        end_char: one past its last. *Shape:* (n_tokens,) int64.
        pieces: how the vocabulary spells each token.
    """

    vectors: NDArray[np.float32]
    start_char: NDArray[np.int64]
    end_char: NDArray[np.int64]
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class LateInteraction:
    """A loaded late-interaction model; make one with `load_late_interaction`.

    Attributes:
        name: model name, as recorded in indexes.
        revision: commit of the hub, or digest of the weights.
        licence: as the model card names it.
        non_commercial: the licence forbids commercial use.
        dim: width of a projected token vector.
        room: most pieces of a document's own text that are read, prefix and special tokens not counted.
        library: sentence-transformers' ``MultiVectorEncoder``.
    """

    name: str
    revision: str
    licence: str
    non_commercial: bool
    dim: int
    room: int
    library: Any = field(repr=False)

    def pieces(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the pieces of a text stand, of whatever length it is: first code points, and one past the last.

        Returns:
            *Shape:* (n_pieces,) int64 each; none covers white space alone.
        """
        offsets = self._offsets(text, prompt="", special=False)
        inked = [(a, b) for a, b in (_trimmed(text, a, b) for a, b in offsets) if a < b]
        start, end = (np.array([span[at] for span in inked], dtype=np.int64) for at in (0, 1))
        return start, end

    def documents(self, texts: Sequence[str]) -> list[LateTokens]:
        """Encode passages. A text longer than the model's documents is an error: it would lose its end.

        Raises:
            ModelError: one is longer, or the library reads other pieces than its tokenizer gives.
        """
        return self._encoded(texts, "document")

    def query(self, text: str) -> LateTokens:
        """Encode a query; what exceeds the model's queries is left out, as its library does.

        Raises:
            ModelError: the library reads other pieces than its tokenizer gives.
        """
        return self._encoded([text], "query")[0]

    def fits(self, text: str) -> bool:
        """Whether a text is read to its end."""
        prompt = self._prompt("document")
        return len(self._offsets(text, prompt=prompt, special=True)) <= _length(self.library)

    def _encoded(self, texts: Sequence[str], task: str) -> list[LateTokens]:
        prompt = self._prompt(task)
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        encode = self.library.encode_query if task == "query" else self.library.encode_document
        found = encode(clean, output_value=None, show_progress_bar=False, batch_size=BATCH)
        return [
            self._placed(text, prompt, row, whole=task == "document") for text, row in zip(clean, found, strict=True)
        ]

    def _placed(self, text: str, prompt: str, row: dict[str, Any], *, whole: bool) -> LateTokens:
        ids, scored = row["input_ids"].cpu().numpy(), row["attention_mask"].cpu().numpy().astype(bool)
        given = self.library.tokenizer(prompt + text, return_offsets_mapping=True, verbose=False)
        own = np.array(given["input_ids"], dtype=np.int64)
        read = min(len(own), len(ids))
        special = {*self.library.tokenizer.all_special_ids} - {self.library.tokenizer.unk_token_id}
        framing = [int(piece) in special for piece in ids]
        same = [left == right or apart for left, right, apart in zip(ids, own, framing, strict=False)]
        if not all(same) or (whole and len(own) > len(ids)):
            got = "fewer pieces than the text has" if all(same) else "other pieces than its tokenizer gives"
            raise ModelError(f"{self.name} is read otherwise than it says", got=got, then="report the model")
        spans = [
            (NOWHERE, NOWHERE) if apart or a < len(prompt) else _trimmed(text, a - len(prompt), b - len(prompt))
            for (a, b), apart in zip(given["offset_mapping"][:read], framing, strict=False)
        ]
        spans += [(NOWHERE, NOWHERE)] * (len(ids) - read)
        kept = np.flatnonzero(scored)
        start, end = (np.array([spans[at][side] for at in kept], dtype=np.int64) for side in (0, 1))
        vectors = row["token_embeddings"].float().cpu().numpy()[kept]
        return LateTokens(vectors, start, end, tuple(self.library.tokenizer.convert_ids_to_tokens(ids[kept].tolist())))

    def _offsets(self, text: str, *, prompt: str, special: bool) -> list[tuple[int, int]]:
        clean = text.encode("utf-8", "replace").decode("utf-8")
        given = self.library.tokenizer(
            prompt + clean, return_offsets_mapping=True, add_special_tokens=special, verbose=False
        )
        return list(given["offset_mapping"])

    def _prompt(self, task: str) -> str:
        names = ("query",) if task == "query" else ("document", "passage", "corpus")
        return next((self.library.prompts[name] or "" for name in names if name in self.library.prompts), "")


def late_interaction_folder(name_or_path: str | Path, *, revision: str | None = None) -> Path | None:
    """The folder of a late-interaction model; None for any other encoder, and for the embedded one.

    Args:
        name_or_path: as `conceptmap.encoders.load_encoder` takes it.
        revision: branch, tag or commit of a hub model.

    Raises:
        ModelError: a hub model that cannot be fetched, or a folder that cannot be read.
    """
    if name_or_path in EMBEDDED_NAMES:
        return None
    folder = Path(name_or_path).expanduser()
    if not folder.is_dir():
        if isinstance(name_or_path, Path) or name_or_path.startswith((".", "~", "/")) or name_or_path.count("/") > 1:
            return None
        from conceptmap.encoders.transformer import fetch

        name, _, pinned = name_or_path.partition("@")
        folder = fetch(name, revision or pinned or None)
    return folder if is_late_interaction(folder) else None


def load_late_interaction(folder: Path, *, device: str = "cpu") -> LateInteraction:
    """Load a late-interaction model from a folder; nothing outside it is read, no code and no pickle of it.

    Raises:
        ModelError: it cannot be loaded.
    """
    name, revision = identity(folder)
    card = read_card(folder)
    with foreign_files(folder):
        from sentence_transformers import MultiVectorEncoder

        from conceptmap.encoders.transformer import quietly

        check_sizes(folder)
        with quietly():
            library = MultiVectorEncoder(
                str(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        found = LateInteraction(name, revision, card.licence, card.non_commercial, 0, 0, library)
        dim = found.query("a").vectors.shape[1]
        framed = len(found._offsets("", prompt=found._prompt("document"), special=True))  # noqa: SLF001 - our own
        room = _length(library) - framed
        if room < _FEWEST:
            raise ModelError("the model takes too short documents", got=f"room for {room} pieces")
        return LateInteraction(name, revision, card.licence, card.non_commercial, dim, room, library)


def _length(library: Any) -> int:  # noqa: ANN401 - sentence-transformers' class
    """Most pieces of a document, all included."""
    lengths = (library[0].document_length, library[0].max_seq_length)
    return int(lengths[0] or lengths[1] or 512)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without white space at its edges."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), max(start, end - (len(piece) - len(piece.rstrip())))
