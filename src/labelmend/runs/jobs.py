"""A run from its data to its folder: prepared, started, and gone on with after a stop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labelmend import __version__
from labelmend.config import Settings
from labelmend.data import is_named, sources
from labelmend.data.decode import ProgressCallback
from labelmend.data.image_set import ImageSet
from labelmend.errors import RunError
from labelmend.files import write_json, write_text
from labelmend.models.registry import obtain_network, preprocessing_of
from labelmend.noise.record import NoiseRecord
from labelmend.noise.spec import apply as apply_noise
from labelmend.runs import folder as run_folder
from labelmend.runs.records import DataRecord, read_record
from labelmend.runs.run import Run
from labelmend.settings.loading import load
from labelmend.settings.saving import save
from labelmend.tensors import save_tensors
from labelmend.training.listener import Listener
from labelmend.training.soft_labels import averaged_softmax
from labelmend.training.state import CHECKPOINT
from labelmend.training.trainer import Trained, train
from labelmend.verdicts.verdicts import Verdicts

NO_TEST = "none"
"""Given as a test set: there is none, whatever the source has."""


@dataclass(frozen=True)
class Job:
    """Settings and the data they name, loaded: a run that has not begun.

    Attributes:
        settings: of the run.
        train_set: the training images, noise included.
        test_set: images whose labels are true, or None.
        noise: what was done to the labels, or None.
        source: where the training images come from; None for images in memory.
        test_in_memory: whether the test images were handed over in memory.
    """

    settings: Settings
    train_set: ImageSet
    test_set: ImageSet | None
    noise: NoiseRecord | None
    source: str | None
    test_in_memory: bool


def _absolute(source: str | None) -> str | None:
    """A path that stays right in another working folder; names of data sets as they are."""
    if source is None or is_named(source) or not Path(source).exists():
        return source
    return str(Path(source).resolve())


def prepare(
    settings: Settings, data: Any, test: Any = None, *, progress: ProgressCallback | None = None
) -> Job:
    """Load the data of a run and add the noise that is asked for.

    Args:
        settings: of the run.
        data: any source that ``labelmend.data.sources.load`` reads.
        test: a test set in memory; a source on disk is named in ``settings.data.test``. With neither,
            the source's own test split is used, where it has one.
        progress: called with (images done, images in all) while images are read.

    Raises:
        DataError: If the images or labels cannot be used.
    """
    no_test = settings.data.test == NO_TEST
    wanted = replace(
        settings.data,
        labels=_absolute(settings.data.labels),
        test=settings.data.test if no_test else _absolute(settings.data.test),
        root=_absolute(settings.data.root),
        image_root=_absolute(settings.data.image_root),
    )
    network = obtain_network(replace(settings.network, weights=_absolute(settings.network.weights)))
    if isinstance(data, str | Path):
        data = _absolute(str(data))
    reading: sources.Reading = {
        "label_column": wanted.label_column,
        "image_column": wanted.image_column,
        "image_root": wanted.image_root,
        "group_column": wanted.group_column,
        "skip_missing": wanted.skip_missing,
        "root": wanted.root,
    }
    train_set = sources.load(
        data,
        split=wanted.split,
        labels=wanted.labels,
        image_size=wanted.image_size or preprocessing_of(network.network).size,
        # Noise is a property of the whole training split: a part of it is taken afterwards.
        limit=wanted.limit if wanted.noise is None else None,
        progress=progress,
        **reading,
    )
    record = None
    if wanted.noise is not None:
        train_set, record = apply_noise(wanted.noise, train_set, wanted.root, train=averaged_softmax)
        if wanted.limit is not None:
            train_set = train_set.subset(range(min(wanted.limit, len(train_set))))
    test_set: ImageSet | None = None
    if test is not None or (wanted.test is not None and not no_test):
        test_set = sources.load_test(
            wanted.test if test is None else test,
            like=train_set,
            progress=progress,
            **reading,
        )
    elif not no_test:
        test_set = sources.load_own_test(
            data,
            like=train_set,
            trained_on=wanted.split,
            progress=progress,
            **reading,
        )
    source = data if isinstance(data, str) else None
    settled = replace(settings, data=wanted, network=network)
    return Job(settled, train_set, test_set, record, source, test is not None)


def start(
    job: Job, out: str | Path | None = None, *, overwrite: bool = False, listener: Listener | None = None
) -> Run:
    """Run a job from its beginning.

    Args:
        job: what ``prepare`` returned.
        out: run folder; None keeps nothing on disk.
        overwrite: replace the run that is in the folder.
        listener: told of the progress.

    Raises:
        RunError: If the folder is not empty.
    """
    if out is None:
        return _run_of(train(job.settings, job.train_set, job.test_set, listener=listener), job, None)
    folder = Path(out)
    run_folder.check_free(folder, overwrite)
    run_folder.create(folder)
    run_folder.write_readme(folder)
    run_folder.write_data(folder, job.train_set, job.source, job.test_in_memory)
    run_folder.write_skipped(folder, job.train_set.skipped)
    if job.noise is not None:
        write_text(folder / run_folder.NOISE, job.noise.to_json() + "\n")
    save(job.settings, folder / run_folder.SETTINGS)
    return _train_in(folder, job, listener, resume=False)


def reload(
    folder: str | Path, data: Any = None, test: Any = None, *, progress: ProgressCallback | None = None
) -> Job:
    """Load the data of an unfinished run again.

    Args:
        folder: run folder.
        data: the training images, if they were in memory.
        test: the test images, if they were in memory.
        progress: called with (images done, images in all) while images are read.

    Raises:
        RunError: If the folder holds no run, or ids or labels have changed since it started.
    """
    folder = Path(folder)
    run_folder.require_run(folder)
    recorded = read_record(folder / run_folder.DATA, DataRecord)
    if data is None and recorded["source"] is None:
        raise RunError(
            f"the images of {folder} were in memory; give them: labelmend.resume(folder, data=...)"
        )
    if test is None and recorded["test_in_memory"]:
        raise RunError(
            f"the test images of {folder} were in memory; give them: labelmend.resume(folder, test=...)"
        )
    settings = load(folder / run_folder.SETTINGS)
    job = prepare(settings, recorded["source"] if data is None else data, test, progress=progress)
    run_folder.check_same_data(folder, job.train_set)
    if job.settings.network != settings.network:
        raise RunError(
            f"the weights of {settings.network.network} that {folder} started from cannot be fetched again; "
            "connect this machine, or start the run anew with labelmend fit"
        )
    return job


def go_on(folder: Path, job: Job, listener: Listener | None = None) -> Run:
    """Go on with the unfinished run in a folder; ``job`` is what ``reload`` returned."""
    return _train_in(folder, job, listener, resume=(folder / CHECKPOINT).is_file())


def _train_in(folder: Path, job: Job, listener: Listener | None, resume: bool) -> Run:
    trained = train(
        job.settings, job.train_set, job.test_set, folder=folder, listener=listener, resume=resume
    )
    run = _run_of(trained, job, folder)
    save_tensors(folder / run_folder.MODEL, trained.network.state_dict(), {})
    write_json(folder / run_folder.MODEL_INFO, run.description)
    run.verdicts.save(folder)
    # The summary is what makes a run finished, so it comes last.
    write_json(folder / run_folder.SUMMARY, run.summary)
    run_folder.remove_checkpoint(folder)
    return run


def _run_of(trained: Trained, job: Job, folder: Path | None) -> Run:
    verdicts = Verdicts.from_record(trained.record, job.train_set)
    counts = {key: value for key, value in verdicts.summary().items() if key not in ("images", "verdicts")}
    noise = {} if job.noise is None else {"realised_noise_rate": job.noise.realised_rate}
    summary = {**trained.summary, **counts, **noise, "labelmend": __version__}
    return Run(verdicts, job.settings, summary, trained.network, trained.description, folder)
