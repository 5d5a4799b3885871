"""What the JSON files of a run folder hold, checked when they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from labelmend.errors import RunError, SettingsError
from labelmend.models.registry import FEATURES, find_network
from labelmend.schema import check_schema
from labelmend.settings.loading import resolve

LARGEST = 2**28
"""Bytes; ten million class names or epochs."""
MOST_OUTPUTS_BESIDE_CLASSES = 16
ADVICE = "take it from a copy of the run, or train anew"

Count = Annotated[int, Field(ge=0, lt=2**63)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Record(BaseModel):
    """A file of a run; what a later version writes beside is let be."""

    model_config = ConfigDict(strict=True, extra="allow")


class DataRecord(Record):
    """``data.json``: where the images came from, what they were, and how the run computes."""

    source: str | None
    test_in_memory: bool
    images: Count
    train: dict[str, str]
    test: dict[str, str] | None
    precision: Literal["float32", "bfloat16"]
    memory_format: Literal["channels_last", "contiguous"]
    machine: dict[str, str | int]


class BackboneRecord(Record):
    """Of ``model.json``: the frozen network whose features the trained one works on."""

    name: Annotated[str, Field(max_length=200)]
    precision: Literal["float32", "bfloat16"]
    fingerprint: str


class ModelRecord(Record):
    """``model.json``: all that is needed to build the network again and to feed it."""

    network: Annotated[str, Field(max_length=100)]
    image_size: Annotated[int, Field(ge=1, le=2**16)]
    channels: Literal[1, 3]
    num_classes: Annotated[int, Field(ge=2, lt=2**31)]
    num_outputs: Annotated[int, Field(ge=2, lt=2**31)] = 2
    options: dict[str, Any] = {}
    classes: list[str]
    mean: list[Finite] | None = None
    std: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] | None = None
    backbone: BackboneRecord | None = None
    pixel_range: Annotated[list[Finite], Field(min_length=2, max_length=2)] | None = None
    flip_average: bool
    members: Annotated[int, Field(ge=1, le=64)] = 1

    @model_validator(mode="after")
    def _agrees(self) -> ModelRecord:
        if len(set(self.classes)) != self.num_classes or len(self.classes) != self.num_classes:
            raise ValueError(f"{len(set(self.classes))} names of {self.num_classes} classes")
        if self.network == FEATURES:
            if self.backbone is None:
                raise ValueError("it does not say whose features the network works on")
        elif self.mean is None or self.std is None:
            raise ValueError("it has no means and deviations")
        elif not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(f"means and deviations are not of {self.channels} channels")
        extra = self.num_outputs - self.num_classes if "num_outputs" in self.model_fields_set else 0
        if not 0 <= extra <= MOST_OUTPUTS_BESIDE_CLASSES:
            raise ValueError(f"{self.num_outputs} outputs for {self.num_classes} classes")
        return self


class VerdictCounts(Record):
    """Images of each verdict."""

    easy: Count
    hard_clean: Count
    hard_corrected: Count
    uncertain: Count


class SummaryRecord(Record):
    """``summary.json``: what ``labelmend show`` prints."""

    epochs: Finite
    flops: Finite
    seconds: Finite
    suggestions: Count
    estimated_noise_rate: Annotated[float, Field(ge=0, le=1)]
    estimated_noise_interval: Annotated[list[Share], Field(min_length=2, max_length=2)] | None = None
    estimated_noise_told: bool | None = None
    test_accuracy_last: Finite | None = None
    test_accuracy_mean_of_last_10: Finite | None = None
    test_accuracy_best: Finite | None = None

    @model_validator(mode="after")
    def _what_belongs_together_is_there(self) -> SummaryRecord:
        given = [
            name
            for name in type(self).model_fields
            if name.startswith("test_accuracy_") and getattr(self, name) is not None
        ]
        if len(given) not in (0, 3):
            raise ValueError(f"of the test accuracies there is only {given[0]}")
        if (self.estimated_noise_interval is None) != (self.estimated_noise_told is None):
            raise ValueError("of the interval of the noise and whether it can be told there is only one")
        return self


def read_model(path: Path) -> dict[str, Any]:
    """The description of a run's model.

    Raises:
        RunError: If the file is missing or damaged, or describes no network that this version has.
    """
    values = read_object(path)
    check_schema(ModelRecord, values, str(path), RunError, ADVICE)
    try:
        # Older versions wrote options beside the rest.
        options = values.get("options")
        flat = values if options is None else options
        names = find_network(values["network"]).options
        missing = [name for name in names if name not in flat]
        unknown = [] if options is None else [name for name in options if name not in names]
        if missing or unknown:
            raise SettingsError(f"the options of {values['network']} are {', '.join(names) or 'none'}")
        resolve(overrides={"network": values["network"], **{name: flat[name] for name in names}})
    except SettingsError as error:
        raise RunError(f"{path}: {error}; {ADVICE}") from None
    return values


def read_object(path: Path, advice: str = ADVICE) -> dict[str, Any]:
    """The JSON object that a file of a run holds.

    Raises:
        RunError: If the file is missing, damaged, or holds anything else.
    """
    # A pipe or device is no file: reading it would wait.
    if not path.is_file():
        raise RunError(f"{path} is missing; {path.parent} is not a complete run folder")
    if path.stat().st_size > LARGEST:
        raise RunError(f"{path} has more than {LARGEST:,} bytes; no run writes so much; {advice}")
    return parse_object(path.read_bytes(), str(path), advice)


def parse_object(content: bytes, name: str, advice: str = ADVICE) -> dict[str, Any]:
    """As ``read_object``, from the bytes of the file."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{name} is damaged ({' '.join(str(error).split())}); {advice}") from None
    if not isinstance(values, dict):
        raise RunError(f"{name} is damaged (it holds no JSON object); {advice}")
    return values


def read_record(path: Path, model: type[Record], advice: str = ADVICE) -> dict[str, Any]:
    """The JSON object of a file that is such a record.

    Args:
        path: of the file.
        model: what it must hold.
        advice: what to do where it does not.

    Raises:
        RunError: If it is missing, damaged or none.
    """
    values = read_object(path, advice)
    check_schema(model, values, str(path), RunError, advice)
    return values
