import io

from rich.console import Console

from bench.examples import cell, record, suite
from labelmend.bench import view as views
from labelmend.bench.view import BenchView
from labelmend.training.machine import machine

CELLS = [
    cell(row, noise, seed) for row in ("CE", "Mend") for noise in ("symmetric:0.2", None) for seed in (1, 2)
]
START = {"network": "net", "precision": "float32", "processor": "P", "estimated_seconds": 60.0, "share": 0.0}


def plain(waiting=CELLS, done=()):
    console = Console(file=io.StringIO(), width=200)
    return BenchView(suite(*CELLS), waiting, list(done), console), console.file


def here(of, seconds, accuracy=0.5):
    return record(
        of, accuracy, seconds=seconds, **{k: machine()[k] for k in ("processor", "accelerator", "threads")}
    )


def test_what_will_be_run_is_listed_before_it_begins():
    view, out = plain()
    with view:
        text = out.getvalue()
    assert "Small: 8 cells (2 rows, 2 noises, 2 seeds)\n" in text
    assert "how long they take is said when the first has begun" in text
    assert "  symmetric:0.2, CE: seed 1, 2\n" in text
    assert "  as given, Mend: seed 1, 2\n" in text


def test_cells_that_are_done_tell_how_long_the_others_take():
    view, out = plain(CELLS[1:], [here(CELLS[0], 30.0)])
    with view:
        text = out.getvalue()
    assert "1 done, 7 to run" in text
    assert "about 4 min, by the cells that are done on this machine" in text
    assert "symmetric:0.2, CE: seed 2\n" in text


def test_each_cell_says_how_it_went_and_what_is_left(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(views.time, "monotonic", lambda: now[0])
    view, out = plain()
    with view:
        view.begin(CELLS[0])
        # A fifth of it is done, and the rest takes 60 s: 75 s a cell.
        view.on_start(START | {"share": 0.2})
        assert "CE__symmetric-0.2__seed1: net, float32, P; about 10 min for all cells" in out.getvalue()
        view.on_step(0.2)  # gone on with
        now[0] = 59.0
        view.on_step(0.3)
        assert "30%" not in out.getvalue()
        now[0] = 60.0
        view.on_step(0.6)
        # 40 % in 60 s, so as long again, and 150 s for each of the others.
        assert "CE__symmetric-0.2__seed1: 60%, about 60 s left; 8 cells left, about 18 min" in out.getvalue()
        now[0] = 61.0
        view.on_step(0.65)
        assert "65%" not in out.getvalue()
        view.finish(CELLS[0], here(CELLS[0], 120.0, 0.625))
        assert not any("seed 1:" in line for line in shown(view))
        view.console = Console(file=out, width=200)
        assert (
            "CE__symmetric-0.2__seed1: 2 min, last epoch 62.50%; 7 cells left, about 14 min" in out.getvalue()
        )
        view.begin(CELLS[1])
        assert "symmetric:0.2 | CE | 1 of 2 | 62.50 | seed 2: 0%" in shown(view)
        view.console = Console(file=out, width=200)
        view.on_start(START)
        assert "seed2: net, float32, P\n" in out.getvalue()
        view.fail(CELLS[1], "it broke")
        assert "CE__symmetric-0.2__seed2: failed: it broke; 6 cells left, about 12 min" in out.getvalue()
        for each in CELLS[2:]:
            view.begin(each)
            view.finish(each, here(each, 1.0))
    assert "; that was the last" in out.getvalue()


def test_scoring_counts_and_what_was_trained_before_but_not_what_is_made_once(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(views.time, "monotonic", lambda: now[0])
    view, out = plain()
    with view:
        view.begin(CELLS[0])
        now[0] = 1000.0  # soft labels were made
        view.on_start(START | {"share": 0.5})
        now[0] = 1030.0
        # A run with fine-tuning starts twice.
        view.on_start(START | {"share": 0.5})
        now[0] = 1060.0
        view.finish(CELLS[0], here(CELLS[0], 40.0))
        # 60 s, and before these half of 40.
        assert "seed1: 80 s, last epoch 50.00%; 7 cells left, about 9 min" in out.getvalue()
        # Its run was finished when the bench was stopped.
        view.begin(CELLS[1])
        view.finish(CELLS[1], here(CELLS[1], 120.0))
    assert "seed2: 2 min, last epoch" in out.getvalue()


def test_a_cell_that_has_nothing_left_to_train_is_gone_on_with():
    view, out = plain()
    with view:
        view.begin(CELLS[0])
        view.on_start(START | {"share": 1.0, "estimated_seconds": 0.0})
    assert "CE__symmetric-0.2__seed1: net, float32, P\n" in out.getvalue()


def test_of_the_last_cell_it_is_said_once_how_long_it_takes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(views.time, "monotonic", lambda: now[0])
    view, out = plain(CELLS[-1:])
    with view:
        view.begin(CELLS[-1])
        view.on_step(0.0)
        now[0] = 60.0
        view.on_step(0.5)
    assert "Mend__as-given__seed2: 50%, about 60 s left\n" in out.getvalue()


def shown(view, height=40):
    console = Console(file=io.StringIO(), width=120, height=height, force_terminal=True, color_system=None)
    view.console = console
    console.print(view.table())
    return [
        " ".join(line.strip("│┃ ").replace("│", "|").split()) for line in console.file.getvalue().splitlines()
    ]


def test_the_table_has_means_and_the_cell_in_hand():
    view, _ = plain(CELLS[3:], [record(CELLS[0], 0.5), record(CELLS[1], 0.6), record(CELLS[2], 0.7)])
    view.begin(CELLS[3])
    view.on_step(0.5)
    view.fail(CELLS[4], "x")
    view.running = CELLS[3]
    lines = shown(view)
    assert "symmetric:0.2 | CE | 2 of 2 | 55.00 ± 7.07" in lines
    assert "as given | CE | 1 of 2 | 70.00 | seed 2: 50%" in lines
    assert "symmetric:0.2 | Mend | 0 of 2 | | failed" in lines
    assert "as given | Mend | 0 of 2" in lines
    assert "4 cells left" in lines
    # All of a noise stand together.
    noises = [line.split(" | ")[0] for line in lines if " of 2" in line]
    assert noises == ["symmetric:0.2"] * 2 + ["as given"] * 2


def test_a_low_terminal_shows_what_is_around_the_cell_in_hand():
    many = [cell(f"R{i:02}") for i in range(30)]
    view = BenchView(suite(*many), many, [], Console(file=io.StringIO(), width=120))
    view.begin(many[20])
    text = "\n".join(shown(view, height=18))
    assert "R20" in text
    assert "R15" in text
    assert "R24" in text
    assert "R14" not in text
    assert "R25" not in text
    assert "and 20 more" in text


def test_in_a_terminal_the_table_is_live_and_goes_at_the_end():
    console = Console(file=io.StringIO(), width=120, height=30, force_terminal=True, force_interactive=True)
    view = BenchView(suite(*CELLS), CELLS, [], console)
    with view:
        assert view.live.is_started
    assert not view.live.is_started
    assert "seeds done" in console.file.getvalue()
    assert "  symmetric:0.2, CE: seed" not in console.file.getvalue()
