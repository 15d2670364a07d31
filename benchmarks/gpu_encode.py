"""Encoding on a CUDA device against its product and memory rates, then notes end to end and how busy the device is.

    python benchmarks/gpu_encode.py                    # an encoder of 394 M parameters, the embedded one, whole notes
    python benchmarks/gpu_encode.py --emulate          # anywhere: small, on the processor, and its times mean nothing

The large encoder has the shape of ClinicalEncoder25 (ModernBERT-large: 28 layers, width 1,024) and random weights:
only its time is measured. Notes have 600 words. Operations and bytes are counted from sizes: products of the linear
layers and of attention, padding left out; weights read once a batch. The device is busy while any kernel or copy runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from conceptmap.encoders.device import Meter, cuda_memory
from conceptmap.encoders.transformer import padded
from conceptmap.encoders.windows import batches
from conceptmap.mapper import ConceptMapper

LARGE: dict[str, Any] = {
    "num_hidden_layers": 28,
    "hidden_size": 1024,
    "intermediate_size": 2624,
    "num_attention_heads": 16,
}
SMALL: dict[str, Any] = {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4}
EMBEDDED: dict[str, Any] = {"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536}
PIECES_PER_NOTE = 800
"""Of 600 words."""
NOTES = Path(__file__).parents[1] / "examples" / "notes"


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage does and how long it took."""

    name: str
    tokens: int
    operations: float
    bytes: float
    seconds: float


def rates(device: str) -> tuple[float, float]:
    """Operations a second of a large bfloat16 product, and bytes a second of a copy within the device's memory."""
    size = 8192 if device != "cpu" else 256
    kind = torch.bfloat16 if device != "cpu" else torch.float32
    left, right = (torch.ones(size, size, device=device, dtype=kind) for _ in range(2))
    large = torch.ones(size * size, device=device)
    return 2 * size**3 / seconds(device, lambda: left @ right), 2 * large.nbytes / seconds(device, large.clone)


def seconds(device: str, work: Callable[[], Any], repeats: int = 5) -> float:
    """Least seconds of some runs, the first left out."""
    taken = []
    for _ in range(repeats + 1):
        _wait(device)
        began = time.perf_counter()
        work()
        _wait(device)
        taken.append(time.perf_counter() - began)
    return min(taken[1:])


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def large_stage(device: str, n_notes: int) -> Stage:
    """Sorted batches of notes of about 800 pieces through a ModernBERT of random weights in bfloat16."""
    from transformers import ModernBertConfig, ModernBertModel

    shape = LARGE if device != "cpu" else SMALL
    network: Any = ModernBertModel(ModernBertConfig(**shape))
    network = network.to(device, torch.bfloat16).eval()
    forward = padded(network, pad=0, device=device)
    lengths = np.random.default_rng(0).normal(PIECES_PER_NOTE, 200, n_notes).clip(64, 2048).astype(np.int64)
    inputs = [np.random.default_rng(length).integers(0, 50000, length) for length in lengths]
    budget = 2048 if device == "cpu" else Meter(cuda_memory(torch.device(device))).batch_tokens(forward, inputs)
    parts = list(batches(lengths, budget))

    def run() -> None:
        for batch in parts:
            forward([inputs[i] for i in batch])

    layers = network.config.layer_types
    reach = {"full_attention": lengths, "sliding_attention": np.minimum(lengths, network.config.local_attention + 1)}
    operations = sum(counted(shape, lengths, reach[kind], gated=True) for kind in layers) / len(layers)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    name = f"{parameters / 1e6:.0f} M parameters, {len(parts)} batches of at most {budget:,} tokens"
    took = seconds(device, run, 3)
    return Stage(name, int(lengths.sum()), operations, 2 * parameters * len(parts), took)


def counted(
    shape: dict[str, Any], lengths: NDArray[np.int64], reach: NDArray[np.int64], *, gated: bool = False
) -> float:
    """Operations of all layers: queries, keys, values, output, attention over ``reach`` tokens, and the inner layer."""
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    each = 4 * width * width + (3 if gated else 2) * width * inner
    total = 2 * each * lengths.sum() + 4 * width * (lengths * reach).sum()
    return float(total * shape["num_hidden_layers"])


def embedded_stage(mapper: ConceptMapper, device: str, texts: list[str]) -> Stage:
    """The embedded encoder on every sentence of the notes, equal ones once."""
    assert mapper.encoder is not None
    encoder = mapper.encoder
    pieces = sum(map(len, encoder.tokens(texts)))
    lengths = np.full(max(1, pieces // 18), 18)  # sentences of notes have about so many pieces
    operations = counted(EMBEDDED, lengths, lengths)
    return Stage(
        "embedded, 22 M parameters", pieces, operations, 2 * 22e6, seconds(device, lambda: encoder.tokens(texts), 3)
    )


def notes_of(n: int) -> list[str]:
    """Notes of 600 words, of the sentences of the examples in random order."""
    lines = [line for path in sorted(NOTES.glob("*.txt")) for line in path.read_text("utf-8").splitlines() if line]
    generator, texts = np.random.default_rng(0), []
    for _ in range(n):
        words: list[str] = []
        while len(words) < 600:
            words += [*lines[int(generator.integers(len(lines)))].split(" "), "\n"]
        texts.append(" ".join(words))
    return texts


def busy(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of the union of intervals.

    >>> busy([(5, 7), (0, 2), (1, 3)])
    5.0
    """
    total, reached = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, reached))
        reached = max(reached, stop)
    return total


def end_to_end(mapper: ConceptMapper, device: str, texts: list[str]) -> tuple[float, float]:
    """Seconds of coding the notes after a warm-up, and the share of them in which the device worked."""
    from torch.profiler import ProfilerActivity, profile

    notes = pl.DataFrame({"note_id": [str(i) for i in range(len(texts))], "text": texts})
    took = seconds(device, lambda: mapper.annotate_many(notes), 2)
    if device == "cpu":
        return took, float("nan")
    with profile(activities=[ProfilerActivity.CUDA]) as watched:
        began = time.perf_counter()
        mapper.annotate_many(notes)
        _wait(device)
        watched_seconds = time.perf_counter() - began
    events: Any = watched.events()
    on_device = [event.time_range for event in events if event.device_type.name == "CUDA"]
    return took, busy((one.start, one.end) for one in on_device) / 1e6 / watched_seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=int, default=400)
    parser.add_argument(
        "--emulate", action="store_true", help="on the processor, small: checks the page, times nothing"
    )
    given = parser.parse_args()
    device = "cpu" if given.emulate else "cuda"
    operations, memory = rates(device)
    texts = notes_of(given.notes)
    mapper = ConceptMapper.load("icd10cm", device=device)
    stages = [large_stage(device, given.notes), embedded_stage(mapper, device, texts)]
    print(f"{device}: bfloat16 product {operations / 1e12:.0f} T/s, copy {memory / 1e9:.0f} GB/s\n")
    print("| encoder | tokens | operations | bytes | floor ms | measured ms | share | tokens/s |")
    print("|---|---|---|---|---|---|---|---|")
    for stage in stages:
        floor = max(stage.operations / operations, stage.bytes / memory)
        counts = f"{stage.tokens:,} | {stage.operations:.2e} | {stage.bytes:.2e}"
        times = f"{1e3 * floor:.1f} | {1e3 * stage.seconds:.1f} | {floor / stage.seconds:.2f}"
        print(f"| {stage.name} | {counts} | {times} | {stage.tokens / stage.seconds:,.0f} |")
    took, share = end_to_end(mapper, device, texts)
    words = sum(len(text.split()) for text in texts)
    print(f"\n{len(texts)} notes coded to ICD-10-CM, one process: {took:.1f} s, {words / took:,.0f} words/s,", end=" ")
    print(f"{stages[1].tokens / took:,.0f} tokens/s; the device is busy for {share:.2f} of that")


if __name__ == "__main__":
    main()
