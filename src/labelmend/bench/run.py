"""Run the cells of a suite one after another; each leaves one JSON file."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from labelmend.bench.contents import Contents, paths_of
from labelmend.bench.figures import draw_suite, save_figure
from labelmend.bench.results import LAST, WHERE, Result, ResultRecord, data_asked, values
from labelmend.bench.suite import Cell, Suite, read_suite
from labelmend.bench.tables import (
    OF_DETECTION,
    one_suite,
    render_absent,
    render_page,
    tables_of,
    update_document,
)
from labelmend.bench.view import BenchView
from labelmend.config import Settings
from labelmend.data.readers import find_reader
from labelmend.errors import (
    DataError,
    DivergedError,
    LabelmendError,
    LabelmendWarning,
    RunError,
    SettingsError,
    WriteError,
)
from labelmend.files import reason, write_json, write_text
from labelmend.models.libraries import OFFLINE_BACKBONE
from labelmend.models.registry import missing_options, obtain_network
from labelmend.runs import folder as run_folder
from labelmend.runs import jobs
from labelmend.runs.backbone import cache_beside
from labelmend.runs.lock import locked
from labelmend.runs.records import DataRecord, Record, read_object, read_record
from labelmend.runs.run import Run, load_run
from labelmend.settings.loading import load
from labelmend.settings.retired import modernise
from labelmend.settings.saving import to_dict
from labelmend.text import count, first_of, printable
from labelmend.training import state
from labelmend.training.listener import Listener

RUNS, FAILED = "runs", "failed"
DAMAGED = "remove it, and the cell is run again"
_NO_OPTIONS = missing_options(OFFLINE_BACKBONE)
SHOWN = 3
"""Settings in which a result differs from its suite that are named, and results that are left out."""


class Named(Record):
    """The method section of settings."""

    name: str


class DataPaths(Record):
    """The data section of settings, as far as it names files."""

    labels: str | None = None
    decisions: str | None = None
    image_root: str | None = None
    test: str | None = None


class NetworkPaths(Record):
    """The network section of settings, as far as it names files."""

    weights: str | None = None


class Sections(Record):
    """Settings as they were written."""

    seed: int
    method: Named
    data: DataPaths
    network: NetworkPaths
    augmentation: dict[str, Any]
    budget: dict[str, Any]
    training: dict[str, Any]


class RanResult(Result):
    """The JSON file of a finished cell, as far as it tells what was run."""

    settings: Sections
    data: str
    network_asked: str | None = None
    contents: dict[str, str] | None = None


class Failure(Record):
    """The JSON file of a cell that failed when it was run last."""

    row: str
    noise: str | None
    seed: int
    error: str
    day: str


def result_of(
    cell: Cell,
    run: Run,
    noise: dict[str, Any] | None,
    rows: list[dict[str, Any]],
    data: dict[str, Any],
    contents: dict[str, str],
) -> dict[str, Any]:
    """The JSON-able record of a finished cell.

    Args:
        cell: what was asked for.
        run: its result.
        noise: the noise record, with the hash of the labels, or None.
        rows: metrics of every epoch.
        data: fingerprints of the images that it was trained on and scored by.
        contents: checksums of what its paths led to.
    """
    kept = (
        "easy_purity",
        "kept_accuracy",
        "corrected_accuracy",
        "detection_ap",
        "hard_kept",
        "hard_corrected",
    )
    return {
        "suite": cell.suite,
        "row": cell.row,
        "data": cell.data,
        "noise": cell.noise,
        "seed": cell.seed,
        "settings": to_dict(run.settings),
        "network_asked": cell.settings.network.network,
        "noise_record": noise,
        "train_set": data["train"],
        "test_set": data["test"],
        "contents": contents,
        "summary": run.summary,
        "selection": {name: rows[-1][name] for name in kept if name in rows[-1]},
        "curve": [
            {name: row[name] for name in ("epoch", "flops", "seconds", "test_accuracy")}
            for row in rows
            if "test_accuracy" in row
        ],
        "finished": time.strftime("%Y-%m-%d"),
    }


def run_cell(cell: Cell, folder: Path, listener: Listener) -> ResultRecord:
    """Run one cell to its end, or go on with it; returns its record.

    A run in the folder that is of other settings or data is replaced: no result of it is lost.

    Args:
        cell: what to run.
        folder: its run folder, which may hold an unfinished run.
        listener: is told how it goes.

    Warns:
        LabelmendWarning: That an unfinished run is replaced.
    """
    wanted = cell.settings.data
    run_folder.check_apart(folder, (cell.data, wanted.test_source), (wanted.labels, wanted.decisions))
    contents = Contents().of(cell)
    run = _gone_on(cell, folder, listener)
    if run is None:
        if run_folder.is_run(folder):
            warnings.warn(
                f"{cell.name}: its unfinished run is damaged, or was of other settings or data, and is begun "
                "anew",
                LabelmendWarning,
                stacklevel=2,
            )
        with run_folder.claimed(folder, overwrite=True):
            run = jobs.start(
                jobs.prepare(cell.settings, cell.data, cache=cache_beside(folder)),
                folder,
                listener=listener,
            )
    noise = folder / run_folder.NOISE
    record = read_object(noise) if noise.is_file() else None
    data = read_record(folder / run_folder.DATA, DataRecord)
    return result_of(cell, run, record, run_folder.read_metrics(folder), data, contents)


def _gone_on(cell: Cell, folder: Path, listener: Listener) -> Run | None:
    """The result of the run in a folder, once it is finished; None where it is not of the cell."""
    if not _is_of(cell, folder):
        return None
    with run_folder.held(folder):
        try:
            job = jobs.reload(folder)
            if run_folder.is_finished(folder):
                # The process ended before its result was written.
                return load_run(folder)
        except WriteError:
            raise
        except RunError:
            # Its images or labels are others by now, it is damaged, or an older version began it.
            return None
        return jobs.go_on(folder, job, listener)


def _is_of(cell: Cell, folder: Path) -> bool:
    """Whether a folder holds a run of a cell as the suite now asks for it; a damaged one is of none."""
    if not run_folder.is_run(folder):
        return False
    asked = jobs.with_absolute_paths(cell.settings)
    with warnings.catch_warnings():
        # Which network can be had is said when the cell goes on.
        warnings.simplefilter("ignore", LabelmendWarning)
        network = obtain_network(asked.network)
    wanted = to_dict(replace(asked, network=network))
    try:
        source = read_object(folder / run_folder.DATA).get("source")
        ran = to_dict(load(folder / run_folder.SETTINGS))
    except LabelmendError:
        return False
    # It was begun on this machine: files of one name in two folders are two.
    here = source == jobs.absolute(cell.data) and all(
        ran[section][name] == wanted[section][name]
        for section, name in (*(("data", name) for name in WHERE), ("network", "weights"))
    )
    return here and same_result(ran, wanted)


def same_result(ran: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether two settings, as nested dictionaries, ask for the same result."""
    return _comparable(ran) == _comparable(wanted)


def _comparable(settings: dict[str, Any], same: Container[str] = ()) -> dict[str, Any]:
    """Settings, as nested dictionaries, without where on a machine files lie.

    Args:
        settings: as they are written.
        same: settings whose paths are known to lead to the same, whatever they are called.
    """
    network = dict(settings["network"])
    if network["weights"] is not None:
        network["weights"] = Path(network["weights"]).name
    if network["frozen"]:
        # Older versions wrote options that the heads on its features do not have.
        network = {name: value for name, value in network.items() if name not in _NO_OPTIONS}
    data = data_asked(settings["data"])
    for section in (data, network):
        section.update({name: None for name in section if name in same})
    return {**settings, "data": data, "network": network}


def check_same_settings(path: Path, cell: Cell, contents: dict[str, str]) -> None:
    """Refuse a result that was run with other settings or data than the suite now asks for.

    Where the data lie may differ from machine to machine, and so may what they are called: of what can be
    read here, the contents are compared, and the name of the rest. Which weights were to be had is not. A
    setting that did not exist when the result was run had what is now its default; one that no longer exists
    is left out.

    Args:
        path: of the result.
        cell: what the suite asks for.
        contents: checksums of what its paths lead to.

    Raises:
        RunError: If the settings or the data differ, in which case it says in what, or it is damaged.
    """
    record = read_record(path, RanResult, DAMAGED)
    known = record.get("contents") or {}
    both = known.keys() & contents.keys()
    other = [name for name in contents if name in both and known[name] != contents[name]]
    if other:
        held = " and ".join(f"the {name} {paths_of(cell)[name]}" for name in other)
        raise RunError(f"its result is of what {held} held before; {_ways_out(path)}")
    if "data" not in both and Path(record["data"]).name != Path(cell.data).name:
        raise RunError(_other_than(path, f"data {record['data']}, now {cell.data}"))
    # As it was recorded: a relative path may have no name, as "." has none.
    asked = jobs.with_absolute_paths(cell.settings)
    ran, wanted = modernise(record["settings"], path), to_dict(asked)
    if record.get("network_asked") is not None:
        ran = {**ran, "network": {**ran["network"], "network": record["network_asked"]}}
    defaults = to_dict(Settings(type(cell.settings.method)()))
    filled = {
        section: {**defaults[section], **ran[section]} if isinstance(values, dict) else ran[section]
        for section, values in wanted.items()
    }
    before, now = _comparable(filled, both), _comparable(wanted, both)
    if before != now:
        raise RunError(_other_than(path, _difference(before, now)))


def _other_than(path: Path, what: str) -> str:
    return f"its result was run with other settings ({what}); {_ways_out(path)}"


def _ways_out(path: Path) -> str:
    return f"remove it from {path.parent}, or give the row another name"


def _difference(ran: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The first settings, by section, in which two differ."""
    told = []
    for section, now in wanted.items():
        before = ran.get(section)
        if not isinstance(now, dict) or not isinstance(before, dict):
            before, now = {section: before}, {section: now}
        for name in {**now, **before}:
            if before.get(name) != now.get(name):
                shown = section if name == "name" else name
                told.append(f"{shown} {before.get(name)}, now {now.get(name)}")
    return first_of(told, SHOWN, "; ")


def run_bench(file: Path, out: Path, document: Path | None = None) -> None:
    """Run a suite, keeping what is finished and going on with what is not.

    Args:
        file: YAML file of the suite.
        out: folder for results: one JSON file a cell in ``out/SUITE``, and of those that failed in
            ``out/SUITE/failed``; the tables in ``out/SUITE.md`` and the figure in ``out/SUITE.png``, also
            where the suite is stopped; ``out/runs`` has unfinished runs and what all suites share.
        document: a Markdown file whose tables of this suite are brought up to date, or None.

    Raises:
        SettingsError: If the suite cannot be read.
        RunError: If another process is at work on the suite in ``out``, ``out`` lies among images, or
            ``document`` has no place for its table; once all other cells are finished, if one failed or its
            result in ``out`` is damaged, or was run with other settings or data.
        WriteError: If ``out`` cannot be written.
    """
    suite, console = read_suite(file), Console(soft_wrap=True, markup=False, highlight=False, emoji=False)
    if document is not None:
        _check_document(document, suite)
    results = out / suite.name
    for cell in suite.cells:
        wanted = cell.settings.data
        run_folder.check_outside(out, (cell.data, wanted.test_source), "--out")
    _check_sources(file, suite, results)
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"--out {out} cannot be used: {reason(error)}; give another folder") from error
    with locked(results):
        done, failed = _finished(suite, results)
        try:
            _run_cells(suite, out, done, failed, console)
        except BaseException:
            with suppress(LabelmendError):
                _report(suite, done, failed, out, console, document)
            raise
        _say_left_out(suite, results, console)
        _report(suite, done, failed, out, console, document)
    if failed:
        first = next(iter(failed.values()))
        raise RunError(f"{len(failed)} of {len(suite.cells)} cells failed: {_listed(failed)}") from first


def _check_sources(file: Path, suite: Suite, results: Path) -> None:
    """Refuse a suite with cells to run on what is no data set, file or folder, before anything is written.

    Raises:
        SettingsError: If there is such a cell.
    """
    for cell in suite.cells:
        if (results / f"{cell.name}.json").exists():
            continue
        for name, source in (("data", cell.data), ("test", cell.settings.data.test_source)):
            try:
                if source is not None:
                    find_reader(source)
            except DataError as error:
                place = f"suite {file}" if name == "data" else f"suite {file}, row {cell.row!r}"
                raise SettingsError(f"{place}: {name!r} is {source!r}; {error}") from error


def _run_cells(
    suite: Suite, out: Path, done: dict[str, ResultRecord], failed: dict[str, Exception], console: Console
) -> None:
    """Run the cells that are neither done nor failed, and enter them there.

    Raises:
        WriteError: If the results cannot be written.
    """
    results = out / suite.name
    to_run = [cell for cell in suite.cells if cell.name not in done.keys() | failed.keys()]
    with BenchView(suite, to_run, list(done.values()), console) as view:
        for name, why in failed.items():
            view.say(f"{name}: {_words(why)}")
        for cell in to_run:
            view.begin(cell)
            try:
                # All runs lie in one folder: features and soft labels are kept beside them.
                with _of_cell(cell):
                    record = _finish_cell(cell, results, out / RUNS / suite.folder_of(cell), view)
            except Exception as error:
                failed[cell.name] = error
                _record_failure(cell, results, error)
                view.fail(cell, _words(error))
            else:
                done[cell.name] = record
                view.finish(cell, record)


@contextmanager
def _of_cell(cell: Cell) -> Iterator[None]:
    """Warnings begin with the name of the cell that they are of."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def named(message: Warning | str, category: type[Warning], *details: Any, **more: Any) -> None:
            show(category(f"{cell.name}: {message}"), category, *details, **more)

        warnings.showwarning = named
        yield


def _record_failure(cell: Cell, results: Path, error: Exception) -> None:
    """Leave why a cell failed in a folder of its own, where nobody takes it for a result.

    Raises:
        WriteError: If that cannot be written; nor could any other cell be.
    """
    record = {
        "suite": cell.suite,
        "row": cell.row,
        "noise": cell.noise,
        "seed": cell.seed,
        "error": _words(error),
        "day": time.strftime("%Y-%m-%d"),
    }
    try:
        (results / FAILED).mkdir(exist_ok=True)
        write_json(_failure(cell, results), record)
    except (OSError, WriteError) as refused:
        raise WriteError(f"{cell.name}: {_words(error)}; that cannot be recorded: {refused}") from error


def _failure(cell: Cell, results: Path) -> Path:
    return results / FAILED / f"{cell.name}.json"


def _absent(
    suite: Suite, done: dict[str, ResultRecord], failed: dict[str, Exception], results: Path
) -> dict[str, str]:
    """Why cells have no result, by name."""
    absent = {}
    for cell in suite.cells:
        if cell.name in failed:
            absent[cell.name] = f"failed: {_words(failed[cell.name])}"
        elif cell.name not in done:
            begun = state.exists(results.parent / RUNS / suite.folder_of(cell))
            otherwise = "stopped on its way; the same command goes on with it" if begun else "not run yet"
            absent[cell.name] = _failed_before(_failure(cell, results)) or otherwise
    return absent


def _failed_before(path: Path) -> str | None:
    """What a cell failed of when it was run last, as long as that can be read."""
    with suppress(RunError):
        record = read_record(path, Failure)
        return f"failed on {record['day']}: {record['error']}"
    return None


def _finished(suite: Suite, results: Path) -> tuple[dict[str, ResultRecord], dict[str, Exception]]:
    """Results that are there by the name of their cell, and why others that are there cannot be used."""
    done: dict[str, ResultRecord] = {}
    failed: dict[str, Exception] = {}
    contents = Contents()
    for cell in suite.cells:
        path = results / f"{cell.name}.json"
        if path.is_file():
            try:
                check_same_settings(path, cell, contents.of(cell))
                # A row may be called otherwise since, and have the same file name.
                done[cell.name] = {**read_object(path), "row": cell.row}
            except LabelmendError as error:
                failed[cell.name] = error
    return done, failed


def _words(error: Exception) -> str:
    kind = "" if isinstance(error, LabelmendError) else f"unexpected {type(error).__name__}: "
    return f"{kind}{error}"


def _listed(failed: dict[str, Exception]) -> str:
    """Cells with why they failed, each reason once: what a suite lacks, all its cells may lack."""
    names: dict[str, list[str]] = {}
    for name, why in failed.items():
        names.setdefault(_words(why), []).append(name)
    hint = "; what is named as a flag is a setting of the suite" if any("--" in why for why in names) else ""
    told = (f"{of[0]}{f' and {len(of) - 1} more' if of[1:] else ''}: {why}" for why, of in names.items())
    return "; ".join(told) + hint


def _finish_cell(cell: Cell, results: Path, folder: Path, listener: Listener) -> ResultRecord:
    """Run a cell; leave its result and remove its run."""
    try:
        record = run_cell(cell, folder, listener)
    except DivergedError:
        # It would diverge again from where it is: the next try is from the beginning. There may be no run
        # yet: noise trains a network of its own.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    write_json(results / f"{cell.name}.json", record)
    shutil.rmtree(folder)
    with suppress(OSError):
        _failure(cell, results).unlink()
        (results / FAILED).rmdir()
    return record


def _check_document(document: Path, suite: Suite) -> None:
    """Refuse, before hours are spent, a document that no table of the suite will come into."""
    if not document.is_file():
        raise RunError(f"--document {document} does not exist; name a Markdown file with table markers")
    if not any(name.removesuffix(OF_DETECTION) == suite.name for name in tables_of(document)):
        raise RunError(
            f"--document {document} has no place for the table of {suite.name}; write the lines "
            f"'<!-- table: {suite.name} -->' and '<!-- end of table -->' where it belongs"
        )


def _say_left_out(suite: Suite, results: Path, console: Console) -> None:
    """Say which results in the folder are of no cell of the suite, such as those of a row renamed since."""
    cells = {cell.name for cell in suite.cells}
    others = sorted(path.name for path in results.glob("*.json") if path.stem not in cells)
    if others:
        console.print(
            printable(
                f"{count(len(others), 'result')} in {results} left out of the tables, of no cell of this "
                f"suite: {first_of(others, SHOWN)}; remove what is not needed"
            )
        )


def _report(
    suite: Suite,
    done: dict[str, ResultRecord],
    failed: dict[str, Exception],
    out: Path,
    console: Console,
    document: Path | None,
) -> None:
    """Write the tables and the figure of the cells that are finished; print the tables."""
    records, figure = [done[name] for name in sorted(done)], out / f"{suite.name}.png"
    absent = render_absent(_absent(suite, done, failed, out / suite.name), len(suite.cells))
    tables = render_page(records, absent)
    write_text(out / f"{suite.name}.md", f"# {printable(suite.title)}\n\n{tables}")
    if values(records, LAST):
        save_figure(draw_suite(records), figure)
    else:
        with suppress(OSError):
            figure.unlink()
        if records:
            console.print("no test set, so there is no figure of test accuracy")
    for line in ("", suite.title, "", *tables.splitlines()):
        console.print(printable(line))
    if document is not None:
        update_document(document, one_suite(suite.name, records))
