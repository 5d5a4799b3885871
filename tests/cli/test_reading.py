from __future__ import annotations

from types import SimpleNamespace

from labelmend.cli import reading
from labelmend.cli.reading import SpeedColumn, image_bar


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
