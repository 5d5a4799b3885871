"""A run from its data to its folder: prepared, started, and gone on with after a stop."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import torch

from labelmend import __version__
from labelmend.config import NO_TEST, TRUSTED, DataSettings, NetworkSettings, Settings
from labelmend.data import is_named, sources
from labelmend.data.assemble import EmbedListing, check_training_set
from labelmend.data.decode import ProgressCallback
from labelmend.data.image_set import ImageSet, Subset
from labelmend.data.margins import with_margins
from labelmend.errors import DataError, LabelmendWarning, RunError, SettingsError, WriteError
from labelmend.files import json_text, write_json, write_text
from labelmend.models.registry import obtain_network, preprocessing_of
from labelmend.noise.record import NoiseRecord
from labelmend.noise.spec import apply as apply_noise
from labelmend.runs import folder as run_folder
from labelmend.runs.backbone import cache_beside, describe_frozen, embedding, load_frozen, save_frozen
from labelmend.runs.checksums import check_unchanged, write_sums
from labelmend.runs.finetuning import Photographs, believed, finetuned_run, start_of, without_finetuning
from labelmend.runs.fingerprint import changes, fingerprint
from labelmend.runs.records import DataRecord, read_object, read_record
from labelmend.runs.run import Run, load_run
from labelmend.runs.soft_labels import soft_label_trainer
from labelmend.runs.verified import divide_trusted, trust_decisions
from labelmend.runs.whereabouts import find_data
from labelmend.settings.saving import to_yaml
from labelmend.tensors import save_tensors
from labelmend.text import argument, count
from labelmend.training import state
from labelmend.training.arithmetic import choose_arithmetic, find_device
from labelmend.training.embedder import FrozenBackbone
from labelmend.training.finetune import finetune
from labelmend.training.listener import Listener
from labelmend.training.machine import machine
from labelmend.training.memory import kept_memory
from labelmend.training.trainer import Trained, Trainer, train
from labelmend.verdicts.decisions import standing_decisions
from labelmend.verdicts.verdicts import Verdicts

STARTED = (run_folder.DATA, run_folder.NOISE, run_folder.SETTINGS)
"""Files that are written at the start of a run, and decide its result."""

SAME_RESULT = ("processor", "threads", "torch")
"""What must stay the same for a resumed run to end with the bytes of an uninterrupted one."""


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
        frozen: the network that made features of all images, or None.
        photographs: the same images as pixels, where that network is trained too; else None.
    """

    settings: Settings
    train_set: ImageSet
    test_set: ImageSet | None
    noise: NoiseRecord | None
    source: str | None
    test_in_memory: bool
    frozen: FrozenBackbone | None = None
    photographs: Photographs | None = None

    @property
    def noise_rate(self) -> float | None:
        """Share of the training images whose label noise has changed; None without noise."""
        if self.noise is None:
            return None
        return float((self.train_set.given_labels != self.train_set.true_labels).mean())


def absolute(source: str | None) -> str | None:
    """A path that stays right in another working folder; names of data sets as they are."""
    if source is None or is_named(source) or not Path(source).exists():
        return source
    # A link stays a link: what it is called, and what is beside it, says how it is read.
    return os.path.abspath(source)


def with_absolute_paths(settings: Settings) -> Settings:
    """The settings with paths that stay right in another working folder; names stay as they are."""
    data, network = settings.data, settings.network
    located = replace(
        data,
        labels=absolute(data.labels),
        decisions=absolute(data.decisions),
        test=data.test if data.test_source is None else absolute(data.test),
        root=absolute(data.root),
        image_root=absolute(data.image_root),
    )
    return replace(settings, data=located, network=replace(network, weights=absolute(network.weights)))


def reading_of(wanted: DataSettings) -> sources.Reading:
    """How a source is read, as the settings say."""
    return {
        "label_column": wanted.label_column,
        "image_column": wanted.image_column,
        "image_root": wanted.image_root,
        "group_column": wanted.group_column,
        "skip_missing": wanted.skip_missing,
        "root": wanted.root,
        "partial": wanted.partial,
        "min_confidence": wanted.min_confidence,
    }


def prepare(
    settings: Settings,
    data: Any,
    test: Any = None,
    *,
    cache: Path | None = None,
    progress: ProgressCallback | None = None,
) -> Job:
    """Load the data of a run and add the noise that is asked for.

    Args:
        settings: of the run.
        data: any source that ``labelmend.data.sources.load`` reads.
        test: a test set in memory; a source on disk is named in ``settings.data.test``. With neither,
            the source's own test split is used, where it has one.
        cache: folder of features of frozen networks, and of soft labels behind classifier noise; None keeps
            neither.
        progress: called with (images done, images in all) while images are read.

    Raises:
        DataError: If the images or labels cannot be used.
        SettingsError: If there is no budget; if ``finetune`` is set, but no network is frozen first; if the
            network cannot be had.
    """
    settings = with_absolute_paths(settings)
    network, wanted = _checked_network(settings), settings.data
    named_test = wanted.test_source is not None
    if wanted.labels is not None and Path(wanted.labels).is_dir():
        check_unchanged(Path(wanted.labels), (run_folder.VERDICTS_PARQUET,))
        if wanted.decisions is None and (decided := standing_decisions(Path(wanted.labels))):
            warnings.warn(
                f"--labels {wanted.labels} takes what that run suggests, and not what a person decided about "
                f"{count(len(decided), 'image')} of it; --decisions with the same folder takes that too",
                LabelmendWarning,
                stacklevel=2,
            )
    if isinstance(data, str | Path):
        data = absolute(str(data))
    reading = reading_of(wanted)
    frozen = load_frozen(network, settings.training, wanted.image_size) if network.frozen else None
    embed = None if frozen is None else embedding(frozen, cache, progress)
    load_training = partial(
        sources.load,
        data,
        split=wanted.split,
        labels=wanted.labels,
        pixel_range=(wanted.pixel_range[0], wanted.pixel_range[1]) if wanted.pixel_range else None,
        # Noise is a property of the whole training split: a part of it is taken afterwards.
        limit=wanted.limit if wanted.noise is None else None,
        progress=progress,
        **reading,
    )
    train_set = load_training(
        image_size=wanted.image_size or preprocessing_of(network.network).size, embed=embed
    )
    record = None
    if wanted.noise is not None:
        # Noise that depends on the image depends on its pixels, whatever is made of them.
        pictures = train_set if frozen is None else load_training(image_size=wanted.image_size)
        noisy, record = apply_noise(wanted.noise, pictures, wanted.root, train=soft_label_trainer(cache))
        train_set = replace(noisy, images=train_set.images)
        if wanted.limit is not None:
            train_set = train_set.subset(range(min(wanted.limit, len(train_set))))
            check_training_set(train_set.given_labels, train_set.class_names, train_set.name, wanted.limit)
    if wanted.decisions is not None:
        train_set = trust_decisions(train_set, Path(wanted.decisions))

    def divided(images: ImageSet, made_of_them: EmbedListing | None) -> tuple[ImageSet, ImageSet | None]:
        """The images to train on, and a test set in the same form."""
        form: _TestForm = {"like": images, "progress": progress, "embed": made_of_them}
        if test is not None or named_test:
            return images, sources.load_test(wanted.test if test is None else test, **form, **reading)
        if wanted.test == TRUSTED:
            return divide_trusted(images)
        if wanted.test == NO_TEST:
            return images, None
        return images, sources.load_own_test(data, trained_on=wanted.split, **form, **reading)

    every = train_set
    train_set, test_set = divided(every, embed)
    photographs = None
    if frozen is not None and network.finetune:
        pixels = partial(with_margins, embedder=frozen, progress=progress)
        # What there is to say of the data has been said.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabelmendWarning)
            photographs = Photographs(*divided(_with_pixels(every, load_training(embed=pixels)), pixels))
    source = data if isinstance(data, str) else None
    settled = replace(settings, network=network)
    return Job(settled, train_set, test_set, record, source, test is not None, frozen, photographs)


def _checked_network(settings: Settings) -> NetworkSettings:
    """The network of a run with its full name, once nothing speaks against the settings as a whole."""
    settings.budget.check_set()
    if settings.network.finetune and not settings.network.frozen:
        raise SettingsError(
            f"--finetune {settings.network.finetune:g} trains a network further that was frozen first; give "
            "--recipe photos or --frozen true, or leave it out"
        )
    return obtain_network(settings.network)


class _TestForm(TypedDict):
    like: ImageSet
    progress: ProgressCallback | None
    embed: EmbedListing | None


def _with_pixels(train_set: ImageSet, pictures: ImageSet) -> ImageSet:
    """A training set of features, of which the first images of a source were taken, with pixels instead.

    Raises:
        DataError: If they are not the same images.
    """
    if pictures.ids[: len(train_set)] != train_set.ids:
        raise DataError(f"{train_set.name}: the images changed while they were read; start again")
    return replace(train_set, images=Subset(pictures.images, torch.arange(len(train_set))))


def start(job: Job, out: str | Path | None = None, *, listener: Listener | None = None) -> Run:
    """Run a job from its beginning.

    Args:
        job: what ``prepare`` returned.
        out: run folder, which the caller has claimed (``runs.folder.claimed``); a run in it is replaced. None
            keeps nothing on disk.
        listener: told of the progress.

    Raises:
        WriteError: If the folder cannot be written; what is there can be resumed.
    """
    if out is None:
        if job.photographs is not None:
            return _finetune(job, None, listener)[0]
        return _run_of(train(job.settings, job.train_set, job.test_set, listener=listener), job, None)
    folder = Path(out)
    # What cannot be used on this machine or data is found before anything is replaced.
    trainer = _first_trainer(job, folder, listener)
    run_folder.create(folder)
    write_json(
        folder / run_folder.DATA,
        {
            "source": job.source,
            "test_in_memory": job.test_in_memory,
            "images": len(job.train_set),
            "classes": job.train_set.class_names,
            **_fingerprints(job),
            **_arithmetic(job),
            "machine": {name: machine()[name] for name in SAME_RESULT},
        },
    )
    run_folder.write_skipped(folder, job.train_set.skipped)
    run_folder.write_conflicts(folder, job.train_set)
    if job.noise is not None:
        write_text(folder / run_folder.NOISE, job.noise.to_json() + "\n")
    # Last, because they make the folder a run that can be resumed.
    settings = to_yaml(job.settings)
    write_sums(folder, STARTED, {run_folder.SETTINGS: settings})
    write_text(folder / run_folder.SETTINGS, settings)
    return go_on(folder, job, listener, trainer)


def _first_trainer(job: Job, folder: Path, listener: Listener | None) -> Trainer:
    """What trains first in a run from its beginning; it has written nothing yet."""
    first = job if job.photographs is None else _on_frozen_features(job)
    settings = _settled(first.settings, _arithmetic(first))
    with kept_memory():
        return Trainer(settings, first.train_set, first.test_set, folder, listener)


def _settled(settings: Settings, arithmetic: Mapping[str, Any]) -> Settings:
    training = replace(
        settings.training, precision=arithmetic["precision"], memory_format=arithmetic["memory_format"]
    )
    return replace(settings, training=training)


def _on_frozen_features(job: Job) -> Job:
    """The part of a run with fine-tuning that comes first."""
    return replace(job, settings=without_finetuning(job.settings), photographs=None)


def _arithmetic(job: Job) -> dict[str, str]:
    """Precision and memory format of a run, settled by what the device is."""
    training = job.settings.training
    device = find_device(training.device)
    if job.train_set.has_features and job.photographs is None:
        return {"precision": "float32", "memory_format": "contiguous"}
    chosen = choose_arithmetic(device, training.precision, training.memory_format)
    return {"precision": chosen.precision, "memory_format": chosen.memory_format}


def _fingerprints(job: Job) -> dict[str, dict[str, str] | None]:
    return {
        "train": fingerprint(job.train_set),
        "test": None if job.test_set is None else fingerprint(job.test_set),
    }


def reload(
    folder: str | Path, data: Any = None, test: Any = None, *, progress: ProgressCallback | None = None
) -> Job:
    """Load the data of an unfinished run again.

    Args:
        folder: run folder.
        data: the training images, if they were in memory or have moved.
        test: the test images, if they were in memory.
        progress: called with (images done, images in all) while images are read.

    Raises:
        RunError: If the folder holds no run, its images have gone, its settings have changed since it
            started, or anything of its data has: images, ids, labels, trusted flags, the test set.

    Warns:
        LabelmendWarning: If processor, threads or PyTorch are others, so that the result can be another.
    """
    folder = Path(folder)
    run_folder.require_run(folder)
    if "fingerprint" in read_object(folder / run_folder.DATA):
        raise RunError(f"{folder} was begun by an older version of labelmend; start anew with labelmend fit")
    recorded = read_record(folder / run_folder.DATA, DataRecord)
    check_unchanged(folder, STARTED)
    if data is None and recorded["source"] is None:
        raise RunError(
            f"the images of {folder} were in memory; give them: labelmend.resume(folder, data=...)"
        )
    if test is None and recorded["test_in_memory"]:
        raise RunError(
            f"the test images of {folder} were in memory; give them: labelmend.resume(folder, test=...)"
        )
    source, settings = find_data(folder, data)
    job = prepare(settings, source, test, cache=cache_beside(folder), progress=progress)
    _check_same_data(folder, recorded, job)
    if job.settings.network != settings.network:
        raise RunError(
            f"the weights of {settings.network.network} that {folder} started from cannot be fetched again; "
            "connect this machine, or start the run anew with labelmend fit"
        )
    _check_same_machine(folder, recorded["machine"])
    if job.source not in (None, recorded["source"]):
        # What is done with the run next finds its images there.
        moved = {
            run_folder.DATA: json_text({**read_object(folder / run_folder.DATA), "source": job.source}),
            run_folder.SETTINGS: to_yaml(settings),
        }
        write_sums(folder, STARTED, moved)
        for name, text in moved.items():
            write_text(folder / name, text)
    return job


def _check_same_data(folder: Path, recorded: dict[str, Any], job: Job) -> None:
    """Refuse to go on with other data than a run started with."""
    now = _fingerprints(job)
    if len(job.train_set) != recorded["images"]:
        found = f"it had {recorded['images']} images, now {len(job.train_set)}"
    elif changed := changes(recorded["train"], now["train"] or {}):
        found = f"other {' and '.join(changed)}"
    elif (recorded["test"] is None) != (now["test"] is None):
        found = "it had a test set" if now["test"] is None else "it had no test set"
    elif changed := changes(recorded["test"] or {}, now["test"] or {}):
        found = f"other {' and '.join(changed)} of the test set"
    else:
        return
    raise RunError(f"the data of {folder} has changed ({found}); start a new run with labelmend fit")


def _check_same_machine(folder: Path, recorded: dict[str, Any]) -> None:
    now = machine()
    other = [f"{name} was {value}, now {now[name]}" for name, value in recorded.items() if now[name] != value]
    if other:
        warnings.warn(
            f"the run in {folder} goes on where {'; '.join(other)}: its result can differ from that of an "
            "uninterrupted one",
            LabelmendWarning,
            stacklevel=3,
        )


def go_on(folder: Path, job: Job, listener: Listener | None = None, trainer: Trainer | None = None) -> Run:
    """Go on with the unfinished run in a folder, which the caller holds.

    Args:
        folder: of the run.
        job: what ``reload`` returned.
        listener: told of the progress.
        trainer: one that has not begun, to be used in place of another; a run with fine-tuning makes its own.

    Raises:
        WriteError: If the folder cannot be written; what is there can be resumed.
    """
    with _kept(folder):
        # As it was settled at the start: another machine may be built for something else.
        recorded = read_record(folder / run_folder.DATA, DataRecord)
        settings = _settled(job.settings, recorded)
        if job.photographs is not None:
            run, rows = _finetune(job, folder, listener, settings)
            return _finish(folder, run, rows)
        with kept_memory():
            trainer = trainer or Trainer(
                settings,
                job.train_set,
                job.test_set,
                folder,
                listener,
                resume=state.exists(folder),
            )
            trained = trainer.run()
        return _finish(folder, _run_of(trained, job, folder), trained.rows)


def _finetune(
    job: Job, folder: Path | None, listener: Listener | None, settings: Settings | None = None
) -> tuple[Run, list[dict[str, Any]]]:
    """The run on frozen features, or what is left of it, then the training of their network.

    Args:
        job: whose photographs are trained on.
        folder: of the run; the one on frozen features has a folder in it.
        listener: told of the progress of both.
        settings: with the arithmetic that was settled when the run began; None settles it now.

    Returns:
        The run, and the metrics of each epoch in which the network was trained.
    """
    assert job.frozen is not None
    assert job.photographs is not None
    before = _frozen_run(
        _on_frozen_features(job), None if folder is None else folder / run_folder.FROZEN, listener
    )
    tuned = finetune(
        job.settings if settings is None else settings,
        believed(before, job.photographs.train),
        job.photographs.test,
        start_of(before, job.frozen),
        folder=folder,
        listener=listener,
        resume=folder is not None and state.exists(folder),
    )
    run = finetuned_run(before, tuned, job.settings, job.frozen)
    return replace(run, folder=folder), tuned.rows


def _frozen_run(job: Job, folder: Path | None, listener: Listener | None) -> Run:
    """The run on frozen features, from its folder where it is finished."""
    if folder is None or not run_folder.is_run(folder):
        return start(job, folder, listener=listener)
    return load_run(folder) if run_folder.is_finished(folder) else go_on(folder, job, listener)


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Say how to go on where the system stops a run."""
    try:
        yield
    except WriteError as error:
        raise WriteError(
            f"{error}; the last good state is kept: put this right, then go on with labelmend resume "
            f"{argument(folder)}"
        ) from error


def _finish(folder: Path, run: Run, rows: list[dict[str, Any]]) -> Run:
    if run.frozen is not None:
        save_frozen(run.frozen, folder / run_folder.BACKBONE)
    save_tensors(folder / run_folder.MODEL, run.network.state_dict(), {})
    write_json(folder / run_folder.MODEL_INFO, run.description)
    run.verdicts.save(folder)
    state.write_metrics(rows, folder)
    # The summary is what makes a run finished, so it comes last.
    summary = json_text(run.summary)
    write_sums(folder, run_folder.SUMMED, {run_folder.SUMMARY: summary})
    write_text(folder / run_folder.SUMMARY, summary)
    state.remove(folder)
    return run


def _run_of(trained: Trained, job: Job, folder: Path | None) -> Run:
    verdicts = Verdicts.from_record(trained.record, job.train_set)
    counts = {key: value for key, value in verdicts.summary().items() if key not in ("images", "verdicts")}
    noise = {} if job.noise_rate is None else {"realised_noise_rate": job.noise_rate}
    summary = {**trained.summary, **counts, **noise, "labelmend": __version__}
    description = trained.description
    if job.frozen is not None:
        description = {**description, "backbone": describe_frozen(job.frozen)}
    return Run(verdicts, job.settings, summary, trained.network, description, folder, job.frozen)
