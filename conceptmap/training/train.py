"""Train an adapter from notes in which mentions are marked.

``train`` is the main path. Documents are held out throughout: the map is chosen on notes that it was not fitted to, and
the judge learns from notes that are read with what the *other* notes taught, so that its probabilities hold for notes
that it has not seen. What is written into the adapter at the end is fitted to all notes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.adapters.adapter import Adapter, compatibility_of
from conceptmap.adapters.linear import METHODS, Pairs, fit, unit
from conceptmap.adapters.memory import NAMES, SEEN, Memory
from conceptmap.encoders import TokenEncoder
from conceptmap.errors import InputError
from conceptmap.index.index import ConceptIndex
from conceptmap.linking.ranking import rank_spans
from conceptmap.mapper import ConceptMapper
from conceptmap.matching.content import content_words
from conceptmap.matching.short_forms import expander
from conceptmap.notes.marked import MarkedNote, MarkedSpan
from conceptmap.training.codes import with_known_codes
from conceptmap.training.train_judge import learn_inside, learn_judge, learn_memory
from conceptmap.training.training_notes import TrainingNotes

__all__ = ["TrainingSettings", "pseudo_marked", "train"]

POOL_ROWS = 4096
NEAR_ROWS = 32
FEW_QUERIES = 2000
HELD_OUT = 4
"""One note in so many chooses the map."""
ACCURACIES = (1, 5, 20)


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        method: one of ``linear.METHODS``, or ``auto``: the one that ranks held-out mentions best.
        memorise: a wording is remembered when it was annotated at least so often; 0 remembers none.
        read_chars: notes are read through the encoder up to so many code points; wordings are learned from all.
        pseudo: the mentions were found by the dictionary: they teach the map and nothing else.
        partly: only some kind of mentions is marked, such as diseases: the rest is no counter-example, so that nothing
            abstains, and a probability is that of meaning the concept where something of the kind is said.
        probabilities: with ``partly``, whether these are given at all: not where other kinds of notes will be read.
        seed: of every random choice.
    """

    method: str = "auto"
    memorise: int = 1
    read_chars: int = 400_000
    pseudo: bool = False
    partly: bool = False
    probabilities: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in ("auto", *METHODS):
            expected = ", ".join(("auto", *METHODS))
            raise InputError("method is unknown", got=self.method, expected=expected)
        if self.memorise < 0 or self.read_chars < 1:
            raise InputError(
                "memorise or read_chars is too small",
                got=f"{self.memorise}, {self.read_chars}",
                expected="at least 0 and 1",
            )
        if not (self.probabilities or self.partly):
            raise InputError("without probabilities no mention abstains", expected="partly as well")


def train(
    index: ConceptIndex, encoder: TokenEncoder, notes: Sequence[MarkedNote], settings: TrainingSettings | None = None
) -> Adapter:
    """Train an adapter; its card holds the figures.

    Args:
        index: with vectors.
        encoder: of the notes.
        notes: with marked mentions.
        settings: how to train.

    Raises:
        InputError: the index has no vectors, or fewer than 20 mentions in 8 notes have a code that it holds.
    """
    settings = settings or TrainingSettings()
    if not index.dim:
        raise InputError(
            "an adapter needs an index with vectors", got="a lexical index", then="build it with an encoder"
        )
    mapper = ConceptMapper((index,), encoder)
    known, lost = with_known_codes(notes, _spelling(mapper))
    n_mentions, n_notes = sum(len(note.mentions) for note in known), sum(bool(note.mentions) for note in known)
    if n_mentions < 20 or n_notes < 8:
        got = f"{n_mentions} mentions in {n_notes} notes, {lost} left out for codes that {index.system} does not hold"
        raise InputError("too little to learn from", got=got, expected="20 mentions in 8 notes, better thousands")
    if settings.partly:
        known = [replace(note, ignored=((0, len(note.text)),)) for note in known]
    training = TrainingNotes.of(mapper, known, read_chars=settings.read_chars, seed=settings.seed)
    everyone = range(len(known))
    chosen = _choose(training, settings)
    stays = chosen.method == "none" and index.dim == encoder.dim
    matrix = None if stays else _fitted(chosen.method, _pairs(training, *training.queries(everyone)))
    adapter = Adapter(
        compatibility_of(index, encoder=encoder.name, revision=encoder.revision, dim=encoder.dim),
        Memory(pl.DataFrame(schema=NAMES), pl.DataFrame(schema=SEEN)),
        matrix=matrix,
    )
    counts = {"notes": len(known), "mentions": n_mentions, "left out": lost, "notes read": training.n_read}
    card: dict[str, Any] = {
        "counts": counts,
        "marked": "in part" if settings.partly else "throughout",
        "method": chosen.method,
        "spans": chosen.figures,
    }
    if settings.pseudo:
        return replace(adapter, card=card)
    judge, figures = learn_judge(training, settings.memorise, partly=settings.partly)
    left_out = {} if settings.probabilities else {"probabilities": "left out"}
    inside, threshold, auc = (None, 0.0, 0.0) if settings.partly else learn_inside(training, settings.seed)
    return replace(
        adapter,
        memory=learn_memory(training, everyone, settings.memorise),
        judge=judge if settings.probabilities else None,
        inside=inside,
        inside_threshold=threshold,
        card={**card, **left_out, "mentions": figures, "tokens": {"auc": auc}},
    )


def pseudo_marked(mapper: ConceptMapper, notes: pl.DataFrame, *, least_strength: float = 0.9) -> list[MarkedNote]:
    """Plain notes with what the dictionary finds in them as if people had marked it.

    Args:
        mapper: of one index.
        notes: columns note_id, text.
        least_strength: only mentions whose first concept is at least so strong.
    """
    linker, out = mapper.linkers[0], []
    for note_id, text in notes.select("note_id", "text").iter_rows():
        (found,) = linker.lexical([text], [content_words(text, expander(text))])
        spans = [
            MarkedSpan(m.start_char, m.end_char, (linker.book.codes[m.candidates[0].concept],))
            for m in found
            if m.candidates[0].strength >= least_strength
        ]
        out.append(MarkedNote(note_id, text, tuple(spans), ()))
    return out


def _spelling(mapper: ConceptMapper) -> Callable[[str], str | None]:
    """The index's own spelling of a code, which may come with its system in front."""
    known = mapper.linkers[0].book.position_of_code
    system = mapper.indexes[0].system

    def code_of(code: str) -> str | None:
        if code in known:
            return code
        prefix, _, bare = code.partition(":")
        if prefix.lower() == system and bare in known:
            return bare
        full = f"{system.upper()}:{code}"
        return full if full in known else None

    return code_of


# -- the map ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Choice:
    method: str
    figures: dict[str, Any]


def _choose(training: TrainingNotes, settings: TrainingSettings) -> _Choice:
    """The map that ranks the mentions of held-out notes best, and how good it is."""
    held = [i for i, note in enumerate(training.notes) if note.mentions][::HELD_OUT]
    rest = sorted(set(range(len(training.notes))).difference(held))
    taught = {c for i in rest for m in training.notes[i].mentions for c in training.concepts(m)}
    vectors, right = training.queries(held)
    if not right:
        raise InputError(
            "too little to learn from", got="no vector of a held-out mention", then="read more of the notes"
        )
    unseen = np.array([not (wanted & taught) for wanted in right])
    pairs = _pairs(training, *training.queries(rest))
    methods = _methods(settings.method, len(pairs.right))
    maps = {method: _fitted(method, pairs) for method in methods}
    found = {method: _hits(training, vectors @ matrix, right) for method, matrix in maps.items()}
    tried = {method: {"all": _at(hits), "unseen": _at(hits[unseen])} for method, hits in found.items()}
    best = settings.method
    if best == "auto":
        best = max(methods, key=lambda method: (found[method] == 1).mean())
    names = training.names(rest, 0 if settings.pseudo else settings.memorise)
    assert training.mapper.encoder is not None
    fit_here = compatibility_of(training.mapper.indexes[0], encoder="", revision="", dim=training.mapper.encoder.dim)
    base = Adapter(fit_here, Memory(names, pl.DataFrame(schema=SEEN)))
    spans = [i for i in held if i < training.n_read and training.notes[i].mentions]
    new = np.array([not (training.concepts(m) & taught) for i in spans for m in training.notes[i].mentions])
    plain = {"without adapter": _ranks(training, spans, None)} if training.same_width else {}
    alone = {"remembered wordings alone": _ranks(training, spans, base, by_name=True)}
    every = {**plain, **alone, "with adapter": _ranks(training, spans, replace(base, matrix=maps[best]))}
    figures = {
        "held-out mentions": len(new),
        "of concepts not in the rest": int(new.sum()),
        **{name: {"all": _at(r), "seen": _at(r[~new]), "unseen": _at(r[new])} for name, r in every.items()},
    }
    return _Choice(best, {"maps": tried, **figures})


def _methods(asked: str, n_queries: int) -> tuple[str, ...]:
    """What is tried. A low rank is a guard against few examples; where there are many it only costs time."""
    if asked != "auto":
        return tuple(dict.fromkeys(("none", asked)))
    return METHODS if n_queries < FEW_QUERIES else tuple(method for method in METHODS if method != "low-rank")


def _fitted(method: str, pairs: Pairs) -> NDArray[np.float32]:
    matrix = fit(method, pairs)
    return matrix.astype(np.float16).astype(np.float32)  # as it is stored


def _pairs(training: TrainingNotes, vectors: NDArray[np.float32], right: list[frozenset[int]]) -> Pairs:
    """Queries with the rows of all their concepts and, up to ``POOL_ROWS``, rows that come near some query."""
    index = training.mapper.indexes[0]
    with_rows = frozenset(np.unique(index.row_concept).tolist())
    usable = [i for i, wanted in enumerate(right) if wanted & with_rows]
    wanted = frozenset().union(*(right[i] for i in usable))
    own = np.flatnonzero(np.isin(index.row_concept, list(wanted)))
    more = np.empty(0, dtype=np.int64)
    if vectors.shape[1] == index.dim and len(own) < POOL_ROWS:
        near = index.search(vectors[usable], NEAR_ROWS, per="row").rows
        more = np.setdiff1d(near[near >= 0], own)
    elif len(own) < POOL_ROWS:
        more = np.setdiff1d(np.arange(index.n_rows), own)
    some = np.random.default_rng(0).permutation(more)[: max(0, POOL_ROWS - len(own))]
    rows = np.sort(np.concatenate([own, some]))
    concepts = index.row_concept[rows]
    return Pairs(vectors[usable], unit(index.values(rows)), concepts, [right[i] for i in usable], training.still)


def _hits(training: TrainingNotes, vectors: NDArray[np.float32], right: Sequence[frozenset[int]]) -> NDArray[np.int64]:
    """Rank of the first right concept of each query, 0 where it is not among the first 20. *Shape:* (n,)."""
    index = training.mapper.indexes[0]
    rows = index.search(vectors, min(max(ACCURACIES), index.concepts.height)).rows
    lists = np.where(rows >= 0, index.row_concept[rows], -1).tolist()
    return np.array([_rank(found, wanted) for found, wanted in zip(lists, right, strict=True)], dtype=np.int64)


def _rank(found: Sequence[int], wanted: frozenset[int]) -> int:
    return next((rank for rank, concept in enumerate(found, 1) if concept in wanted), 0)


def _ranks(
    training: TrainingNotes, chosen: Sequence[int], adapter: Adapter | None, *, by_name: bool = False
) -> NDArray[np.int64]:
    """Rank of the first right concept of each mention of the chosen notes, as ``spans`` would rank them."""
    if not chosen:
        return np.empty(0, dtype=np.int64)
    linker = replace(training.mapper.linkers[0], adapter=adapter)
    notes = [training.notes[i] for i in chosen]
    spans = [[(m.start_char, m.end_char) for m in note.mentions] for note in notes]
    encoder = None if by_name else training.mapper.encoder
    ranked = rank_spans(
        linker,
        encoder,
        [note.text for note in notes],
        spans,
        [training.embeddings[i] for i in chosen],
        [expander(note.text) for note in notes],
        max(ACCURACIES),
    )
    return np.array(
        [
            _rank([r.concept for r in found], training.concepts(mention))
            for note, lists in zip(notes, ranked, strict=True)
            for mention, found in zip(note.mentions, lists, strict=True)
        ],
        dtype=np.int64,
    )


def _at(ranks: NDArray[np.int64]) -> list[float]:
    """Shares with a right concept among the first 1, 5 and 20."""
    return [round(float(((ranks > 0) & (ranks <= k)).mean()), 4) if len(ranks) else 0.0 for k in ACCURACIES]
