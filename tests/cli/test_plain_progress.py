from __future__ import annotations

import pytest

from labelmend.cli.plain_progress import PlainProgress


@pytest.fixture
def clock():
    class Clock:
        now = 100.0

        def __call__(self) -> float:
            return self.now

    return Clock()


def test_lines_come_at_growing_intervals(clock, capsys):
    progress = PlainProgress("embedding", "images", clock)
    moments = []
    for second in range(400):
        clock.now = 100.0 + second
        progress.update(10 * second, 10_000)
        if capsys.readouterr().out:
            moments.append(second)
    assert moments == [3, 9, 21, 45, 93, 153, 213, 273, 333, 393]


def test_a_line_says_how_fast_and_how_long(clock, capsys):
    progress = PlainProgress("embedding", "images", clock)
    for second, done in ((0, 0), (4, 100), (14, 1100)):
        clock.now = second
        progress.update(done, 9000)
    assert capsys.readouterr().out.splitlines() == [
        "embedding: 100 of 9,000 images, 25.0 a second, about 6 min left",
        "embedding: 1,100 of 9,000 images, 100.0 a second, about 79 s left",
    ]


def test_a_share_is_told_in_percent(clock, capsys):
    progress = PlainProgress("training", clock=clock)
    progress.update(0, 1)
    clock.now += 60
    progress.update(0.25, 1)
    assert capsys.readouterr().out == "training: 25%, about 3 min left\n"


def test_a_short_job_and_one_that_ends_print_nothing(clock, capsys):
    progress = PlainProgress("reading", "images", clock)
    for second, done in ((0, 0), (2, 50), (9, 100)):
        clock.now = second
        progress.update(done, 100)
    assert capsys.readouterr().out == ""


def test_a_job_that_stands_still_has_no_time_left_to_tell(clock, capsys):
    progress = PlainProgress("reading", "images", clock)
    progress.update(10, 100)
    clock.now += 60
    progress.update(10, 100)
    assert capsys.readouterr().out == ""


def test_the_next_set_begins_anew(clock, capsys):
    progress = PlainProgress("reading", "images", clock)
    for second, done in ((0, 0), (4, 80), (20, 0), (22, 10), (24, 20)):
        clock.now = second
        progress.update(done, 100)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "reading: 20 of 100 images, 5.0 a second, about 16 s left"
    ]
