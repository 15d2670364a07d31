"""READ FIRST in this folder. Tune an encoder to the names of concepts and to how notes say them.

Names of a concept are pulled together, those of others and hard neighbours pushed away; tokens of mentions that words
find for certain are pulled to names of their concept; what the encoder knew is kept by staying near it on plain
sentences. Low-rank changes learn, all else is frozen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.encoders.pooling import normalise
from conceptmap.encoders.tuned.names import EMBEDDED
from conceptmap.errors import InputError
from conceptmap.files import PRIVATE, Access, sha256_of
from conceptmap.index.files import check_target
from conceptmap.index.index import ConceptIndex
from conceptmap.notes.marked import MarkedNote
from conceptmap.tuning.base import Opened, open_base
from conceptmap.tuning.batches import Material, batch_of
from conceptmap.tuning.checkpoint import Progressed, forget, keep, kept
from conceptmap.tuning.concepts import NamedConcepts, concepts_of, hard_neighbours
from conceptmap.tuning.contexts import ReadSentence, certain_mentions, contexts_of, marked_mentions
from conceptmap.tuning.figures import Figures, held_back, measured_on
from conceptmap.tuning.losses import losses
from conceptmap.tuning.network import Learner, learner_of
from conceptmap.tuning.save import LAYOUT, save_tuned
from conceptmap.tuning.settings import TuneSettings

__all__ = ["TuneSettings", "TunedTo", "tune"]

NEIGHBOURS = 12
"""Of each concept, of which some are drawn with it."""
_FEWEST = 2
"""Concepts with two names, below which there is nothing to tell apart."""


@dataclass(frozen=True, slots=True)
class TunedTo:
    """What came of it.

    Attributes:
        folder: of the tuned encoder, which `load_encoder` takes.
        before: figures of its base on what was held back.
        after: its own.
        step: that of the changes that were kept.
        resumed: the step from which an earlier run was gone on with, 0 for one from the start.
    """

    folder: Path
    before: Figures
    after: Figures
    step: int
    resumed: int


def tune(
    indexes: Sequence[ConceptIndex],
    texts: Sequence[str],
    output: str | Path,
    *,
    encoder: str | Path = EMBEDDED,
    marked: Sequence[MarkedNote] = (),
    settings: TuneSettings | None = None,
    device: str = "cpu",
    dtype: Literal["auto", "float32", "bfloat16"] = "auto",
    about: tuple[str, str] = ("not stated", "not stated"),
    overwrite: bool = False,
    access: Access = PRIVATE,
    progress: Callable[[int, int], None] | None = None,
) -> TunedTo:
    """Tune an encoder; called again after it was interrupted, it goes on.

    Args:
        indexes: concepts, their names and hierarchy. Words are looked for in the notes by them. Rows that a table gave
            for the encoder's tokens, and not names, are what mentions and names are taught to be near.
        texts: plain notes, unmarked.
        output: folder for the tuned encoder. Beside it, in one called ``.parts`` at its end, a checkpoint is kept.
        encoder: ``embedded``, a model folder, or a hub name.
        marked: notes with mentions that people marked.
        settings: how; the usual ones by default.
        device: ``cpu`` or ``cuda``.
        dtype: what products are computed in; ``auto`` takes bfloat16 where the device has it, else float32.
        about: what the notes are, and under which licence, for the card.
        overwrite: replace a tuned encoder that was changed since.
        access: who may read it.
        progress: called with the steps done and their most.

    Raises:
        MissingExtraError: PEFT is not installed.
        ModelError: the encoder cannot be loaded, or not be tuned.
        InputError: no notes, too few names, or the folder holds something else.
    """
    settings, target = settings or TuneSettings(), Path(output)
    check_target(target, LAYOUT, overwrite=overwrite)
    opened = open_base(encoder, device=device)
    with _repeatable():
        learner = learner_of(opened, rank=settings.rank, scale=settings.scale, seed=settings.seed, dtype=dtype)
        concepts, contexts = _material(opened, indexes, texts, marked, settings)
        parts = target.absolute().with_name(f"{target.name}.parts")
        run = _fingerprint(learner, opened, concepts, contexts, settings)
        optimiser = torch.optim.AdamW(
            learner.factors.values(), lr=settings.rate, betas=(0.9, 0.98), weight_decay=0.0, foreach=False
        )
        check = partial(measured_on, learner, concepts, held_back(concepts, contexts))
        done = kept(parts, run, learner.factors, optimiser) or Progressed(check())
        resumed = done.step
        material = Material.of(concepts, _near(opened, concepts), contexts)
        for _ in _steps(learner, optimiser, material, settings, done, check):
            if done.step % settings.keep_every == 0:
                keep(parts, run, done, learner.factors, optimiser)
            if progress is not None:
                progress(done.step, settings.steps)
        factors = _halved(learner, done)
        after = check()
        learner.threads.shutdown()
    card = _card(opened, indexes, concepts, contexts, settings, done, after, factors, len(texts) + len(marked), about)
    dim = opened.encoder.dim
    save_tuned(
        target, factors, base=opened.base, dim=dim, scale=settings.scale, card=card, overwrite=overwrite, access=access
    )
    forget(parts)
    return TunedTo(target, done.before, after, done.best_step, resumed)


@contextmanager
def _repeatable() -> Iterator[None]:
    """The same bytes for the same threads; numbers next to zero count as zero, for they take a CPU very long."""
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    memory.fill_uninitialized_memory = False  # nothing here reads what it has not written
    torch.set_flush_denormal(True)
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)  # each of the learner's own has computed alone
        memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(before, warn_only=warned)


def _material(
    opened: Opened,
    indexes: Sequence[ConceptIndex],
    texts: Sequence[str],
    marked: Sequence[MarkedNote],
    settings: TuneSettings,
) -> tuple[NamedConcepts, list[ReadSentence]]:
    """Concepts, and sentences with their mentions.

    Raises:
        InputError: too few names, or no note.
    """
    concepts = concepts_of(indexes, dim=opened.encoder.dim)
    several = sum(len(names) > 1 for names in concepts.names)
    if several < _FEWEST:
        raise InputError("too few concepts have two names", got=several, expected=f"at least {_FEWEST}")
    found: list[list[tuple[int, int, int]]] = [[] for _ in (*texts, *marked)]
    for index, first in zip(indexes, concepts.first, strict=True):
        own = [*certain_mentions(index, texts, first=first), *marked_mentions(index, marked, first=first)]
        for mentions, more in zip(found, own, strict=True):
            mentions += more
    all_texts = [*texts, *(note.text for note in marked)]
    return concepts, contexts_of(opened.encoder.model, concepts, all_texts, found, longest=settings.longest)


def _near(opened: Opened, concepts: NamedConcepts) -> dict[int, tuple[int, ...]]:
    """Hard neighbours of the concepts with two names, by the mean of their names' vectors in the base encoder."""
    numbers = [i for i, names in enumerate(concepts.names) if len(names) > 1]
    names = [name for i in numbers for name in concepts.names[i]]
    vectors = normalise(opened.encoder.terms(names))
    starts = np.cumsum([0, *(len(concepts.names[i]) for i in numbers)])[:-1]
    means = normalise(np.add.reduceat(vectors, starts, axis=0))
    return hard_neighbours(concepts, dict(zip(numbers, means, strict=True)), n=NEIGHBOURS)


def _steps(
    learner: Learner,
    optimiser: torch.optim.Optimizer,
    material: Material,
    settings: TuneSettings,
    done: Progressed,
    check: Callable[[], Figures],
) -> Iterator[None]:
    """Learn, step by step, until there are no more or what is held back gets no better."""
    while done.step < settings.steps and not _is_settled(done, settings):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(done.step)
        optimiser.zero_grad(set_to_none=True)
        batch = batch_of(material, settings, done.step)
        parts = losses(learner, batch, material.concepts, settings)
        learner.learn(torch.stack(list(parts.values())).sum())
        torch.nn.utils.clip_grad_norm_(learner.factors.values(), 1.0)
        optimiser.step()
        done.step += 1
        if done.step % settings.check_every == 0 or done.step == settings.steps:
            figures, best = check(), done.best_score
            done.looks.append((done.step, figures))
            if figures.score > best:
                done.best_step = done.step
                done.best = {name: value.detach().cpu().clone() for name, value in learner.factors.items()}
        yield


def _is_settled(done: Progressed, settings: TuneSettings) -> bool:
    return sum(step > done.best_step for step, _ in done.looks) >= settings.patience


def _halved(learner: Learner, done: Progressed) -> dict[str, NDArray[np.float16]]:
    """The best factors in half the bytes, which the network now has as well."""
    factors = {name: value.numpy().astype(np.float16) for name, value in done.best.items()}
    with torch.no_grad():
        for name, value in factors.items():
            learner.factors[name].copy_(torch.from_numpy(value.astype(np.float32)))
    return factors


def _fingerprint(
    learner: Learner, opened: Opened, concepts: NamedConcepts, contexts: Sequence[ReadSentence], settings: TuneSettings
) -> str:
    """Of all that a run depends on."""
    total = hashlib.sha256()
    for context in contexts:
        total.update(context.ids.tobytes())
        total.update(repr((context.mentions, context.background, context.held)).encode())
    if concepts.given is not None:
        total.update(concepts.given.tobytes())
    names = hashlib.sha256("\n".join("\t".join(names) for names in concepts.own).encode()).hexdigest()
    above = hashlib.sha256(repr([sorted(parents) for parents in concepts.parents]).encode()).hexdigest()
    facts = {"base": opened.base.sha256, "names": names, "parents": above, "contexts": total.hexdigest()}
    return sha256_of({**facts, "settings": asdict(settings), **_kind(learner)})


def _kind(learner: Learner) -> dict[str, Any]:
    """What of a machine changes the last digits."""
    where = {"device": learner.device.type, "bfloat16": learner.bfloat16}
    return {**where, "threads": torch.get_num_threads(), "torch": torch.__version__}


def _card(
    opened: Opened,
    indexes: Sequence[ConceptIndex],
    concepts: NamedConcepts,
    contexts: Sequence[ReadSentence],
    settings: TuneSettings,
    done: Progressed,
    after: Figures,
    factors: dict[str, NDArray[np.float16]],
    n_notes: int,
    about: tuple[str, str],
) -> dict[str, Any]:
    data, licence = about
    counts = {
        "concepts": sum(bool(names) for names in concepts.own),
        "concepts held back": len(concepts.held),
        "names": sum(map(len, concepts.names)),
        "notes": n_notes,
        "sentences": len(contexts),
        "mentions": sum(len(context.mentions) for context in contexts),
    }
    return {
        "ontologies": [f"{index.system} {index.release}" for index in indexes],
        "base licence": opened.encoder.licence,
        "data": data,
        "licence": licence,
        "counts": counts,
        "before": asdict(done.before),
        "after": asdict(after),
        "step": done.best_step,
        "looks": [[step, asdict(figures)] for step, figures in done.looks],
        "layers": len(factors) // 2,
        "numbers": sum(value.size for value in factors.values()),
        "settings": asdict(settings),
    }
