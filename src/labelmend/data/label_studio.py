"""Tasks of Label Studio's JSON export, and the classes that their annotations choose."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Result(BaseModel):
    """One region or choice of an annotation."""

    value: dict[str, Any] = {}
    from_name: str = ""


class Annotation(BaseModel):
    """What one person said of a task."""

    result: list[Result] = []
    was_cancelled: bool = False


class Task(BaseModel):
    """An image and what was said of it; old exports call annotations completions."""

    data: dict[str, Any]
    annotations: list[Annotation] = []
    completions: list[Annotation] = []


def answers(task: Task) -> dict[str, set[str]]:
    """Every class that an annotation of a task chooses, by question; cancelled ones do not count."""
    found: dict[str, set[str]] = {}
    for annotation in task.annotations or task.completions:
        for result in annotation.result if not annotation.was_cancelled else ():
            choices = result.value.get("choices")
            if isinstance(choices, list) and choices:
                found.setdefault(result.from_name, set()).update(map(str, choices))
    return found


def chosen_classes(task: Task) -> set[str]:
    """Every class that an annotation of a task chooses, whatever the question."""
    return set().union(*answers(task).values())
