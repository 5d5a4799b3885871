from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from labelmend.cli import reading
from labelmend.cli.reading import SpeedColumn, describe_job, image_bar
from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.runs.finetuning import Photographs
from labelmend.runs.jobs import Job
from labelmend.settings.loading import resolve


def test_without_a_terminal_lines_are_printed(monkeypatch, capsys):
    monkeypatch.setattr("labelmend.cli.plain_progress.FIRST", 0.0)
    with image_bar("embedding images") as progress:
        for done in (0, 32, 64):
            progress(done, 64)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("embedding: 32 of 64 images, ")


def test_on_a_terminal_a_bar_moves_and_begins_anew(monkeypatch):
    made = []

    class Recorded(reading.Progress):
        def __init__(self, *columns, **options):
            super().__init__(*columns, **options)
            made.append(self)

    console = reading.make_console()
    console._force_terminal = True
    monkeypatch.setattr(reading, "make_console", lambda: console)
    monkeypatch.setattr(reading, "Progress", Recorded)
    with image_bar() as progress:
        for done, total in ((0, 64), (64, 64), (0, 10), (5, 10)):
            progress(done, total)
    (task,) = made[0].tasks
    assert (task.completed, task.total) == (5, 10)


def test_speed():
    assert str(SpeedColumn().render(SimpleNamespace(speed=1234.5))) == "1,234/s"
    assert str(SpeedColumn().render(SimpleNamespace(speed=None))) == ""


@pytest.mark.parametrize(
    ("epochs", "quicker"),
    [(3.0, "--finetune 1.5 takes half of that, "), (0.5, "")],
)
def test_what_training_the_backbone_takes_is_said_before_with_what_is_quicker(monkeypatch, epochs, quicker):
    asked = []
    monkeypatch.setattr(reading, "estimated_seconds", lambda *given: asked.append(given) or 720.0)
    network = SimpleNamespace(backbone=SimpleNamespace(name="efficientnet_lite0"))
    images = ImageSet(
        MemoryImages(torch.zeros(2, 2, 2, 1, dtype=torch.uint8)),
        np.array([0, 1]),
        ["a", "b"],
        ["0", "1"],
        ["", ""],
    )
    settings = resolve("photos", overrides={"finetune": epochs})
    job = Job(settings, images, None, None, None, False, network)
    assert len(describe_job(job)) == 1
    assert not asked
    lines = describe_job(replace(job, photographs=Photographs(images, None)))
    assert asked == [(settings, network, 2)]
    assert lines[1] == (
        f"after heads on its features efficientnet_lite0 itself is trained, {epochs:g} epochs: "
        f"about 12 min on this machine; {quicker}without --finetune it stays as it is"
    )
