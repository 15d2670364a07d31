"""Tiny random models in the folder layouts that the field uses, made while the tests run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    BertConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
)

__all__ = ["FAMILIES", "TEXTS", "TOKENIZERS", "make"]

TEXTS = [
    "Pt is a 67yo F w/ T2DM, CKD stage 3 and HTN.\nDenies chest pain, SOB or fever.",
    "Family history: mother died of breast cancer at 52; father has COPD.",
    "Échographie: épanchement péricardique, naïve façade — Ménière's disease ½ dose µg.",
    "  leading and trailing space \r\n\r\n and\ta tab, NBSP\u00a0here  ",
    "BP 130/80 mmHg, HR 72/min. Plan:\n- metformin 500 mg b.i.d.\n- follow-up in 2 weeks",
    "x",
]

WIDTH = 32
SHAPE: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
}


def word_piece(cls: str = "[CLS]", sep: str = "[SEP]", pad: str = "[PAD]", unk: str = "[UNK]") -> Tokenizer:
    """BERT's kind: lower-cased, accents stripped."""
    special = [pad, unk, cls, sep, "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token=unk))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=220, special_tokens=special))
    return _framed(tokenizer, cls, sep)


def byte_bpe() -> Tokenizer:
    """ModernBERT's kind: bytes, the space before a word inside its token, runs of spaces as added tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_tokens([AddedToken("  ", normalized=False), AddedToken("    ", normalized=False)])
    return _framed(tokenizer, "[CLS]", "[SEP]")


def unigram() -> Tokenizer:
    """XLM-R's kind: NFKC and a mark for each space."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    return _framed(tokenizer, "<s>", "</s>")


TOKENIZERS = {"word_piece": word_piece, "byte_bpe": byte_bpe, "unigram": unigram}


def make(folder: Path, family: str) -> Path:
    """Write a tiny model of a family into a folder."""
    torch.manual_seed(0)
    FAMILIES[family](folder)
    return folder


def _pylate_modernbert(folder: Path) -> None:
    """ClinicalEncoder25's layout: ModernBERT with a late-interaction projection, saved by PyLate."""
    _save(folder, _modern_bert(), byte_bpe())
    _pylate(folder)


def _pylate_bert(folder: Path) -> None:
    """The layout of BERT ColBERT models saved by PyLate."""
    _save(folder, _bert(), word_piece())
    _pylate(folder)


def _sentence_mpnet(folder: Path) -> None:
    """BioLORD-2023's layout: MPNet, mean pooling, not normalised."""
    tokenizer = word_piece("<s>", "</s>", "<pad>", "<unk>")
    config = MPNetConfig(
        **SHAPE,
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=130,
        output_hidden_states=True,
    )
    _save(folder, config, tokenizer)
    _modules(folder, {"pooling_mode_mean_tokens": True}, normalised=False)
    (folder / "README.md").write_text(
        "---\nlicense: other\nlicense_name: ihtsdo-and-nlm-licences\ntags:\n- medical\n---\n# Model\n", "utf-8"
    )


def _sentence_bert_cls(folder: Path) -> None:
    """MedEmbed's layout: BERT, first token, normalised."""
    _save(folder, _bert(), word_piece())
    _modules(folder, {"pooling_mode_cls_token": True}, normalised=True)
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n", "utf-8")


def _sentence_bert_mean(folder: Path) -> None:
    """The layout of BiomedBERT-small embeddings: BERT, mean pooling, normalised, a default prompt."""
    _save(folder, _bert(), word_piece())
    _modules(folder, {"pooling_mode": "mean"}, normalised=True)
    prompts = {"prompts": {"query": "search: ", "document": ""}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts), "utf-8")


def _sentence_dense(folder: Path) -> None:
    """A folder with a module of its own: a projection after pooling."""
    _save(folder, _bert(), word_piece())
    _modules(folder, {"pooling_mode": ["mean", "max"]}, normalised=True, dense=(2 * WIDTH, 24))


def _plain_modernbert(folder: Path) -> None:
    """Clinical ModernBERT's layout: a masked language model, no sentence modules."""
    _save(folder, _modern_bert(), byte_bpe(), masked=True)


def _plain_xlm_roberta(folder: Path) -> None:
    tokenizer = unigram()
    config = XLMRobertaConfig(
        **SHAPE,
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=130,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
    )
    _save(folder, config, tokenizer)


FAMILIES = {
    "pylate-modernbert": _pylate_modernbert,
    "pylate-bert": _pylate_bert,
    "sentence-mpnet": _sentence_mpnet,
    "sentence-bert-cls": _sentence_bert_cls,
    "sentence-bert-mean": _sentence_bert_mean,
    "sentence-dense": _sentence_dense,
    "plain-modernbert": _plain_modernbert,
    "plain-xlm-roberta": _plain_xlm_roberta,
}


def _bert() -> BertConfig:
    return BertConfig(**SHAPE, vocab_size=word_piece().get_vocab_size(), max_position_embeddings=128)


def _modern_bert() -> ModernBertConfig:
    tokenizer = byte_bpe()
    return ModernBertConfig(
        **SHAPE,
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=128,
        local_attention=16,
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
        bos_token_id=2,
        eos_token_id=3,
    )


def _framed(tokenizer: Tokenizer, first: str, last: str) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B:1 {last}:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (first, last)],
    )
    return tokenizer


def _save(folder: Path, config: Any, tokenizer: Tokenizer, *, masked: bool = False) -> None:
    kind: Any = AutoModelForMaskedLM if masked else AutoModel
    kind.from_config(config).eval().save_pretrained(folder)
    bert = tokenizer.token_to_id("[CLS]") is not None
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]") if bert else ("<pad>", "<unk>", "<s>", "</s>")
    fast: Any = PreTrainedTokenizerFast
    wrapped = fast(
        tokenizer_object=tokenizer,
        model_max_length=128,
        mask_token="[MASK]" if tokenizer.token_to_id("[MASK]") is not None else "<mask>",
        **dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), names, strict=True)),
    )
    wrapped.save_pretrained(folder)


def _modules(folder: Path, pooling: dict[str, Any], *, normalised: bool, dense: tuple[int, int] | None = None) -> None:
    modules = [("", "sentence_transformers.models.Transformer"), ("1_Pooling", "sentence_transformers.models.Pooling")]
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": WIDTH, **pooling})
    if dense is not None:
        modules.append(("2_Dense", "sentence_transformers.models.Dense"))
        _dense(folder / "2_Dense", *dense)
    if normalised:
        modules.append((f"{len(modules)}_Normalize", "sentence_transformers.models.Normalize"))
    _list_modules(folder, modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": False})


def _pylate(folder: Path) -> None:
    _dense(folder / "1_Dense", WIDTH, 16)
    _list_modules(folder, [("", "sentence_transformers.models.Transformer"), ("1_Dense", "pylate.models.Dense.Dense")])
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 31, "do_lower_case": False})
    config = {
        "model_type": "ColBERT",
        "query_prefix": "[Q] ",
        "document_prefix": "[D] ",
        "query_length": 32,
        "document_length": 48,
        "attend_to_expansion_tokens": False,
        "skiplist_words": [".", ","],
        "prompts": {},
        "default_prompt_name": None,
    }
    _write(folder / "config_sentence_transformers.json", config)


def _dense(folder: Path, wide: int, narrow: int) -> None:
    activation = "torch.nn.modules.linear.Identity"
    config = {"in_features": wide, "out_features": narrow, "bias": False, "activation_function": activation}
    _write(folder / "config.json", config)
    save_file({"linear.weight": torch.randn(narrow, wide)}, folder / "model.safetensors")


def _list_modules(folder: Path, modules: list[tuple[str, str]]) -> None:
    listed = [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind) in enumerate(modules)]
    _write(folder / "modules.json", listed)


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")
