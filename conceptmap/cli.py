"""The command line: ``conceptmap code``, ``tag``, ``spans``, ``build``, ``info``, ``evaluate``, ``rollup``.

Data goes to stdout and everything else to stderr. Each command is a module of ``commands`` with ``add`` (its options)
and ``run``; what is heavy is imported when a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn, TextIO

from conceptmap import __version__
from conceptmap.commands import build, code, evaluate, info, rollup, spans, tag
from conceptmap.errors import ConceptMapError

__all__ = ["main"]

_COMMANDS = (code, tag, spans, build, info, evaluate, rollup)
_EPILOG = (
    "exit codes: 0 done, 1 internal error, 2 usage or input, 3 finished but some notes were not coded (see run.json), "
    "4 bad or mismatched index or model, 5 out of space or memory, 130 interrupted"
)
INTERNAL, OUT_OF_MEMORY, INTERRUPTED = 1, 5, 130


class _Terminated(BaseException):
    """SIGTERM, made an exception so that unfinished files are removed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: without the program's name; ``sys.argv`` by default.
    """
    _be_lenient_with_streams()
    parser = _parser()
    args = parser.parse_args(argv)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _guarded(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="conceptmap", description="Codes clinical notes, with every word explained.", epilog=_EPILOG
    )
    parser.add_argument("--version", action="version", version=f"conceptmap {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser


def _guarded(args: argparse.Namespace) -> int:
    """The command's exit code, every failure turned into one line on stderr."""
    before = signal.signal(signal.SIGTERM, _terminate) if _is_main_thread() else None
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except ConceptMapError as error:
        return _failed(str(error), error.exit_code)
    except BrokenPipeError:  # whoever read stdout has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _failed("interrupted; nothing unfinished was kept", INTERRUPTED)
    except _Terminated:
        return _failed("terminated; nothing unfinished was kept", 128 + signal.SIGTERM)
    except MemoryError:
        return _failed("out of memory; close other programs, or use fewer or smaller indexes", OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - the last resort
        return _failed(_internal(error), INTERNAL)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
    return code


def _is_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


def _failed(message: str, code: int) -> int:
    with contextlib.suppress(OSError):
        print(f"conceptmap: {message}", file=sys.stderr)
    return code


def _internal(error: Exception) -> str:
    """Where an unforeseen error came from. Its message may hold note text, so it is shown on request only."""
    if os.environ.get("CONCEPTMAP_TRACEBACK"):
        return "".join(traceback.format_exception(error))
    at = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} in {os.path.basename(at.filename)}, line {at.lineno}"  # noqa: PTH119
    return f"internal error: {place}; please report it. CONCEPTMAP_TRACEBACK=1 shows more, perhaps with note text"


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,  # noqa: ARG001 - as the warnings module calls it
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    if issubclass(category, UserWarning):
        print(f"conceptmap: {message}", file=sys.stderr)


def _be_lenient_with_streams() -> None:
    """Write UTF-8 whatever the locale says; a terminal that cannot show a character gets it escaped."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
