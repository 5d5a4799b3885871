"""Noise by name: ``KIND[:RATE or VARIANT][:key=value ...]``, e.g. ``instance-shared:0.4:seed=0``."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from labelmend.data.image_set import ImageSet
from labelmend.errors import LabelmendWarning, SettingsError
from labelmend.noise import (
    asymmetric,
    classifier,
    human,
    instance_per_class,
    instance_shared,
    pairflip,
    part_dependent,
    symmetric,
    transition,
)
from labelmend.noise.inputs import MAX_SEED
from labelmend.noise.pixels import reduced_pixels
from labelmend.noise.record import NoiseRecord

Noisy = tuple[np.ndarray, NoiseRecord]
PART_SIDE = 8
CIFAR10_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@dataclass(frozen=True)
class NoiseSpec:
    """A noise model and its settings.

    Attributes:
        kind: a key of ``KINDS``.
        rate: nominal rate in [0, 1], or None for kinds without one.
        variant: which set of human labels, or None for other kinds.
        seed: of the draws.
        options: further settings of the kind, as text.
    """

    kind: str
    rate: float | None = None
    variant: str | None = None
    seed: int = 0
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The text that ``parse`` reads."""
        first = self.variant if self.rate is None else repr(self.rate)
        options = dict(self.options) | ({"seed": str(self.seed)} if KINDS[self.kind].seeded else {})
        return ":".join([self.kind, *([first] if first else []), *(f"{k}={v}" for k, v in options.items())])

    def text(self, name: str, default: str | None = None) -> str:
        """An option.

        Raises:
            SettingsError: If it is missing and has no default.
        """
        value = self.options.get(name, default)
        if value is None:
            raise SettingsError(f"--noise {self}: {self.kind} needs {name}=")
        return value

    def integer(self, name: str, default: int) -> int:
        """An option that is a whole number.

        Raises:
            SettingsError: If it is not.
        """
        value: int = _number(self.options.get(name, str(default)), int, f"--noise {self}: {name}")
        return value


@dataclass(frozen=True)
class Inputs:
    """What a noise model may look at.

    Attributes:
        image_set: N images.
        true: int64 (N,), the labels to corrupt.
        root: folder that human label files are looked for in, or None.
        train: trains the network behind classifier noise, or None.
    """

    image_set: ImageSet
    true: np.ndarray
    root: str | Path | None
    train: classifier.SoftLabelTrainer | None

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return self.image_set.num_classes


@dataclass(frozen=True)
class Kind:
    """A noise model that can be named.

    Attributes:
        apply: from specification and inputs to the given labels and their record.
        options: names of its further settings.
        rated: whether it takes a rate.
        variants: names of its variants; the first is the default. Empty where it has none.
        seeded: whether it takes a seed.
    """

    apply: Callable[[NoiseSpec, Inputs], Noisy]
    options: tuple[str, ...] = ()
    rated: bool = True
    variants: tuple[str, ...] = ()
    seeded: bool = True


def parse(text: str) -> NoiseSpec:
    """Read ``KIND[:RATE or VARIANT][:key=value ...]``.

    Raises:
        SettingsError: If the kind is unknown (the message lists the kinds), the rate is missing or out of
            range, or an option is unknown.
    """
    name, *parts = text.strip().split(":")
    if name not in KINDS:
        near = difflib.get_close_matches(name, KINDS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise SettingsError(
            f"--noise {text}: there is no noise {name!r}; {hint}the kinds are {', '.join(KINDS)}"
        )
    kind = KINDS[name]
    plain = [part for part in parts if "=" not in part]
    named = [part.partition("=")[::2] for part in parts if "=" in part]
    options, names = dict(named), [option for option, _ in named]
    twice = next((option for option in names if names.count(option) > 1), None)
    if twice is not None:
        raise SettingsError(f"--noise {text}: {twice}= is given twice; leave one out")
    if len(plain) > 1:
        raise SettingsError(f"--noise {text}: {plain[1]!r} is not understood; write {_form(name)}")
    allowed = (*kind.options, *(["seed"] if kind.seeded else []))
    for option in options:
        if option not in allowed:
            raise SettingsError(
                f"--noise {text}: {name} has no option {option!r}; it has {', '.join(allowed) or 'none'}"
            )
    seed = _number(options.pop("seed", "0"), int, f"--noise {text}: seed")
    if not 0 <= seed <= MAX_SEED:
        raise SettingsError(f"--noise {text}: seed is {seed}, but must be from 0 to {MAX_SEED}")
    if kind.rated:
        if not plain:
            raise SettingsError(f"--noise {text}: the rate is missing; write {_form(name)}")
        rate = _number(plain[0], float, f"--noise {text}: rate")
        if not 0 <= rate <= 1:
            raise SettingsError(f"--noise {text}: rate is {rate:g}, but must be in [0, 1]")
        return NoiseSpec(name, rate, None, seed, options)
    variant = plain[0] if plain else next(iter(kind.variants[:1]), None)
    if variant is not None and variant not in kind.variants:
        expected = f"one of {', '.join(kind.variants)}" if kind.variants else f"left out; write {_form(name)}"
        raise SettingsError(f"--noise {text}: {variant!r} must be {expected}")
    return NoiseSpec(name, None, variant, seed, options)


def apply(
    spec: NoiseSpec | str,
    image_set: ImageSet,
    root: str | Path | None = None,
    *,
    train: classifier.SoftLabelTrainer | None = None,
) -> tuple[ImageSet, NoiseRecord]:
    """Corrupt the labels of a full training split.

    Noise goes on the full split, in its original order, and a part of it is taken afterwards: human labels
    are for the full split, and a seed means the same labels only for the same images.

    Args:
        spec: what noise; text is parsed.
        image_set: N images. Their true labels are corrupted, or the given ones where no others are known.
        root: folder that human label files are looked for in, by default ``$LABELMEND_DATA``.
        train: trains the network behind ``classifier`` noise whose soft labels are not in a file yet; other
            kinds need none. ``labelmend.training.soft_labels.averaged_softmax`` is one.

    Returns:
        The image set with the noisy labels as ``given_labels`` and the clean ones as ``true_labels``, and
        the record of the noise. Labels that a person has confirmed stay as they are.

    Warns:
        LabelmendWarning: If given labels that differ from known true ones are replaced.

    Raises:
        SettingsError: If the specification does not fit.
        DataError: If a file it needs is missing or does not fit the images.
    """
    wanted = parse(spec) if isinstance(spec, str) else spec
    known = image_set.true_labels
    true = np.asarray(image_set.given_labels if known is None else known, dtype=np.int64)
    kept = np.zeros(len(true), dtype=bool) if image_set.trusted is None else image_set.trusted
    replaced = int(((true != image_set.given_labels) & ~kept).sum())
    if replaced:
        warnings.warn(
            f"--noise {wanted} is put on the true labels, which are known: given labels, {replaced:,} of "
            "them others than the true ones, are not used; leave --noise out to use them",
            LabelmendWarning,
            stacklevel=2,
        )
    given, record = KINDS[wanted.kind].apply(wanted, Inputs(image_set, true, root, train))
    if image_set.trusted is not None and image_set.trusted.any():
        given = np.where(image_set.trusted, image_set.given_labels, given)
        record = record.again(true, given, image_set.num_classes, trusted=int(image_set.trusted.sum()))
    return replace(image_set, given_labels=given, true_labels=true), record


def _form(name: str) -> str:
    kind = KINDS[name]
    first = ":RATE" if kind.rated else (":" + "|".join(kind.variants) if kind.variants else "")
    options = (*kind.options, *(["seed"] if kind.seeded else []))
    return name + first + "".join(f"[:{option}=...]" for option in options)


def _number(text: str, kind: type, what: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        words = "a whole number" if kind is int else "a number"
        raise SettingsError(f"{what} is {text!r}, but must be {words}") from None


def _rate(spec: NoiseSpec) -> float:
    if spec.rate is None:
        raise SettingsError(f"--noise {spec}: the rate is missing; write {_form(spec.kind)}")
    return spec.rate


def _symmetric(spec: NoiseSpec, inputs: Inputs) -> Noisy:
    return symmetric.symmetric(inputs.true, inputs.num_classes, _rate(spec), spec.seed)


def _inclusive(spec: NoiseSpec, inputs: Inputs) -> Noisy:
    return symmetric.symmetric_inclusive(inputs.true, inputs.num_classes, _rate(spec), spec.seed)


def _asymmetric(spec: NoiseSpec, inputs: Inputs) -> Noisy:
    is_cifar10 = [name.lower() for name in inputs.image_set.class_names] == CIFAR10_CLASSES
    default = "cifar10" if is_cifar10 else "superclass" if inputs.num_classes == 100 else None
    name = spec.options.get("map", default)
    if name is None:
        raise SettingsError(
            f'--noise {spec}: these classes need map=FILE.json, an object such as {{"cat": "dog"}}'
        )
    if name == "cifar10":
        if inputs.num_classes != 10:
            raise SettingsError(f"--noise {spec}: map=cifar10 is for 10 classes, not {inputs.num_classes}")
        mapping = asymmetric.CIFAR10_MAP
    elif name == "superclass":
        mapping = asymmetric.superclass_map(inputs.num_classes)
    else:
        mapping = asymmetric.load_map(Path(name), inputs.image_set.class_names)
    return asymmetric.asymmetric(inputs.true, inputs.num_classes, _rate(spec), spec.seed, mapping)


def _pairflip(spec: NoiseSpec, inputs: Inputs) -> Noisy:
    return pairflip.pairflip(inputs.true, inputs.num_classes, _rate(spec), spec.seed)


def _transition(spec: NoiseSpec, inputs: Inputs) -> Noisy:
    matrix = transition.load_matrix(Path(spec.text("file")))
    if len(matrix) != inputs.num_classes:
        raise SettingsError(
            f"--noise {spec}: the matrix is for {len(matrix)} classes, but "
            f"{inputs.image_set.name or 'the data'} has {inputs.num_classes}"
        )
    return transition.transition(inputs.true, matrix, spec.seed)


def _instance_shared(spec: NoiseSpec, inputs: Inputs) -> Noisy:
    pixels = reduced_pixels(inputs.image_set.images)
    return instance_shared.instance_shared(inputs.true, pixels, inputs.num_classes, _rate(spec), spec.seed)


def _instance_per_class(spec: NoiseSpec, inputs: Inputs) -> Noisy:
    chosen: dict[str, Any] = dict(spec.options)
    pixels = reduced_pixels(inputs.image_set.images)
    return instance_per_class.instance_per_class(
        inputs.true, pixels, inputs.num_classes, _rate(spec), spec.seed, **chosen
    )


def _part_dependent(spec: NoiseSpec, inputs: Inputs) -> Noisy:
    features = reduced_pixels(inputs.image_set.images, PART_SIDE).reshape(len(inputs.image_set), -1) / 255.0
    return part_dependent.part_dependent(
        inputs.true,
        features,
        inputs.num_classes,
        _rate(spec),
        spec.seed,
        spec.integer("parts", part_dependent.PARTS),
    )


def _classifier(spec: NoiseSpec, inputs: Inputs) -> Noisy:
    epochs = spec.integer("epochs", 0) if "epochs" in spec.options else None
    recipe = classifier.choose_recipe(spec.text("recipe", "quick"), epochs, spec.options.get("network"))
    kept = Path(spec.options["soft"]) if "soft" in spec.options else None
    if kept is not None and kept.suffix != ".npz":
        raise SettingsError(f"--noise {spec}: soft= must name an .npz file")
    wanted = classifier.describe_recipe(recipe) | {"seed": spec.seed}
    if kept is not None and kept.is_file():
        soft_labels, made = classifier.load_soft_labels(kept, inputs.true)
        _warn_of_unlike(spec, kept.name, made, wanted)
        made["soft_labels"] = kept.name
    elif inputs.train is not None:
        make = partial(_trained, spec, inputs.train, inputs.image_set.with_labels(inputs.true), recipe)
        soft_labels = make() if kept is None else classifier.kept_soft_labels(kept, inputs.true, make, wanted)
        made = dict(wanted)
    else:
        raise SettingsError(
            f"--noise {spec}: there are no soft labels and nothing to train a network with; give a file of "
            "them with soft=, or train=labelmend.training.soft_labels.averaged_softmax"
        )
    if soft_labels.shape[1] != inputs.num_classes:
        raise SettingsError(
            f"--noise {spec}: the soft labels are of {soft_labels.shape[1]} classes, but "
            f"{inputs.image_set.name or 'the data'} has {inputs.num_classes}"
        )
    seed = made.pop("seed", None)
    given, record = classifier.classifier(inputs.true, soft_labels, _rate(spec), seed)
    made["soft_labels_sha256"] = classifier.soft_label_hash(soft_labels)
    return given, replace(record, parameters=made)


def _trained(
    spec: NoiseSpec,
    train: classifier.SoftLabelTrainer,
    image_set: ImageSet,
    recipe: classifier.SoftLabelRecipe,
) -> np.ndarray:
    try:
        return train(image_set, recipe, spec.seed)
    except SettingsError as error:
        raise SettingsError(f"--noise {spec}: its network cannot be trained: {error}") from error


def _warn_of_unlike(spec: NoiseSpec, file: str, made: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Say where soft labels that are in a file were made otherwise than was asked for."""
    if spec.options.keys() & {"recipe", "epochs", "network"}:
        named = list(wanted)
    else:
        # A seed of 0 need not have been asked for.
        named = ["seed"] if spec.seed or "seed" in made else []
    unlike = [
        f"{name} {made.get(name, 'unknown')}, not {wanted[name]}"
        for name in named
        if made.get(name) != wanted[name]
    ]
    if unlike:
        warnings.warn(
            f"--noise {spec}: the soft labels in {file} are used as they are ({', '.join(unlike)}); give "
            "another file, which is then made, or leave out what it was not made with",
            LabelmendWarning,
            stacklevel=4,
        )


def _cifar_n(spec: NoiseSpec, inputs: Inputs) -> Noisy:
    published = human.CIFAR_N[spec.kind]
    variant = spec.variant or next(iter(published.variants))
    file = spec.options.get("file")
    path = human.find_cifar_n(spec.kind, inputs.root) if file is None else Path(file)
    return human.human_labels(
        path,
        published.variants[variant],
        inputs.true,
        inputs.image_set.class_names,
        published.clean,
        f"{spec.kind}:{variant}",
    )


def _human(spec: NoiseSpec, inputs: Inputs) -> Noisy:
    key, clean = spec.text("key", "label"), spec.text("clean", "true_label")
    return human.human_labels(
        Path(spec.text("file")),
        key,
        inputs.true,
        inputs.image_set.class_names,
        clean,
        ids=inputs.image_set.ids,
    )


def _cifar_n_kind(name: str) -> Kind:
    return Kind(_cifar_n, ("file",), False, tuple(human.CIFAR_N[name].variants), seeded=False)


KINDS: dict[str, Kind] = {
    symmetric.NAME: Kind(_symmetric),
    symmetric.NAME_INCLUSIVE: Kind(_inclusive),
    asymmetric.NAME: Kind(_asymmetric, ("map",)),
    pairflip.NAME: Kind(_pairflip),
    transition.NAME: Kind(_transition, ("file",), rated=False),
    instance_shared.NAME: Kind(_instance_shared),
    instance_per_class.NAME: Kind(
        _instance_per_class,
        ("layout", "scaling", "centre"),
    ),
    part_dependent.NAME: Kind(_part_dependent, ("parts",)),
    classifier.NAME: Kind(_classifier, ("recipe", "epochs", "network", "soft")),
    "cifar10n": _cifar_n_kind("cifar10n"),
    "cifar100n": _cifar_n_kind("cifar100n"),
    human.NAME: Kind(_human, ("file", "key", "clean"), rated=False, seeded=False),
}
"""All noise models by name."""
