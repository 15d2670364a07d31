"""``nlp.add_pipe("conceptmap")``: a component of spaCy pipelines (extra ``spacy``).

It may stand anywhere: it reads the text of a document, not what other components made of it. Entities that others
found and that overlap none of ours stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import tee
from typing import TYPE_CHECKING

from conceptmap.annotated.docs import fill, register
from conceptmap.annotated.extras import needed

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from conceptmap.mapper import ConceptMapper

__all__ = ["CodesMentions", "component"]

_DEFAULTS = {"indexes": ["icd10cm"], "encoder": "embedded", "adapter": [], "device": "cpu", "k": 5, "include": []}


class CodesMentions:
    """The component.

    Attributes:
        mapper: reads the notes; may be replaced by one that is loaded already.
        k: concepts for each token; 0 for none, which is faster.
        include: what codes besides what is affirmed of the patient: see `ConceptMapper.annotate_many`.
    """

    def __init__(self, mapper: ConceptMapper, *, k: int = 5, include: Sequence[str] = ()) -> None:
        register()
        self.mapper, self.k, self.include = mapper, k, tuple(include)

    def __call__(self, doc: Doc) -> Doc:
        """Annotate one document."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 32) -> Iterator[Doc]:
        """Annotate documents one after another, encoded together."""
        docs, texts = tee(stream)
        notes = self.mapper.pipe((doc.text for doc in texts), batch_size=batch_size, k=self.k, include=self.include)
        for doc, note in zip(docs, notes, strict=True):
            yield fill(doc, mentions=note.mentions, tags=note.tags, codes=note.codes)


def component(
    nlp: Language,  # noqa: ARG001 - as spaCy calls it
    name: str,  # noqa: ARG001
    indexes: list[str],
    encoder: str | None,
    adapter: list[str],
    device: str,
    k: int,
    include: list[str],
) -> CodesMentions:
    """Load a mapper for a pipeline; what it is given is the ``config`` of ``add_pipe``.

    Args:
        nlp: the pipeline.
        name: of the component in it.
        indexes: see `ConceptMapper.load`.
        encoder: likewise; None for lexical evidence alone.
        adapter: likewise.
        device: likewise.
        k: concepts for each token.
        include: see `ConceptMapper.annotate_many`.
    """
    from conceptmap.mapper import ConceptMapper

    mapper = ConceptMapper.load(*indexes, encoder=encoder, adapter=adapter, device=device)
    return CodesMentions(mapper, k=k, include=include)


_language = needed("spacy.language", extra="spacy", purpose="the component")
_language.Language.factory("conceptmap", default_config=_DEFAULTS, assigns=["doc.ents"], func=component)
