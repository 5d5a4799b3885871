"""Values from files of others against a pydantic model, with the first fault in one line."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from labelmend.errors import LabelmendError
from labelmend.text import printable

M = TypeVar("M", bound=BaseModel)


def check_schema(model: type[M], values: Any, name: str, error: type[LabelmendError], advice: str = "") -> M:
    """The values as an instance of a model.

    Args:
        model: what they must be.
        values: as read from a file.
        name: of the file.
        error: raised if they are something else.
        advice: what to do then, after a semicolon.

    Raises:
        LabelmendError: ``error``; it names the place of the first fault, what is there and what must be.
    """
    try:
        return model.model_validate(values)
    except ValidationError as faults:
        fault = faults.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        where = f"{name}: {place!r}" if place else name
        if fault["type"] == "missing":
            told = f"{name}: {place!r} is missing"
        elif fault["type"] == "extra_forbidden":
            told = f"{name} has an unknown key {place!r}; known are {', '.join(model.model_fields)}"
        else:
            reason = fault["msg"][:1].lower() + fault["msg"][1:]
            told = f"{where} is {printable(repr(fault['input']), 100)}: {reason}"
        raise error(f"{told}; {advice}" if advice else told) from None
