"""Command lines from typed functions, with errors in one line."""

from __future__ import annotations

import argparse
import copy
import difflib
import inspect
import re
import typing
from collections.abc import Callable, Sequence
from typing import Any

import docstring_parser
from jsonargparse import ArgumentParser

from labelmend.errors import SettingsError

WIDTH = 100
TYPE_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list": "a list",
}


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help that keeps the line breaks of descriptions and says each option's name once."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=WIDTH)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        # jsonargparse gives list arguments a second flag, --name+, which labelmend does not document.
        shown = copy.copy(action)
        shown.option_strings = [flag for flag in action.option_strings if not flag.endswith("+")]
        return super()._format_action_invocation(shown)


def make_parser(command: str, description: str, epilog: str = "", usage: str | None = None) -> ArgumentParser:
    """A parser for ``labelmend COMMAND`` that raises instead of exiting."""
    return ArgumentParser(
        prog=f"labelmend {command}",
        usage=usage,
        description=description,
        epilog=epilog,
        formatter_class=HelpFormatter,
        exit_on_error=False,
        default_env=False,
        allow_abbrev=False,
    )


def hyphenate(argv: Sequence[str]) -> list[str]:
    """Write the names of all flags with hyphens; values stay as they are, and all that is behind ``--``."""
    end = list(argv).index("--") if "--" in argv else len(argv)
    flags = [re.match(r"(--[^=]*)(.*)", token, re.DOTALL) for token in argv[:end]]
    named = [
        token if flag is None else flag[1].replace("_", "-") + flag[2]
        for token, flag in zip(argv, flags, strict=False)
    ]
    return [*named, *argv[end:]]


def parse(parser: ArgumentParser, command: str, argv: Sequence[str]) -> dict[str, Any]:
    """The arguments by name.

    Raises:
        SettingsError: If they do not fit; one line that names the flag.
    """
    try:
        return dict(vars(parser.parse_args(list(argv))))
    except argparse.ArgumentError as error:
        raise SettingsError(reword(str(error), parser, command)) from None


def reword(message: str, parser: ArgumentParser, command: str) -> str:
    """One line of a parser's complaint."""
    hint = f"labelmend {command} --help lists what it takes"
    if wrong := re.search(r'Parser key "(.+?)":', message):
        value = re.search(r"(?:Got value|Given value): (.*)", message)
        flag = "--" + wrong[1].replace("_", "-")
        return f"{flag} is {value[1] if value else '?'!r}, but must be {_expected(message)}"
    if missing := re.search(r"the following arguments are required: (.*)", message):
        return f"{missing[1].upper()} is missing; {hint}"
    if unknown := re.search(r"unrecognized arguments: (\S+)", message):
        flag = unknown[1].partition("=")[0]
        if not flag.startswith("-"):
            return f"{flag!r} is one argument too many; {hint}"
        near = difflib.get_close_matches(flag, _flags(parser), n=1)
        return f"{flag} is not a flag of labelmend {command}" + (
            f"; did you mean {near[0]}?" if near else f"; {hint}"
        )
    if bare := re.search(r"argument (\S+): expected (?:one|at least one) argument", message):
        return f"{bare[1]} needs a value; {hint}"
    return f"{' '.join(message.split())}; {hint}"


def _flags(parser: ArgumentParser) -> list[str]:
    return [flag for action in parser._actions for flag in action.option_strings]


def _expected(message: str) -> str:
    if choices := re.search(r"Expected a typing\.Literal\[(.+?)\]", message):
        return "one of " + choices[1].replace("'", "")
    kinds = re.findall(r"Expected a <class '(\w+)'>", message)
    return (
        " or ".join(TYPE_WORDS.get(kind, kind) for kind in kinds if kind != "NoneType") or "of another type"
    )


def parser_for(function: Callable[..., None], command: str) -> ArgumentParser:
    """A parser for a function: arguments without a default are positional, the others are flags."""
    doc = docstring_parser.parse(function.__doc__ or "")
    texts = {entry.arg_name: " ".join((entry.description or "").split()) for entry in doc.params}
    parser = make_parser(command, doc.description or "")
    hints = typing.get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        text, kind = texts.get(name, ""), hints[name]
        if parameter.default is not inspect.Parameter.empty:
            shown = "" if parameter.default in (None, False, "") else f" (default: {parameter.default})"
            flag = "--" + name.replace("_", "-")
            if kind is bool and parameter.default is False:
                parser.add_argument(flag, action="store_true", help=text)
            else:
                parser.add_argument(flag, type=kind, default=parameter.default, help=text + shown)
        elif typing.get_origin(kind) is list:
            parser.add_argument(name, nargs="+", help=text)
        else:
            parser.add_argument(name, type=kind, help=text)
    return parser


def run_function(function: Callable[..., None], command: str, argv: Sequence[str]) -> None:
    """Parse a command line by a function's signature and call it."""
    function(**parse(parser_for(function, command), command, hyphenate(argv)))
