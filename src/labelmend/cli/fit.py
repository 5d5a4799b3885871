"""``labelmend fit``: train on images whose labels may be wrong, and judge every label."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelmend.cli.messages import plain_warnings, say
from labelmend.cli.parsing import hyphenate, make_parser, parse
from labelmend.cli.progress import ProgressView
from labelmend.cli.reading import describe_job, image_bar
from labelmend.cli.report import report_at_end
from labelmend.cli.result import print_result
from labelmend.errors import SettingsError
from labelmend.methods import METHODS
from labelmend.runs import folder as run_folder
from labelmend.runs import jobs
from labelmend.runs.backbone import cache_beside
from labelmend.runs.suggest import settle
from labelmend.settings.loading import (
    DEFAULT_RECIPE,
    choose_method,
    recipe_names,
    recipe_values,
    resolve,
)
from labelmend.settings.names import add_leaf, find_leaf, leaves, takes_list, takes_truth
from labelmend.settings.retired import refuse_retired

DESCRIPTION = """\
Train an image classifier on labels that may be wrong, and judge every label.

DATA is a folder with one sub-folder per class, a table (CSV, TSV, JSONL, Parquet) of files and labels,
an .npz file, or the name of a data set such as 'digits'. Nothing else is needed:

  labelmend fit photos
  labelmend fit photos.csv --minutes 20 --out runs/photos
  labelmend fit digits --noise symmetric:0.4

The run folder then holds the model, and a verdict and a suggested label for every image."""

SECTION_TITLES = {
    "data": "data",
    "budget": "how long to train: one of",
    "": "reproducibility",
    "method": "settings of the method {method}",
    "network": "network",
    "augmentation": "augmentation",
    "training": "optimiser and machine",
}


ALONE = {"finetune": "3"}
"""What a number without a value stands for; what is true or false is true then."""


@dataclass(frozen=True)
class FitArguments:
    """A parsed command line; ``overrides`` are the settings it gives, by flat name."""

    data: str
    out: str | None
    overwrite: bool
    no_report: bool
    recipe: str | None
    method: str
    overrides: dict[str, Any]


def _flat_flags(argv: Sequence[str], method: str) -> list[str]:
    """Dotted names of flags as flat ones, ``64,128`` as a list where one is wanted, and flags alone."""
    tokens = hyphenate(argv)
    known = leaves(method)
    flat: list[str] = []
    for token in tokens:
        if token.startswith("--"):
            name, equals, value = token[2:].partition("=")
            if "." in name:
                name = find_leaf(name, method).flag[2:]
            else:
                refuse_retired(f"--{name}", method)
            flat.append(f"--{name}{equals}{value}")
        else:
            flat.append(token)
    for i, token in enumerate(flat):
        name, equals, value = token[2:].partition("=") if token.startswith("--") else ("", "", "")
        leaf = known.get(name.replace("-", "_"))
        if leaf is None:
            continue
        alone = not equals and (i + 1 == len(flat) or flat[i + 1].startswith("--"))
        if alone and (meant := "true" if takes_truth(leaf) else ALONE.get(leaf.name)):
            flat[i] = f"{leaf.flag}={meant}"
        if not takes_list(leaf):
            continue
        if equals:
            flat[i] = f"{leaf.flag}=[{value.strip('[]')}]"
        elif i + 1 < len(flat):
            flat[i + 1] = f"[{flat[i + 1].strip('[]')}]"
    return flat


def _recipe_and_method(argv: Sequence[str]) -> tuple[str, str]:
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--recipe", default=DEFAULT_RECIPE)
    first.add_argument("--method")
    try:
        known, _ = first.parse_known_args(hyphenate(argv))
    except argparse.ArgumentError as error:
        raise SettingsError(f"{error.argument_name} needs a value; labelmend fit --help lists them") from None
    return known.recipe, choose_method(known.recipe, known.method)


def _make_parser(recipe: str, method: str) -> Any:
    parser = make_parser(
        "fit",
        DESCRIPTION,
        epilog=f"Defaults shown are those of recipe {recipe!r} and method {method!r}.",
        usage="labelmend fit DATA [--out RUN] [--test SOURCE] [--minutes MINUTES] [other flags]",
    )
    parser.add_argument("data", help="where images and given labels come from")
    parser.add_argument("--out", help="run folder (default: runs/DATA-METHOD-NUMBER)")
    parser.add_argument("--overwrite", action="store_true", help="replace the run that is in the folder")
    parser.add_argument("--no-report", action="store_true", help="leave out report.html")
    names = ", ".join(recipe_names())
    parser.add_argument(
        "--recipe",
        help=f"tested settings: {names}, or a YAML file (default: photos for images above 64 px, else fast)",
    )
    parser.add_argument("--method", default=method, help=f"one of {', '.join(METHODS)}")
    values = recipe_values(recipe, method)
    groups = {
        section: parser.add_argument_group(title.format(method=method))
        for section, title in SECTION_TITLES.items()
    }
    for leaf in leaves(method).values():
        text = leaf.help.replace("``", "") + _shown(values.get(leaf.name, leaf.default))
        add_leaf(groups[leaf.section], leaf, text)
    return parser


def _shown(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return f" (default: {str(default).lower()})"
    return f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"


def parse_fit(argv: Sequence[str]) -> FitArguments:
    """Parse the arguments of ``labelmend fit``.

    Raises:
        SettingsError: If a flag is unknown or its value is not allowed; one line that names it.
    """
    recipe, method = _recipe_and_method(argv)
    given = parse(_make_parser(recipe, method), "fit", _flat_flags(argv, method))
    overrides = {name: value for name, value in given.items() if name in leaves(method)}
    return FitArguments(
        given["data"],
        given["out"],
        given["overwrite"],
        given["no_report"],
        given["recipe"],
        method,
        overrides,
    )


def main(argv: Sequence[str]) -> None:
    """Run ``labelmend fit``."""
    arguments = parse_fit(argv)
    # Settings that cannot be are told before the data is looked at.
    wanted = resolve(arguments.recipe or DEFAULT_RECIPE, arguments.method, arguments.overrides).data
    if arguments.out is None:
        folder = run_folder.next_folder(Path("runs"), arguments.data, arguments.method)
    else:
        folder = Path(arguments.out)
    run_folder.check_apart(folder, (arguments.data, wanted.test_source), (wanted.labels, wanted.decisions))
    with run_folder.claimed(folder, arguments.overwrite), plain_warnings():
        settings = settle(arguments.data, arguments.recipe, arguments.method, arguments.overrides)
        with image_bar() as progress:
            job = jobs.prepare(settings, arguments.data, cache=cache_beside(folder), progress=progress)
        for line in describe_job(job):
            say(line)
        with ProgressView(folder) as view:
            run = jobs.start(job, folder, listener=view)
        if not arguments.no_report:
            report_at_end(folder)
    print_result(run)
