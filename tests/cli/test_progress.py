from labelmend.cli.progress import COLUMNS, LEGENDS, TRUTH_COLUMNS, ProgressView, format_line, seen, time_line

FULL = {
    "epoch": 30,
    "loss": 1.23456,
    "easy": 30000.0,
    "valid_anchors": 270000.0,
    "hard_kept": 9000.0,
    "hard_corrected": 8000.0,
    "uncertain": 3000.0,
    "estimated_noise_rate": 0.4021,
    "easy_purity": 0.951,
    "kept_accuracy": 1.0,
    "corrected_accuracy": 0.8,
    "detection_ap": 0.9,
    "test_accuracy": 0.8764,
}


def test_a_full_line_by_hand_fits_the_terminal():
    line = format_line(COLUMNS, TRUTH_COLUMNS, FULL)
    words = " ".join(line.split())
    assert words == "30 1.235 30000 270000 9000 8000 3000 40.2% | 95.1% 100.0% 80.0% 0.900 87.6%"
    assert len(line) == len(format_line(COLUMNS, TRUTH_COLUMNS, None)) <= 100
    assert all(len(line) <= 110 for legend in LEGENDS.values() for line in legend.splitlines())


def test_columns_appear_with_the_first_value(capsys, tmp_path):
    view = ProgressView(tmp_path)
    view.on_epoch({"epoch": 1, "loss": 2.0})
    view.on_epoch({"epoch": 2, "loss": 2.0})
    view.on_epoch(FULL)
    view.on_epoch({"epoch": 31, "loss": 1.0})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["epoch", "loss"]
    assert lines[1].split() == ["1", "2.000"]
    assert lines[2].split() == ["2", "2.000"]
    assert lines[-3].split()[:3] == ["epoch", "loss", "easy"]
    assert lines[-1].split() == ["31", "1.000", *"-" * 6, "|", *"-" * 5]


def test_the_first_lines_say_what_was_decided_on_mirroring(capsys, tmp_path):
    info = {"network": "fastnet", "parameters": 7, "image_size": 8, "precision": "float32", "device": "cpu"}
    with ProgressView(tmp_path) as view:
        view.on_start(info | {"mirroring": "mirroring is on, as set by --flip", "estimated_seconds": 200.0})
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "mirroring is on, as set by --flip"
    assert lines[2] == "training takes about 3 minutes on this machine, judging labels not counted"


def test_a_second_part_begins_anew(capsys, tmp_path):
    info = {"network": "fastnet", "parameters": 7, "image_size": 8, "precision": "float32", "device": "cpu"}
    info |= {"mirroring": "mirroring is off", "estimated_seconds": 2.0}
    with ProgressView(tmp_path) as view:
        view.on_start(info)
        view.on_step(0.99)
        assert "judged" not in capsys.readouterr().out
        view.on_step(1.0)
        assert capsys.readouterr().out == "trained; every label is judged now\n"
        view.on_epoch(FULL)
        view.on_start(info | {"network": "resnet18"})
        assert view.progress.tasks[0].completed == 0
        view.on_epoch({"epoch": 1, "loss": 2.0})
    lines = capsys.readouterr().out.splitlines()
    assert lines[-7].startswith("resnet18 with 7 parameters")
    assert lines[-2].split() == ["epoch", "loss"]
    assert lines[-1].split() == ["1", "2.000"]


def test_the_first_line_says_what_the_network_sees():
    assert seen({"network": "fastnet", "image_size": 32}) == "images of 32 px"
    assert seen({"network": "features", "image_size": 1280}) == "1,280 features an image"


def test_a_run_of_hours_is_said_with_what_is_quicker():
    assert time_line(0.2) == "training takes about 1 s on this machine, judging labels not counted"
    assert time_line(89.0) == "training takes about 89 s on this machine, judging labels not counted"
    assert time_line(3599.0) == "training takes about 60 minutes on this machine, judging labels not counted"
    assert time_line(5400.0).startswith("training takes about 1.5 hours on this machine; --minutes 30")


def test_long_epochs_are_not_silent_without_a_terminal(capsys, tmp_path):
    view = ProgressView(tmp_path)
    now = 0.0
    view.lines.clock = lambda: now
    view.on_step(0.0)
    now = 70.0
    view.on_step(0.5)
    assert capsys.readouterr().out == "training: 50%, about 70 s left\n"
