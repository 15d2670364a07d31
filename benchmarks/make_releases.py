"""Makes synthetic releases of full size: SNOMED CT RF2 and UMLS RRF in their exact formats, every name invented.

    python benchmarks/make_releases.py rf2 FOLDER           # one zip of International size
    python benchmarks/make_releases.py umls FOLDER          # META/ with an MRCONSO of 10 M rows
    python benchmarks/make_releases.py rf2 FOLDER --scale 0.01
    python benchmarks/make_releases.py rf2 FOLDER --heard   # some concepts are called what notes hold

``--heard`` gives some concepts names from our own table of synonyms and ICD-10-CM's titles, which are public, so that
notes are full of mentions. Ids have valid check digits, a third of the RF2 concepts are inactive, some names hold
quotes, lines end as released.
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.readers.sctid import with_check_digits

Ints = NDArray[np.int64]

CONCEPTS, DESCRIPTIONS, RELATIONSHIPS = 520_000, 1_600_000, 3_300_000  # the International edition, rounded
CONSO_ROWS, CUIS = 10_000_000, 3_300_000
_BLOCK = 500_000
_DATE = "20250101"
_SYLLABLES = np.array(
    "va lo mi ren tor bel qua sni dor fal gre hup ist jam kel nov pra rud sul tev urb wex yol zim".split()
)
_TAGS = np.array(["disorder", "finding", "procedure", "substance", "body structure", "organism"])
_MODULE, _ANY, _CASE = 900000000000207008, 900000000000451002, 900000000000448009
_IS_A, _INFERRED = 116680003, 900000000000011006
_FSN, _SYNONYM = 900000000000003001, 900000000000013009
_SITE = 363698007


def words(rng: np.random.Generator, n: int, syllables: int = 3) -> pl.Series:
    """Invented words. *Shape:* (n,)."""
    drawn = [pl.Series(_SYLLABLES[rng.integers(0, len(_SYLLABLES), n)]) for _ in range(syllables)]
    return pl.select(pl.concat_str(drawn)).to_series()


def phrases(rng: np.random.Generator, n: int) -> pl.Series:
    """Names of two to four invented words; one in fifty holds a quote without a partner. *Shape:* (n,)."""
    frame = pl.DataFrame({str(i): words(rng, n, 2 + i % 2) for i in range(4)} | {"length": rng.integers(2, 5, n)})
    third = pl.when(pl.col("length") > 2).then(" " + pl.col("2")).otherwise(pl.lit(""))
    fourth = pl.when(pl.col("length") > 3).then(" " + pl.col("3")).otherwise(pl.lit(""))
    quote = pl.when(pl.int_range(pl.len()) % 50 == 0).then(pl.lit(' 12" wide')).otherwise(pl.lit(""))
    return frame.select(pl.concat_str("0", pl.lit(" "), "1", third, fourth, quote)).to_series()


def tree(rng: np.random.Generator, n: int) -> Ints:
    """A parent for each of n nodes, before it in order and so without cycles; the first is the root. *Shape:* (n,)."""
    return (np.arange(n) * rng.beta(4, 2, n)).astype(np.int64)


def heard_names(n: int) -> pl.Series:
    """Names that notes hold: our synonyms and the titles of ICD-10-CM, each once, at most n. *Shape:* (up to n,)."""
    from conceptmap.matching.patterns import synonym_rows
    from conceptmap.readers import load_ontology

    own = pl.Series([term for _, term in synonym_rows("icd10cm")])
    titles = load_ontology("icd10cm").concepts["name"]
    return pl.concat([own, titles]).unique(maintain_order=True).head(n)


# -- SNOMED CT --------------------------------------------------------------------------------------------------------


def make_rf2(folder: Path, *, scale: float = 1.0, seed: int = 0, changed: float = 0.0, heard: bool = False) -> Path:
    """Writes a zip of a Snapshot and returns its path. With ``heard`` a quarter of the concepts have names of notes.

    With ``changed`` it is the release of a year later: this share of concepts is retired or in use again, of terms
    reworded, of is-a rows moved.
    """
    rng = np.random.default_rng(seed)
    n = int(CONCEPTS * scale)
    concepts = sctids(rng, n, partition=0)
    active = rng.random(n) < 0.7
    active[0] = True
    date = "20260101" if changed else _DATE
    top = f"SnomedCT_SyntheticRF2_PRODUCTION_{date}T120000Z/Snapshot"
    path = folder / f"SnomedCT_SyntheticRF2_PRODUCTION_{date}T120000Z.zip"
    later = np.random.default_rng(seed + 1)
    now = active ^ (later.random(n) < changed)
    now[0] = True
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        concept_rows = versioned(concepts, now).with_columns(definitionStatusId=pl.lit(900000000000074008))
        add(packed, f"{top}/Terminology/sct2_Concept_Snapshot_INT_{date}.txt", [concept_rows])
        described = describe(rng, concepts, int(DESCRIPTIONS * scale))
        if heard:
            described = called_as_heard(described, concepts, now)
        descriptions = reworded(later, described, changed)
        add(packed, f"{top}/Terminology/sct2_Description_Snapshot-en_INT_{date}.txt", [descriptions])
        members = language_members(rng, descriptions)
        add(packed, f"{top}/Refset/Language/der2_cRefset_LanguageSnapshot-en_INT_{date}.txt", members)
        relationships = moved(later, relate(rng, concepts, active, int(RELATIONSHIPS * scale)), concepts[0], changed)
        add(packed, f"{top}/Terminology/sct2_Relationship_Snapshot_INT_{date}.txt", [relationships])
        gone = associate(rng, concepts, now)
        add(packed, f"{top}/Refset/Content/der2_cRefset_AssociationSnapshot_INT_{date}.txt", [gone])
        maps = map_rows(rng, concepts[now], int(300_000 * scale))
        add(packed, f"{top}/Refset/Map/der2_iisssccRefset_ExtendedMapSnapshot_INT_{date}.txt", [maps])
    return path


def reworded(rng: np.random.Generator, descriptions: pl.DataFrame, share: float) -> pl.DataFrame:
    """Some terms with a word more."""
    drawn = pl.Series(rng.random(descriptions.height) < share)
    return descriptions.with_columns(term=pl.when(drawn).then(pl.format("new {}", "term")).otherwise("term"))


def moved(rng: np.random.Generator, relationships: pl.DataFrame, root: np.int64, share: float) -> pl.DataFrame:
    """Some is-a rows with the root above."""
    drawn = pl.Series(rng.random(relationships.height) < share) & (pl.col("typeId") == _IS_A)
    drawn &= pl.col("sourceId") != int(root)
    above = pl.when(drawn).then(int(root)).otherwise("destinationId")
    return relationships.with_columns(destinationId=above)


def sctids(rng: np.random.Generator, n: int, *, partition: int) -> Ints:
    """Distinct ids in no order. *Shape:* (n,)."""
    items = rng.permutation(np.arange(100_000, 100_000 + n))
    return with_check_digits(items * 100 + partition)


def versioned(ids: Ints, active: NDArray[np.bool_]) -> pl.DataFrame:
    """The columns that all components start with."""
    frame = pl.DataFrame({"id": ids, "effectiveTime": np.full(len(ids), int(_DATE)), "active": active.astype(np.int64)})
    return frame.with_columns(moduleId=pl.lit(_MODULE))


def describe(rng: np.random.Generator, concepts: Ints, n: int) -> pl.DataFrame:
    """A fully specified name and a synonym for every concept, further synonyms for some; a tenth of those inactive."""
    of = np.concatenate([concepts, concepts, rng.choice(concepts, n - 2 * len(concepts))])
    is_fsn = np.arange(n) < len(concepts)
    active = (np.arange(n) < 2 * len(concepts)) | (rng.random(n) < 0.9)
    tags = pl.Series(_TAGS[rng.integers(0, len(_TAGS), n)])
    term = pl.DataFrame({"term": phrases(rng, n), "tag": tags, "fsn": is_fsn}).select(
        term=pl.when("fsn").then(pl.concat_str("term", pl.lit(" ("), "tag", pl.lit(")"))).otherwise("term")
    )["term"]
    return versioned(sctids(rng, n, partition=1), active).with_columns(
        conceptId=pl.Series(of),
        languageCode=pl.lit("en"),
        typeId=pl.Series(np.where(is_fsn, _FSN, _SYNONYM)),
        term=term,
        caseSignificanceId=pl.lit(_CASE),
    )


def called_as_heard(described: pl.DataFrame, concepts: Ints, active: NDArray[np.bool_]) -> pl.DataFrame:
    """A quarter of the concepts, active ones, as disorders that notes name."""
    chosen = concepts[active][:: max(1, int(4 * active.mean()))]
    names = heard_names(len(chosen))
    known = pl.DataFrame({"conceptId": chosen[: len(names)], "heard": names})
    fsn = pl.when(pl.col("typeId") == _FSN).then(pl.concat_str("heard", pl.lit(" (disorder)"))).otherwise("heard")
    first = pl.int_range(pl.len()).over("conceptId", "typeId") == 0
    rows = described.join(known, on="conceptId", how="left", maintain_order="left")
    return rows.with_columns(term=pl.when(first & pl.col("heard").is_not_null()).then(fsn).otherwise("term")).drop(
        "heard"
    )


def language_members(rng: np.random.Generator, descriptions: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """US and GB rows of every description, preferred for the first two of each concept."""
    first = descriptions.select(preferred=pl.int_range(pl.len()).over("conceptId", "typeId") == 0)["preferred"]
    acceptability = pl.select(pl.when(first).then(pl.lit(900000000000548007)).otherwise(pl.lit(900000000000549004)))
    for reference_set in (900000000000509007, 900000000000508004):
        yield descriptions.select(
            uuids(rng, descriptions.height),
            "effectiveTime",
            "active",
            "moduleId",
            refsetId=pl.lit(reference_set),
            referencedComponentId="id",
            acceptabilityId=acceptability.to_series(),
        )


def relate(rng: np.random.Generator, concepts: Ints, active: NDArray[np.bool_], n: int) -> pl.DataFrame:
    """Is-a rows (one or two parents each) among active concepts, inactive ones, and other relationships."""
    live = concepts[active]
    first, second = tree(rng, len(live)), tree(rng, len(live))
    more = np.flatnonzero((rng.random(len(live)) < 0.6) & (second != first) & (np.arange(len(live)) > 0))
    child = np.concatenate([live[1:], live[more]])
    parent = np.concatenate([live[first[1:]], live[second[more]]])
    rest = n - len(child)
    source, target = rng.choice(concepts, rest), rng.choice(concepts, rest)
    kind = np.concatenate([np.full(len(child), _IS_A), np.where(rng.random(rest) < 0.3, _IS_A, _SITE)])
    live_rows = np.concatenate([np.ones(len(child), bool), (kind[len(child) :] != _IS_A) & (rng.random(rest) < 0.6)])
    frame = versioned(sctids(rng, n, partition=2), live_rows).with_columns(
        sourceId=pl.Series(np.concatenate([child, source])),
        destinationId=pl.Series(np.concatenate([parent, target])),
        relationshipGroup=pl.lit(0),
        typeId=pl.Series(kind),
        characteristicTypeId=pl.lit(_INFERRED),
        modifierId=pl.lit(_ANY),
    )
    return frame.sample(fraction=1, shuffle=True, seed=1)


def associate(rng: np.random.Generator, concepts: Ints, active: NDArray[np.bool_]) -> pl.DataFrame:
    """A historical association for every inactive concept, a tenth of them to another inactive one."""
    gone = concepts[~active]
    kinds = np.array([900000000000527005, 900000000000526001, 900000000000523009])
    target = np.where(rng.random(len(gone)) < 0.1, rng.choice(gone, len(gone)), rng.choice(concepts[active], len(gone)))
    return versioned(gone, np.ones(len(gone), bool)).select(
        uuids(rng, len(gone)),
        "effectiveTime",
        "active",
        "moduleId",
        refsetId=pl.Series(kinds[rng.integers(0, 3, len(gone))]),
        referencedComponentId="id",
        targetComponentId=pl.Series(target),
    )


def map_rows(rng: np.random.Generator, concepts: Ints, n: int) -> pl.DataFrame:
    """Rows of an extended map, a fifth of them with a rule and a tenth with a blank target."""
    rules = np.array(["TRUE", "TRUE", "TRUE", "TRUE", "IFA 248153007 | Male |"])
    target = pl.select(
        pl.format("Q{}.{}", pl.Series(rng.integers(10, 99, n)), pl.Series(rng.integers(0, 9, n)))
    ).to_series()
    return versioned(rng.choice(concepts, n), np.ones(n, bool)).select(
        uuids(rng, n),
        "effectiveTime",
        "active",
        "moduleId",
        refsetId=pl.lit(447562003),
        referencedComponentId="id",
        mapGroup=pl.lit(1),
        mapPriority=pl.Series(rng.integers(1, 4, n)),
        mapRule=pl.Series(rules[rng.integers(0, 5, n)]),
        mapAdvice=pl.format("ALWAYS {}", target),
        mapTarget=pl.when(pl.Series(rng.random(n)) < 0.1).then(pl.lit("")).otherwise(target),
        correlationId=pl.lit(447561005),
        mapCategoryId=pl.lit(447637006),
    )


def uuids(rng: np.random.Generator, n: int) -> pl.Series:
    """Random ids in the form of UUIDs. *Shape:* (n,)."""
    hexes = [pl.Series(rng.integers(10**7, 10**8, n)).cast(pl.String) for _ in range(3)]
    middle = hexes[1]
    parts = [hexes[0], middle.str.slice(0, 4), middle.str.slice(4, 4), hexes[2].str.slice(0, 4)]
    last = hexes[2].str.slice(4, 4) + hexes[0]
    return pl.select(pl.concat_str([*parts, last], separator="-")).to_series().alias("id")


def add(packed: zipfile.ZipFile, name: str, frames: Iterator[pl.DataFrame] | list[pl.DataFrame]) -> None:
    """Streams frames into one member as an RF2 table."""
    with packed.open(name, "w", force_zip64=True) as member:
        for number, frame in enumerate(frames):
            for start in range(0, frame.height, _BLOCK):
                header = number == 0 and start == 0
                member.write(rf2_text(frame.slice(start, _BLOCK), header=header))


def rf2_text(frame: pl.DataFrame, *, header: bool) -> bytes:
    """Rows as RF2 writes them: tabs, CRLF, no quoting."""
    text = frame.write_csv(separator="\t", quote_style="never", line_terminator="\r\n", include_header=header)
    return text.encode()


# -- UMLS -------------------------------------------------------------------------------------------------------------

_SOURCES = np.array(["SNOMEDCT_US", "MSH", "ICD10CM", "NCI", "MDR", "LNC", "MSHGER", "MSHSPA", "MDRFRE", "RXNORM"])
_SOURCE_LANGUAGE = np.array(["ENG", "ENG", "ENG", "ENG", "ENG", "ENG", "GER", "SPA", "FRE", "ENG"])
_TERM_TYPES = np.array(["PT", "SY", "PN", "AB", "ET"])


def make_umls(folder: Path, *, scale: float = 1.0, seed: int = 0, heard: bool = False) -> Path:
    """Writes a ``META`` folder with MRCONSO, MRRANK, MRSTY and MRREL and returns its path.

    With ``heard`` some concepts have names of notes.
    """
    meta = folder / "2025AA" / "META"
    meta.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rows, cuis = int(CONSO_ROWS * scale), max(2, int(CUIS * scale))
    names = heard_names(rows // 20) if heard else pl.Series(dtype=pl.String)
    with (meta / "MRCONSO.RRF").open("wb") as file:
        for start in range(0, rows, _BLOCK):
            block = conso(rng, start, min(_BLOCK, rows - start), cuis, rows)
            file.write(rrf_text(as_heard(block, start, names, rows) if heard else block))
    ranks = [(source, kind, suppress) for source in _SOURCES for kind in _TERM_TYPES for suppress in "NOEY"]
    rank_rows = [f"{len(ranks) - at:04d}|{'|'.join(row)}|\n" for at, row in enumerate(ranks)]
    (meta / "MRRANK.RRF").write_text("".join(rank_rows), encoding="utf-8")
    (meta / "MRSTY.RRF").write_bytes(rrf_text(semantic_types(rng, cuis)))
    (meta / "MRREL.RRF").write_bytes(rrf_text(relations(rng, cuis)))
    return meta


def cui(numbers: Ints) -> pl.Series:
    """Concept ids. *Shape:* (n,)."""
    return "C" + pl.Series(numbers).cast(pl.String).str.zfill(7)


def conso(rng: np.random.Generator, start: int, n: int, cuis: int, rows: int) -> pl.DataFrame:
    """Rows of MRCONSO, in the order of their concepts as released."""
    number = np.arange(start, start + n)
    source = rng.integers(0, len(_SOURCES), n)
    atom = "A" + pl.Series(number + 1).cast(pl.String).str.zfill(8)
    code = pl.Series(rng.integers(10**5, 10**7, n)).cast(pl.String)
    return pl.DataFrame(
        {
            "CUI": cui(number * cuis // rows + 1),
            "LAT": _SOURCE_LANGUAGE[source],
            "TS": np.where(rng.random(n) < 0.5, "P", "S"),
            "LUI": "L" + code,
            "STT": np.where(rng.random(n) < 0.5, "PF", "VO"),
            "SUI": "S" + code,
            "ISPREF": np.where(rng.random(n) < 0.5, "Y", "N"),
            "AUI": atom,
            "SAUI": pl.Series([""] * n),
            "SCUI": code,
            "SDUI": pl.Series([""] * n),
            "SAB": _SOURCES[source],
            "TTY": _TERM_TYPES[rng.integers(0, len(_TERM_TYPES), n)],
            "CODE": code,
            "STR": phrases(rng, n),
            "SRL": np.full(n, 0),
            "SUPPRESS": np.where(rng.random(n) < 0.9, "N", "O"),
            "CVF": pl.Series([""] * n),
        }
    )


def as_heard(block: pl.DataFrame, start: int, names: pl.Series, rows: int) -> pl.DataFrame:
    """Rows spread evenly over all have these names, in English and wanted."""
    every = max(1, rows // max(1, len(names)))
    number = pl.int_range(start, start + block.height, eager=True)
    chosen = (number % every == 0) & (number // every < len(names))
    said = names.gather((number // every).clip(0, len(names) - 1))
    english = {"LAT": pl.lit("ENG"), "SAB": pl.lit("NCI"), "SUPPRESS": pl.lit("N")}
    wanted: dict[str, pl.Series | pl.Expr] = {"STR": said, **english}
    return block.with_columns(
        **{name: pl.when(chosen).then(value).otherwise(pl.col(name)) for name, value in wanted.items()}
    )


def semantic_types(rng: np.random.Generator, cuis: int) -> pl.DataFrame:
    """One type for every concept."""
    kinds = rng.integers(0, 4, cuis)
    names = np.array(["Disease or Syndrome", "Finding", "Clinical Drug", "Body Part, Organ, or Organ Component"])
    codes = np.array(["T047", "T033", "T200", "T023"])
    tree_numbers = np.array(["B2.2.1.2.1", "A2.2", "A1.3.3", "A1.2.3.1"])
    columns = {"CUI": cui(np.arange(1, cuis + 1)), "TUI": codes[kinds], "STN": tree_numbers[kinds], "STY": names[kinds]}
    blank = pl.Series([""] * cuis)
    return pl.DataFrame(columns | {"ATUI": blank, "CVF": blank})


def relations(rng: np.random.Generator, cuis: int) -> pl.DataFrame:
    """Every parent edge in both directions, as released, and one in two thousand the wrong way round."""
    child = np.arange(2, cuis + 1)
    parent = tree(rng, cuis)[1:] + 1
    wrong = rng.random(len(child)) < 0.0005
    above, below = np.concatenate([parent, child[wrong]]), np.concatenate([child, parent[wrong]])
    first, second = np.concatenate([below, above]), np.concatenate([above, below])
    n, blank = len(first), pl.Series([""] * len(first))
    kind = np.repeat(np.array(["PAR", "CHD"]), len(above))
    atoms = {"AUI1": blank, "STYPE1": np.full(n, "AUI"), "REL": kind, "CUI2": cui(second), "AUI2": blank}
    tail = {"STYPE2": np.full(n, "AUI"), "RELA": np.full(n, "isa"), "RUI": blank, "SRUI": blank}
    sources = {"SAB": _SOURCES[rng.integers(0, 4, n)], "SL": np.full(n, "MSH")}
    end = {"RG": blank, "DIR": blank, "SUPPRESS": np.full(n, "N"), "CVF": blank}
    return pl.DataFrame({"CUI1": cui(first)} | atoms | tail | sources | end)


def rrf_text(frame: pl.DataFrame) -> bytes:
    """Rows as RRF writes them: pipes, one at the end of each line too, no header."""
    closed = frame.with_columns(pl.lit("").alias("end"))
    return closed.write_csv(separator="|", quote_style="never", include_header=False).encode()


def main() -> None:
    """Makes the release that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["rf2", "umls"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the size of the real release")
    parser.add_argument("--heard", action="store_true", help="give some concepts names that notes hold")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    make = {"rf2": make_rf2, "umls": make_umls}[options.kind]
    print(make(options.folder, scale=options.scale, heard=options.heard))


if __name__ == "__main__":
    main()
