"""Whether ``code`` uses an encoder where none was named.

The codes of ICD-10-CM rest on its own words: the embedded encoder changes next to none of them and takes most of the
time (benchmarks/RESULTS.md). So it is used where its vectors are shown, in tags and in the words of the report, and
with all that has to do with it: other ontologies, adapters, devices.
"""

from __future__ import annotations

import argparse

from conceptmap.commands.common import say

__all__ = ["BY_WORDS", "settle_encoder"]

BY_WORDS = "ICD-10-CM is coded by its words alone; --encoder embedded adds the vectors, which change next to no code"


def settle_encoder(args: argparse.Namespace) -> None:
    """Fill in the encoder, device and dtype that were not named, and say so where no encoder is used.

    >>> asked = argparse.Namespace(encoder=None, device=None, dtype=None, tags=True, format=("csv",), adapter=())
    >>> asked.ontology = ["icd10cm"]
    >>> settle_encoder(asked)
    >>> asked.encoder, asked.device, asked.dtype
    ('embedded', 'cpu', 'auto')
    """
    if args.encoder is None:
        from conceptmap.learned.opened import by_words_alone

        shown = args.tags or "html" in args.format
        named = args.ontology != ["icd10cm"] or args.adapter or args.device or args.dtype
        learned = bool(args.adapter) and by_words_alone(args.adapter)
        args.encoder = "embedded" if (shown or named) and not learned else "none"
        if args.encoder == "none" and not learned:
            say(BY_WORDS)
    args.device, args.dtype = args.device or "cpu", args.dtype or "auto"
