"""ConceptIndex: the terms of an ontology as rows of a matrix, built once, kept in a folder, searched exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import TokenEmbeddings, Vectors
from conceptmap.errors import IndexMismatchError, InputError, UnknownCodeError, said_codes
from conceptmap.index import files as indexfiles
from conceptmap.index.checks import FRAMES, CheckedRows, without_control
from conceptmap.index.manifest import Manifest, stored_type
from conceptmap.index.opening import LAYOUT, VECTORS, opened_parts
from conceptmap.index.rows import GIVEN, concept_places, encode_rows, from_stored, given_terms, store_given
from conceptmap.topk import TopK, check_device, cosines, place, prepare, topk

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology
    from conceptmap.topk import Ready

__all__ = ["ConceptIndex"]


@dataclass(frozen=True, eq=False)
class ConceptIndex:
    """The rows of one ontology, with its concepts, terms, hierarchy, maps and remarks.

    Attributes:
        manifest: what the index is.
        concepts: as the ontology's, a row per concept.
        terms: as the ontology's, with ``row``: the term's row in the matrix, null where it has none.
        edges: ``parent, child``.
        maps: maps to other systems, or None.
        remarks: definitions and instructions, or None.
        situations: concepts that are a finding in a context, or None.
        lexicon: wordings of the terms for lexical evidence (`conceptmap.matching.lexicon.LEXICON`), or None.
        vectors: the stored rows, memory-mapped when opened. *Shape:* (n_rows, dim) float16, float32, or uint16 bit
            patterns of bfloat16; None for a lexical index.
        norms: their Euclidean norms. *Shape:* (n_rows,) float64; None for a lexical index.
        checked: the vectors with their file, when opened from a folder.
        device: where it is searched; see `on`.
    """

    manifest: Manifest
    concepts: pl.DataFrame
    terms: pl.DataFrame
    edges: pl.DataFrame
    maps: pl.DataFrame | None = None
    remarks: pl.DataFrame | None = None
    lexicon: pl.DataFrame | None = None
    situations: pl.DataFrame | None = None
    vectors: NDArray[Any] | None = field(default=None, repr=False)
    norms: NDArray[np.float64] | None = field(default=None, repr=False)
    checked: CheckedRows | None = field(default=None, repr=False)
    device: str = "cpu"

    def __repr__(self) -> str:
        what = f"{self.n_rows:,} rows x {self.dim}" if self.dim else f"{self.n_rows:,} terms without vectors"
        return f"ConceptIndex({self.system!r}, release {self.release!r}, {self.concepts.height:,} concepts, {what})"

    # -- making one -----------------------------------------------------------------------------------------------

    @classmethod
    def build(
        cls,
        ontology: Ontology,
        encode_terms: Callable[[Sequence[str]], NDArray[Any]] | None,
        *,
        encoder_name: str = "custom",
        revision: str = "",
        dtype: str = "float16",
        centre: bool = False,
        pooling: str = "mean",
        facts: Mapping[str, str] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ConceptIndex:
        """A row for every term of the ontology. Equal strings are encoded once.

        Args:
            ontology: any release.
            encode_terms: strings in, vectors out, *Shape:* (n_terms, dim); None for an index without vectors.
            encoder_name: recorded, and compared by those who open the index with an encoder.
            revision: the encoder's.
            dtype: "float16", "bfloat16" or "float32". 16-bit rows are stored at unit length, float32 as encoded.
            centre: subtract the mean concept vector from every row (and never from a query).
            pooling: recorded.
            facts: more strings to record.
            progress: called with (encoded strings, all strings).

        Raises:
            InputError: the ontology has no terms, the type is unknown, or a vector is zero, NaN or infinite.
        """
        if not ontology.terms.height:
            raise InputError("the ontology has no terms", then="an index needs at least one")
        terms = ontology.terms.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("row"))
        vectors, norms = None, None
        if encode_terms is not None:
            stored_type(dtype)
            concept_of = concept_places(terms, ontology.concepts)
            vectors, norms = encode_rows(
                terms["term"], encode_terms, dtype, concepts=concept_of if centre else None, progress=progress
            )
        manifest = Manifest(
            system=ontology.system,
            release=ontology.release,
            encoder="" if vectors is None else encoder_name,
            revision="" if vectors is None else revision,
            dim=0 if vectors is None else vectors.shape[1],
            dtype=dtype,
            rows=terms.height,
            concepts=ontology.concepts.height,
            pooling=pooling,
            centring="mean" if centre and vectors is not None else "none",
            facts=dict(facts or {}),
        )
        return _assembled(manifest, ontology, terms, vectors, norms)

    @classmethod
    def from_vectors(
        cls,
        codes: Sequence[str],
        vectors: NDArray[Any],
        ontology: Ontology,
        *,
        terms: Sequence[str] | None = None,
        encoder_name: str = "given",
        revision: str = "",
        dtype: str = "float32",
        facts: Mapping[str, str] | None = None,
    ) -> ConceptIndex:
        """An index of given vectors, a row each; several of one concept are kept, and its score is its best row's.

        Args:
            codes: the concept of every vector, *Shape:* (n_rows,): a code or a node.
            vectors: *Shape:* (n_rows, dim).
            ontology: where the codes live. Its own terms are kept, without rows, for lexical search.
            terms: what each vector stands for; the concept's name by default. *Shape:* (n_rows,).
            encoder_name: recorded.
            revision: recorded.
            dtype: as in `build`.
            facts: more strings to record.

        Raises:
            InputError: lengths differ, or a vector is zero, NaN or infinite.
            UnknownCodeError: a code that the ontology does not hold.
        """
        stored_type(dtype)
        if len(codes) != len(vectors) or not len(codes):
            raise InputError("codes and vectors do not fit", got=f"{len(codes)} and {len(vectors)}", expected="as many")
        if terms is not None and len(terms) != len(codes):
            raise InputError("codes and terms do not fit", got=f"{len(codes)} and {len(terms)}", expected="as many")
        given = given_terms(codes, terms, ontology)
        stored, norms = store_given(np.asarray(vectors), dtype)
        kept = ontology.terms.with_columns(pl.lit(None, dtype=pl.Int64).alias("row"))
        manifest = Manifest(
            system=ontology.system,
            release=ontology.release,
            encoder=encoder_name,
            revision=revision,
            dim=stored.shape[1],
            dtype=dtype,
            rows=len(stored),
            concepts=ontology.concepts.height,
            pooling="given",
            centring="none",
            facts=dict(facts or {}),
        )
        return _assembled(manifest, ontology, pl.concat([given, kept], how="diagonal_relaxed"), stored, norms)

    # -- on disk --------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the index into a folder, which appears whole or not at all.

        Args:
            folder: new, empty, or holding an index as it was saved.
            overwrite: also replace an index that was changed since, or files that have an index's names.

        Raises:
            InputError: the folder exists and holds something else.
            OutOfSpaceError: the disk is full.
        """
        target = Path(folder)
        if self.vectors is not None:
            self.verify()
        n_bytes = 0 if self.vectors is None else self.vectors.nbytes
        with indexfiles.new_folder(target, LAYOUT, n_bytes=n_bytes, overwrite=overwrite) as partial:
            for name, file in FRAMES.items():
                frame = getattr(self, name)
                if frame is not None:
                    indexfiles.write_frame(partial / file, frame)
            if self.vectors is not None and self.norms is not None:
                tensors = {"norms": ("F64", self.norms), "vectors": (stored_type(self.manifest.dtype), self.vectors)}
                indexfiles.write_tensors(partial / VECTORS, tensors)
            files = indexfiles.digests_of(partial)
            indexfiles.write_json(partial / "manifest.json", replace(self.manifest, files=files).as_json())
        return target

    @classmethod
    def open(cls, folder: str | Path) -> ConceptIndex:
        """Open a saved index; vectors stay on disk, memory-mapped.

        Raises:
            IndexMismatchError: no index there, another format version, a damaged file, or one that does not hold what
                an index does (the message names it).
        """
        source = Path(folder)
        if not (source / "manifest.json").is_file():
            raise IndexMismatchError(f"{source} is not an index", expected="a folder that holds manifest.json")
        manifest = Manifest.from_json(indexfiles.read_json(source / "manifest.json"), source / "manifest.json")
        return cls(manifest, **opened_parts(source, manifest))

    def verify(self) -> None:
        """Compare the vectors with their checksums and norms (frames were checked at opening).

        Raises:
            IndexMismatchError: damaged, or a row that has no cosine; the message names the file.
        """
        if self.checked is not None:
            self.checked.file.verify()
            self.checked.verify()

    # -- searching ------------------------------------------------------------------------------------------------

    def search(
        self,
        vectors: NDArray[np.floating[Any]] | Vectors | TokenEmbeddings,
        k: int = 10,
        *,
        per: str = "concept",
        codes: Iterable[str] | NDArray[np.bool_] | None = None,
        min_score: float = -math.inf,
    ) -> TopK:
        """The k best concepts, each by its best row, or the k best rows; exact, see `conceptmap.topk`.

        Args:
            vectors: *Shape:* (n, dim) float32, or the tokens of a note; what lies on the index's device stays there.
            k: answers for each vector; padded with row -1 and score -inf where there are fewer.
            per: "concept" or "row".
            codes: only these concepts may answer: codes or nodes, or a flag for each. *Shape:* (n_concepts,) bool.
            min_score: only rows that score at least this may answer; knowing it saves time.

        Returns:
            Scores *Shape:* (n, k) float32 and rows *Shape:* (n, k) int64; ``row_concept[row]`` is the concept's place.

        Raises:
            IndexMismatchError: the index has no vectors, or vectors of another width.
            InputError: a vector is zero, NaN or infinite, or ``per`` is unknown.
            UnknownCodeError: a code that the index does not hold.
        """
        if per not in ("concept", "row"):
            raise InputError("per is unknown", got=repr(per), expected="'concept' or 'row'")
        asked = self._comparable(vectors.vectors if isinstance(vectors, TokenEmbeddings) else vectors)
        groups = self.row_concept if per == "concept" else None
        mask = None if codes is None else self.mask(codes)
        return topk(asked, self._prepared, k, mask=mask, groups=groups, min_score=min_score)

    def cosines(
        self, vectors: Vectors, query: NDArray[np.integer[Any]], row: NDArray[np.integer[Any]]
    ) -> NDArray[np.float32]:
        """Cosine of single pairs of a vector and a row, exact.

        Args:
            vectors: *Shape:* (n, dim) float32.
            query: which vector. *Shape:* (n_pairs,).
            row: which row. *Shape:* (n_pairs,).

        Returns:
            *Shape:* (n_pairs,) float32.

        Raises:
            IndexMismatchError: as `search`.
            InputError: a vector is zero, NaN or infinite.
        """
        asked = self._comparable(vectors)
        return cosines(asked, self._prepared, query.astype(np.int64), row.astype(np.int64))

    def _comparable(self, vectors: NDArray[np.floating[Any]] | Vectors) -> NDArray[np.floating[Any]] | Vectors:
        """Vectors of the index's width, where they are."""
        asked = vectors if hasattr(vectors, "shape") else np.asarray(vectors)
        if self.vectors is not None and (asked.ndim != 2 or asked.shape[1] != self.dim):
            got = asked.shape[1] if asked.ndim == 2 else f"shape {tuple(asked.shape)}"
            raise IndexMismatchError(
                f"expected vectors of width {self.dim}, got {got}: was the index built with another encoder?"
            )
        return asked

    def mask(self, codes: Iterable[str] | NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Rows of the given concepts (codes, nodes or a flag each). *Shape:* (n_rows,) bool.

        Raises:
            UnknownCodeError: a code that the index does not hold.
        """
        if isinstance(codes, np.ndarray):
            return codes[self.row_concept]
        wanted = set(codes)
        names = pl.Series(sorted(wanted), dtype=pl.String).implode()
        places = self.concepts.select("code", "node", pl.int_range(pl.len()).alias("place"))
        found = places.filter(pl.col("code").is_in(names) | pl.col("node").is_in(names))
        if unknown := sorted(wanted - set(found["code"]) - set(found["node"])):
            raise UnknownCodeError(f"{len(unknown)} codes are not in {self.system}", got=said_codes(unknown))
        chosen = np.zeros(self.concepts.height, dtype=np.bool_)
        chosen[found["place"].to_numpy()] = True
        return chosen[self.row_concept]

    def values(self, rows: NDArray[np.integer[Any]] | slice) -> NDArray[np.float32]:
        """Some stored rows as numbers, whatever type they are stored in. *Shape:* (n of ``rows``, dim) float32.

        Raises:
            IndexMismatchError: the index has no vectors.
        """
        return from_stored(self._stored[rows], self.manifest.dtype)

    @cached_property
    def row_concept(self) -> NDArray[np.int64]:
        """Place in ``concepts`` of every row's concept. *Shape:* (n_rows,) int64."""
        with_rows = self.terms.filter(pl.col("row").is_not_null()).sort("row")
        places = concept_places(with_rows, self.concepts)
        places.flags.writeable = False
        return places

    def on(self, device: str) -> ConceptIndex:
        """This index, searched elsewhere: "cpu", "cuda", "cuda:N", or "cuda:all" for all devices together.

        Raises:
            InputError: an unknown name, no CUDA device or driver, or no CuPy (the message says how to install it).
        """
        check_device(device)
        return replace(self, device=device)

    @cached_property
    def _prepared(self) -> Ready:
        verify = None if self.checked is None else self.checked.verify
        rows = prepare(self._stored, norms=self.norms, dtype=self.manifest.dtype, verify=verify)
        return place(rows, self.device)

    @property
    def _stored(self) -> NDArray[Any]:
        if self.vectors is None:
            raise IndexMismatchError("this index has no vectors", then="build it with an encoder to search by vector")
        return self.vectors

    # -- what it is -----------------------------------------------------------------------------------------------

    @property
    def system(self) -> str:
        """Prefix of the ontology."""
        return self.manifest.system

    @property
    def release(self) -> str:
        """Version of the ontology."""
        return self.manifest.release

    @property
    def dim(self) -> int:
        """Width of the vectors, 0 for a lexical index."""
        return self.manifest.dim

    @property
    def n_rows(self) -> int:
        """Rows of the matrix; of a lexical index, its terms."""
        return self.manifest.rows

    @property
    def sha256(self) -> str:
        """Digest of the manifest, which holds those of all other files once the index was saved and opened."""
        return str(self.manifest.as_json()["sha256"])

    def ontology(self) -> Ontology:
        """The ontology that the index was made of."""
        from conceptmap.ontology.ontology import Ontology

        terms = self.terms.filter(pl.col("kind") != GIVEN).drop("row")
        others = self.edges, self.maps, self.remarks, self.situations
        return Ontology(self.system, self.release, self.concepts, terms, *others)


def _assembled(
    manifest: Manifest,
    ontology: Ontology,
    terms: pl.DataFrame,
    vectors: NDArray[Any] | None,
    norms: NDArray[np.float64] | None,
) -> ConceptIndex:
    ordered = terms.select("row", *(name for name in terms.columns if name != "row"))
    concepts, ordered = without_control(ontology.concepts, "name"), without_control(ordered, "term")
    frames = (concepts, ordered, ontology.edges, ontology.maps, ontology.remarks, None, ontology.situations)
    return ConceptIndex(manifest.printable(), *frames, vectors=vectors, norms=norms)
