"""Ways to linear layers in eight bits, side by side: tokens a second of processor time, and what vectors keep.

    python benchmarks/eight_bits.py [--terms 3000] [--turns 3]

The embedded encoder reads every n-th term of ICD-10-CM, each way in turn. ``ONEDNN_MAX_CPU_ISA=AVX2`` holds torch's
oneDNN to what a processor without AVX-512 has. fbgemm and ``_int_mm`` choose by themselves.
"""

# ruff: noqa: SLF001 - what is measured is inside

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from conceptmap.encoders import embedded, packed_bert
from conceptmap.encoders.eight_bits import eight_bits, has_eight_bits
from conceptmap.encoders.embeddings import Vectors
from conceptmap.encoders.encoder import EncodeTerms
from conceptmap.encoders.terms import Sentence, pooled_terms
from conceptmap.readers import load_ontology

Linear = Callable[[Tensor], Tensor]
Make = Callable[[Tensor, Tensor], Linear]


def torch_dynamic(engine: str, weight: Tensor, bias: Tensor) -> Linear:
    """Torch's dynamic quantisation: one scale an output, one for all tokens of a batch."""
    torch.backends.quantized.engine = engine
    scales = weight.abs().amax(1) / 127
    coded = torch.quantize_per_channel(weight, scales, torch.zeros(len(weight), dtype=torch.long), 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(coded, bias)
    return lambda x: torch.ops.quantized.linear_dynamic(x, packed, True)


def int_mm(weight: Tensor, bias: Tensor) -> Linear:
    """``torch._int_mm``: one scale an output, one a token."""
    scales = weight.abs().amax(1) / 127
    coded = torch.round(weight / scales[:, None]).to(torch.int8).t().contiguous()

    def run(x: Tensor) -> Tensor:
        step = x.abs().amax(1, keepdim=True).clamp(min=1e-20) / 127
        codes = torch.round(x / step).to(torch.int8)
        return torch._int_mm(codes, coded).float().mul_(step).mul_(scales).add_(bias)

    return run


def ways() -> dict[str, tuple[torch.dtype, Make | None]]:
    """By name: what all but linear layers is computed in, and what makes those; None for the type's own."""
    found: dict[str, tuple[torch.dtype, Make | None]] = {"float32": (torch.float32, None)}
    if torch.cpu._is_avx512_bf16_supported():
        found["bfloat16"] = (torch.bfloat16, None)
    if has_eight_bits():
        found["ours"] = (torch.float32, eight_bits)
    for engine in ("fbgemm", "onednn"):
        if engine in torch.backends.quantized.supported_engines:
            found[f"torch dynamic, {engine}"] = (torch.float32, partial(torch_dynamic, engine))
    found["torch._int_mm"] = (torch.float32, int_mm)
    return found


def encoder_of(dtype: torch.dtype, make: Make | None) -> EncodeTerms:
    """The embedded encoder's terms, its linear layers made otherwise."""
    folder = embedded._folder()
    state, config = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text("utf-8"))
    model = embedded.load_embedded().model
    if make is None:
        forward = packed_bert.packed_bert(state, config, device="cpu", dtype=dtype)
    else:
        network = packed_bert._bert(state, config, make)

        def forward(inputs: list[np.ndarray], rows: np.ndarray | None = None) -> Vectors:
            with torch.inference_mode():
                found: np.ndarray = packed_bert._hidden(network, inputs, rows).numpy()
                return found

    return pooled_terms(replace(model, forward=forward), Sentence(normalised=True, length=embedded.SENTENCE))


def main() -> None:
    """Measure and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terms", type=int, default=3000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    terms = load_ontology("icd10cm").terms["term"].unique(maintain_order=True).to_list()
    terms = terms[:: max(1, len(terms) // options.terms)]
    tokens = sum(map(len, embedded.load_embedded().model.tokeniser.inputs(terms, embedded.SENTENCE)))
    encoders = {name: encoder_of(*how) for name, how in ways().items()}
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    vectors = {}
    for _ in range(options.turns):
        for name, encode in encoders.items():
            began = time.process_time()
            vectors[name] = encode(terms, None)
            seconds[name].append(time.process_time() - began)
    kind = torch.backends.cpu.get_cpu_capability()
    print(f"{len(terms)} terms, {tokens} tokens, {torch.get_num_threads()} threads, {kind}")
    for name, taken in seconds.items():
        kept = np.einsum("ij,ij->i", vectors[name], vectors["float32"])
        ratio = min(seconds["float32"]) / min(taken)
        print(
            f"{name:24} {tokens / min(taken):8,.0f} tokens a processor second, {ratio:.2f} times float32; "
            f"cosine {kept.mean():.4f}, least {kept.min():.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
