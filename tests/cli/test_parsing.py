import pytest

from labelmend.cli.parsing import hyphenate, parse, parser_for, run_function
from labelmend.errors import SettingsError


def sample(run: str, images: list[str], top_k: int = 3, loud: bool = False, out: str | None = None) -> None:
    """Do a thing.

    More of it.

    Args:
        run: Run folder.
        images: Images.
        top_k: How many.
        loud: Shout.
        out: A file.
    """
    CALLS.append((run, images, top_k, loud, out))


CALLS: list[tuple] = []


def test_arguments_reach_the_function():
    CALLS.clear()
    run_function(sample, "sample", ["r", "a", "b", "--top_k", "5", "--loud", "--out=x_y"])
    assert CALLS == [("r", ["a", "b"], 5, True, "x_y")]


def test_defaults():
    CALLS.clear()
    run_function(sample, "sample", ["r", "a"])
    assert CALLS == [("r", ["a"], 3, False, None)]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["r", "a", "--top-k", "x"], "--top-k is 'x', but must be a whole number"),
        (["r", "a", "--top-k"], "--top-k needs a value"),
        (["r"], "IMAGES is missing; labelmend sample --help"),
        (["r", "a", "--bad", "1"], "--bad is not a flag of labelmend sample"),
    ],
)
def test_errors_are_one_line_that_names_the_flag(argv, message):
    with pytest.raises(SettingsError, match=message) as caught:
        run_function(sample, "sample", argv)
    assert "\n" not in str(caught.value)


def test_only_names_of_flags_are_hyphenated():
    argv = ["my_file", "--top_k", "a_b", "--out=c_d", "--training.batch_size", "3"]
    assert hyphenate(argv) == ["my_file", "--top-k", "a_b", "--out=c_d", "--training.batch-size", "3"]
    # What stands behind -- is no flag.
    assert hyphenate(["--top_k", "--", "--a_b.png", "--"]) == ["--top-k", "--", "--a_b.png", "--"]


def test_help_has_the_docstring(capsys):
    with pytest.raises(SystemExit) as caught:
        parse(parser_for(sample, "sample"), "sample", ["--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0
    for part in ("Do a thing.", "More of it.", "How many. (default: 3)", "Run folder."):
        assert part in text
