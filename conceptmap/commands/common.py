"""Options and steps that several commands share."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.options.parser import Repeated
from conceptmap.errors import InputError, printable, said_codes
from conceptmap.progress import waiting

if TYPE_CHECKING:
    from conceptmap.encoders import TokenEncoder
    from conceptmap.mapper import ConceptMapper
    from conceptmap.notes.notes import BadNote
    from conceptmap.ontology.ontology import Ontology
    from conceptmap.ontology.scope import Scope

__all__ = [
    "QUARANTINED",
    "add_command",
    "add_encoder_options",
    "add_keeping",
    "add_mapper_options",
    "add_overwrite",
    "add_scope_options",
    "add_table_output",
    "check_out",
    "encoder_of",
    "listed",
    "load_mapper",
    "mapper_options",
    "ontology_of",
    "report_quarantine",
    "say",
    "scope_of",
    "show",
    "tell_unknown",
    "write_out",
    "write_stdout",
]

QUARANTINED = 3
"""Exit code of a run that left notes out."""

Commands = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    summary: str,
) -> argparse.ArgumentParser:
    """A command's parser; ``run`` gets its arguments and returns the exit code."""
    parser = commands.add_parser(name, help=summary, description=summary[:1].upper() + summary[1:] + ".")
    parser.set_defaults(run=run)
    return parser


ENCODERS = (
    "embedded (tuned all-MiniLM-L6-v2, the default), embedded-plain, a model folder, a hub name, or none: lexical "
    "evidence alone"
)


def add_mapper_options(parser: argparse.ArgumentParser, *, encoder: str = ENCODERS) -> None:
    """The options that say which ontologies and which encoder, told with some words of help."""
    parser.add_argument(
        "--ontology",
        action=Repeated,
        default=["icd10cm"],
        metavar="INDEX",
        help="icd10cm (comes along; the default) or an index folder of conceptmap build; may be repeated",
    )
    parser.add_argument(
        "--encoder",
        default="embedded",
        metavar="NAME|PATH|none",
        help=encoder,
    )
    parser.add_argument(
        "--fast",
        dest="encoder",
        action="store_const",
        const="none",
        help="--encoder none: no vectors; codes notes several times faster",
    )
    parser.add_argument(
        "--adapter",
        action=Repeated,
        default=(),
        metavar="ADAPTER",
        help="what conceptmap adapt learned for this encoder and one of the indexes; may be repeated, one an index; "
        "embedded: the one that comes along, for disease mentions in ICD-10-CM",
    )
    add_scope_options(parser)
    add_encoder_options(parser)


def add_scope_options(parser: argparse.ArgumentParser) -> None:
    """Which concepts are wanted."""
    group = parser.add_argument_group("which concepts are wanted (each may be repeated, or list several with commas)")
    group.add_argument(
        "--only",
        type=listed,
        action="extend",
        metavar="TYPE,…",
        help="semantic tags of SNOMED CT (disorder,finding), UMLS types or groups by name, TUI or abbreviation; by "
        "default mentions of all, and codes of disorders, findings, procedures, situations, events",
    )
    group.add_argument("--below", type=listed, action="extend", metavar="CODE,…", help="these and all below them")
    group.add_argument(
        "--only-list", metavar="FILE", help="the codes of a .csv, .txt or .parquet, or of a FHIR ValueSet in .json"
    )
    group.add_argument(
        "--exclude", type=listed, action="extend", metavar="TYPE|CODE,…", help="not these types, or codes and all below"
    )


def scope_of(args: argparse.Namespace) -> Scope | None:
    """The scope that the options ask for, None for everything."""
    from conceptmap.ontology.scope import Scope

    given = {name: getattr(args, name) or () for name in ("only", "below", "exclude")}
    return Scope.of(**given, only_list=args.only_list) or None


def add_overwrite(parser: argparse.ArgumentParser, what: str) -> None:
    """Whether something may be replaced that this program did not write, or not so."""
    parser.add_argument(
        "--overwrite", action="store_true", help=f"{what}; without it such a thing is kept, and refused"
    )


def add_keeping(parser: argparse.ArgumentParser, overwrite: str) -> None:
    """What may be replaced, and who may read what is written."""
    add_overwrite(parser, overwrite)
    parser.add_argument(
        "--group-readable", action="store_true", help="let the group read what is written; by default its owner alone"
    )


def add_table_output(parser: argparse.ArgumentParser, name: str) -> None:
    """The options of a command that writes one table: where to, and how."""
    parser.add_argument("-o", "--output", default="-", metavar=name, help="a file, or - for stdout (default)")
    add_keeping(parser, "replace a file that is there")
    add_spreadsheet_safe(parser)


def add_spreadsheet_safe(parser: argparse.ArgumentParser, what: str = "CSV") -> None:
    """Whether a table is written for Excel."""
    parser.add_argument(
        "--spreadsheet-safe",
        action="store_true",
        help=f"{what} for Excel: an apostrophe before cells that look like formulas, and a byte-order mark",
    )


def add_encoder_options(parser: argparse.ArgumentParser) -> None:
    """Where and how precisely the encoder computes."""
    parser.add_argument(
        "--device",
        default="cpu",
        metavar="DEVICE",
        help="where to compute: cpu (default); cuda, cuda:N or cuda:all, a GPU, the N-th or all; auto: a GPU if any",
    )
    parser.add_argument(
        "--dtype",
        default="auto",
        choices=["auto", "float32", "bfloat16", "float16", "int8"],
        help="what the encoder computes in; auto: bfloat16 where the device has it, else float32; int8: CPUs with AVX2",
    )


def encoder_of(args: argparse.Namespace) -> TokenEncoder | None:
    """The encoder that the options ask for. A licence that forbids commercial use is told once."""
    if args.encoder == "none":
        return None
    from conceptmap.encoders import load_encoder
    from conceptmap.topk import check_device, chosen_device

    device = chosen_device(args.device)
    check_device(device if device.startswith("cuda") else "cpu")
    encoder = load_encoder(args.encoder, device=device.removesuffix(":all"), dtype=args.dtype)
    if encoder.non_commercial:
        say(f"the encoder {encoder.name} may not be used commercially, or its licence is not known: {encoder.licence}")
    return encoder


def load_mapper(args: argparse.Namespace) -> tuple[ConceptMapper, float]:
    """The mapper that the options ask for, and the seconds that loading took.

    Raises:
        IndexMismatchError: an index was built with another encoder.
    """
    began = time.perf_counter()
    vectors = "words alone" if args.encoder == "none" else f"the encoder {args.encoder}"
    with waiting(f"conceptmap: loading {', '.join(args.ontology)}, {vectors} …"):
        from conceptmap.mapper import ConceptMapper

        sources = [_source(name) for name in args.ontology]
        encoder = encoder_of(args)
        mapper = ConceptMapper.load(
            *sources,
            encoder=encoder,
            adapter=args.adapter,
            device=args.device,
            dtype=args.dtype,
            scope=scope_of(args),
        )
    return mapper, time.perf_counter() - began


def mapper_options(args: argparse.Namespace) -> tuple[tuple[str, ...], dict[str, object]]:
    """What `ConceptMapper.load` is called with, for workers that load it themselves: indexes and keywords."""
    from conceptmap.topk import chosen_device

    encoder, device = None if args.encoder == "none" else args.encoder, chosen_device(args.device)
    options = {"encoder": encoder, "adapter": args.adapter, "device": device, "dtype": args.dtype}
    options |= {"scope": scope} if (scope := scope_of(args)) is not None else {}
    return tuple(_source(name) for name in args.ontology), options


def _source(name: str) -> str:
    """An index as ``ConceptMapper.load`` takes it.

    Raises:
        InputError: it is neither a folder nor the embedded one, or it is a release.
    """
    from conceptmap.readers import is_release

    path = Path(name)
    if name == "icd10cm" or (path / "manifest.json").is_file():
        return name
    released = is_release(path)
    if path.is_dir() and not released:
        return name  # whoever opens it says what it lacks
    got = f"{name}, which is {'a release' if released else 'a file'}" if path.exists() else f"no {name}"
    then = f"build it first: conceptmap build {name if path.exists() else 'RELEASE'} -o INDEX"
    raise InputError("--ontology names no index", got=got, expected="icd10cm or an index folder", then=then)


def ontology_of(source: str) -> Ontology:
    """The ontology in an index folder, a release, or the embedded one."""
    if (Path(source) / "manifest.json").is_file():
        from conceptmap.index.index import ConceptIndex

        return ConceptIndex.open(source).ontology()
    from conceptmap.readers import load_ontology

    return load_ontology(source)


def listed(text: str) -> tuple[str, ...]:
    """The parts of a list with commas."""
    return tuple(dict.fromkeys(part for part in (part.strip() for part in text.split(",")) if part))


def say(message: str) -> None:
    """A line for people: stderr."""
    print(f"conceptmap: {printable(message)}", file=sys.stderr)


def tell_unknown(codes: Iterable[str], what: str) -> None:
    """Say which codes no ontology holds, if there are any."""
    if named := list(codes):
        say(f"{len(named):,} codes are unknown, {what}: {said_codes(named)}")


def show(text: str) -> None:
    """Lines that were asked for: stdout. Nothing in them steers a terminal."""
    print("\n".join(printable(line) for line in text.split("\n")))


def report_quarantine(quarantined: tuple[BadNote, ...], *, where: str | None = None) -> int:
    """List notes that were left out, the first few; returns the exit code of the run."""
    for bad in quarantined[:5]:
        say(f"not coded: {bad.where}{f', note {bad.note_id}' if bad.note_id else ''}: {bad.reason}")
    if len(quarantined) > 5 and where:
        say(f"and {len(quarantined) - 5:,} more, listed in {where}")
    return QUARANTINED if quarantined else 0


def check_out(path: str, *, overwrite: bool) -> None:
    """Refuse to replace a file, before any work is done: nobody knows what somebody keeps in it.

    An empty one may be replaced, and what is no file, such as a pipe, is written to.

    Raises:
        InputError: there is a file, and it is not to be overwritten; or a folder.
    """
    if path == "-":
        return
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder", expected="a file")
    if not overwrite and Path(path).is_file() and Path(path).stat().st_size:
        raise InputError(f"{path} is there already", then="type --overwrite to replace it, or choose another file")


def write_out(path: str, data: bytes, *, overwrite: bool, group_readable: bool = False) -> None:
    """Write to a file, atomically, or to stdout for ``-``.

    Raises:
        InputError: there is a file, and it is not to be overwritten.
    """
    from conceptmap.files import GROUP, PRIVATE, atomic_file, writing

    if path == "-":
        write_stdout(data)
        return
    check_out(path, overwrite=overwrite)
    target = Path(path).resolve()  # a link stays a link
    if target.exists() and not target.is_file():
        with writing(target), target.open("wb") as pipe:
            pipe.write(data)
        return
    with atomic_file(target, GROUP if group_readable else PRIVATE) as file:
        file.write(data)


def write_stdout(data: bytes) -> None:
    """Byte for byte; on a terminal without what would steer it."""
    sys.stdout.flush()
    if sys.stdout.isatty():
        show(data.decode(errors="replace").removesuffix("\n"))
    else:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
