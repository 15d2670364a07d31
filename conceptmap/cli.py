"""The command line: ``conceptmap code``, ``tag``, ``spans``, ``build``, ``info``, ``evaluate``, ``rollup``.

Data goes to stdout and everything else to stderr. Each command is a module of ``commands`` with ``add`` (its options)
and ``run``; what is heavy is imported when a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn, TextIO

from conceptmap import __version__
from conceptmap.commands import (
    adapt,
    align,
    bench,
    build,
    code,
    cohort,
    diff,
    info,
    rollup,
    search,
    search_codes,
    serve,
    spans,
    tag,
)
from conceptmap.commands import map as map_codes
from conceptmap.commands.common import say
from conceptmap.commands.evaluation import evaluate, probe
from conceptmap.commands.options.parser import Parser
from conceptmap.commands.training import pairs, tune
from conceptmap.errors import ConceptMapError, printable
from conceptmap.memory import collect_seldom

__all__ = ["main"]

_COMMANDS = (
    code,
    tag,
    serve,
    search,
    cohort,
    search_codes,
    spans,
    build,
    info,
    evaluate,
    probe,
    rollup,
    map_codes,
    diff,
    align,
    adapt,
    tune,
    pairs,
    bench,
)
_EPILOG = (
    "conceptmap help COMMAND shows a command's options; "
    "exit codes: 0 done, 1 internal error, 2 usage or input, 3 finished but some notes were not coded (see run.json), "
    "4 bad or mismatched index or model, 5 out of space or memory, 130 interrupted, 143 terminated"
)
INTERNAL, OUT_OF_MEMORY, INTERRUPTED, TERMINATED = 1, 5, 130, 143
LEAVE_WITHIN = 8.0
"""Seconds after a signal."""
_LATE: list[threading.Timer] = []


class _Terminated(BaseException):
    """SIGTERM, made an exception so that unfinished files are removed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: without the program's name; ``sys.argv`` by default.
    """
    collect_seldom()
    _be_lenient_with_streams()
    args = _parsed(argv)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _guarded(args)


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; what argparse says of wrong ones repeats them."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["help"] or not words:
        words = [*words[1:], "--help"]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return _parser().read(words)
    finally:
        _tell(said.getvalue())


def _tell(lines: str) -> None:
    """Lines on stderr in which nothing steers the terminal."""
    with contextlib.suppress(OSError):
        for line in lines.removesuffix("\n").split("\n") if lines else ():
            print(printable(line), file=sys.stderr)


def _parser() -> Parser:
    parser = Parser(prog="conceptmap", description="Codes clinical notes, with every word explained.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"conceptmap {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser


def _guarded(args: argparse.Namespace) -> int:
    """The command's exit code, every failure turned into one line on stderr."""
    before = _catch_signals()
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except ConceptMapError as error:
        return _failed(str(error), error.exit_code)
    except BrokenPipeError:  # whoever read stdout has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as error:
        return _failed(_stopped("interrupted", error), INTERRUPTED)
    except _Terminated as error:
        return _failed(_stopped("terminated", error), TERMINATED)
    except MemoryError:
        return _failed("out of memory; close other programs, or use fewer or smaller indexes", OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - the last resort
        return _failed(_internal(error), INTERNAL)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of a library's Rust: no Exception, and it may hold note text
            raise
        return _failed(_internal(error), INTERNAL)
    finally:
        while _LATE:
            _LATE.pop().cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
    return code


def _stopped(how: str, error: BaseException) -> str:
    """What is said at the end of a command that was stopped; a command that can go on has added how."""
    return f"{how}; {' '.join(getattr(error, '__notes__', ())) or 'nothing unfinished was kept'}"


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _catch_signals() -> dict[int, Any]:
    """Turn SIGTERM into an exception, as Python does with SIGINT; returns the handlers that were there."""
    if not _is_main_thread():
        return {}
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell said to ignore it
        numbers.append(signal.SIGINT)
    return {number: signal.signal(number, _stop) for number in numbers}


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave in good order, or (should a long computation not let go) at once after a while."""
    code = TERMINATED if number == signal.SIGTERM else INTERRUPTED
    late = threading.Timer(LEAVE_WITHIN, os._exit, (code,))
    late.daemon = True
    late.start()
    _LATE.append(late)
    raise _Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _failed(message: str, code: int) -> int:
    _tell(f"conceptmap: {message}")
    return code


def _internal(error: BaseException) -> str:
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
        say(str(message))


def _be_lenient_with_streams() -> None:
    """Write UTF-8 whatever the locale says; a terminal that cannot show a character gets it escaped."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
