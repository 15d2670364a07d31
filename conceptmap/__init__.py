"""Codes clinical notes into SNOMED CT, ICD-10 and UMLS concepts, with every word explained.

>>> import conceptmap as cm
>>> cm.__version__
'0.1.0'

Only the names in ``__all__`` are stable. Each is loaded when it is first used, so that
``import conceptmap`` is fast and loads neither torch nor CuPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conceptmap.annotated.note import AnnotatedNote as AnnotatedNote
    from conceptmap.annotated.plots import plot_chapters as plot_chapters
    from conceptmap.annotated.plots import plot_codes as plot_codes
    from conceptmap.annotated.plots import plot_tokens as plot_tokens
    from conceptmap.encoders import TokenEncoder as TokenEncoder
    from conceptmap.encoders import load_encoder as load_encoder
    from conceptmap.encoders.embeddings import TokenEmbeddings as TokenEmbeddings
    from conceptmap.errors import ConceptMapError as ConceptMapError
    from conceptmap.index.index import ConceptIndex as ConceptIndex
    from conceptmap.mapper import ConceptMapper as ConceptMapper
    from conceptmap.maps.mapping import map_codes as map_codes
    from conceptmap.maps.mapping import trace_maps as trace_maps
    from conceptmap.notes.notes import read_notes as read_notes
    from conceptmap.ontology.ontology import Ontology as Ontology
    from conceptmap.ontology.rollup import roll_up as roll_up
    from conceptmap.ontology.scope import Scope as Scope
    from conceptmap.ontology.similarity import Similarity as Similarity
    from conceptmap.readers import load_ontology as load_ontology
    from conceptmap.retrieval.cohort import cohort as cohort
    from conceptmap.retrieval.search import NoteSearch as NoteSearch

__version__ = "0.1.0"

_HOME = {
    "AnnotatedNote": "conceptmap.annotated.note",
    "ConceptIndex": "conceptmap.index.index",
    "ConceptMapError": "conceptmap.errors",
    "ConceptMapper": "conceptmap.mapper",
    "NoteSearch": "conceptmap.retrieval.search",
    "Ontology": "conceptmap.ontology.ontology",
    "Scope": "conceptmap.ontology.scope",
    "Similarity": "conceptmap.ontology.similarity",
    "TokenEmbeddings": "conceptmap.encoders.embeddings",
    "TokenEncoder": "conceptmap.encoders",
    "cohort": "conceptmap.retrieval.cohort",
    "load_encoder": "conceptmap.encoders",
    "load_ontology": "conceptmap.readers",
    "map_codes": "conceptmap.maps.mapping",
    "plot_chapters": "conceptmap.annotated.plots",
    "plot_codes": "conceptmap.annotated.plots",
    "plot_tokens": "conceptmap.annotated.plots",
    "read_notes": "conceptmap.notes.notes",
    "roll_up": "conceptmap.ontology.rollup",
    "trace_maps": "conceptmap.maps.mapping",
}

__all__ = [
    "AnnotatedNote",
    "ConceptIndex",
    "ConceptMapError",
    "ConceptMapper",
    "NoteSearch",
    "Ontology",
    "Scope",
    "Similarity",
    "TokenEmbeddings",
    "TokenEncoder",
    "__version__",
    "cohort",
    "load_encoder",
    "load_ontology",
    "map_codes",
    "plot_chapters",
    "plot_codes",
    "plot_tokens",
    "read_notes",
    "roll_up",
    "trace_maps",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'conceptmap' has no attribute {name!r}; its names are {', '.join(__all__)}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
