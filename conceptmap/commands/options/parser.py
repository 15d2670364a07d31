"""Reading a command line: options that may be repeated, and what was probably meant by one that does not exist."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from conceptmap.errors import said_id

__all__ = ["Parser", "Repeated"]

CLOSE = 0.6
"""How alike a name must be to be offered instead, as `difflib` measures it."""


class Repeated(argparse.Action):
    """An option of one value that may be given several times; the first replaces the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - as argparse calls it
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Add a value."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if before is self.default else before), values])


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` that says in a line what is wrong, what was probably meant, and where more is told."""

    def error(self, message: str) -> NoReturn:
        """Leave with exit code 2."""
        between = " " if message.endswith("?") else "; "
        self.exit(2, f"{self.prog}: {message}{between}{self.prog} --help tells more\n")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """The arguments in a line, once all its options are known: argparse would miss the required ones first."""
        command = self._command_of(words)
        options = list(command._option_string_actions)  # noqa: SLF001 - one of us
        end = words.index("--") if "--" in words else len(words)
        for word in (word.partition("=")[0] for word in words[:end] if word.startswith("--")):
            if not any(option.startswith(word) for option in options):
                command.error(f"no such option: {said_id(word) or 'a text'}{_meant(word, options)}")
        found, rest = self.parse_known_args(words)
        if rest:
            many = f"{len(rest)} argument{'s' * (len(rest) > 1)} too many, the first {said_id(rest[0]) or 'a text'}"
            command.error(f"{many}; quote a text, and repeat an option to give it several values")
        return found

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401
        """Refuse what is none of the choices, with the likely one. A text in its place is not repeated."""
        if action.choices is None or value in action.choices:
            return
        names = [str(choice) for choice in action.choices]
        got = said_id(str(value)) or "a text"
        if isinstance(action.choices, dict):  # of commands
            likely = _meant(str(value), names) or _used_as_command(str(value))
            self.error(f"no such command: {got}{likely}")
        raise argparse.ArgumentError(action, f"got {got}, expected {', '.join(names)}{_meant(str(value), names)}")

    def _command_of(self, words: Sequence[str]) -> Parser:
        """The parser of the command in a line, if there is one, else this."""
        for action in self._actions:
            if isinstance(action.choices, dict):
                return next((action.choices[word] for word in words[:1] if word in action.choices), self)
        return self


def _meant(word: str, names: Iterable[str]) -> str:
    """The question whether a similar name was meant.

    >>> _meant("--ontolgy", ["--ontology", "--output"])
    '; did you mean --ontology?'
    """
    close = difflib.get_close_matches(word, list(names), n=1, cutoff=CLOSE)
    return f"; did you mean {close[0]}?" if close else ""


def _used_as_command(word: str) -> str:
    """What to do with a text or a file where a command belongs."""
    if any(map(str.isspace, word)):
        return "; to see the concepts of a text: conceptmap tag 'TEXT'"
    return "; to code notes: conceptmap code NOTES -o OUT" if "." in word or "/" in word else ""
