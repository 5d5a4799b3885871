"""``labelmend``: finds the subcommand, and turns errors into one line."""

from __future__ import annotations

import difflib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType

from labelmend import __version__
from labelmend.cli.streams import lasting_streams, open_standard_streams
from labelmend.errors import LabelmendError, SettingsError
from labelmend.text import printable

COMMANDS = {
    "fit": "train on images whose labels may be wrong; judge every label",
    "detect": "find wrong labels by features of a pretrained network, in minutes or seconds",
    "show": "print what a run found, and its surest suggestions",
    "report": "write what a run found as a page to read, with pictures",
    "review": "go through the suggestions of a run in the browser, and decide",
    "apply": "write the labels of a run's data, corrected by its suggestions; --move moves the images",
    "revert": "take back what apply did",
    "export": "write a run for cleanlab, Hugging Face, Label Studio, FiftyOne, ONNX or a spreadsheet",
    "decide": "take choices made in Label Studio as decisions on a run",
    "predict": "classify images with the model of a run",
    "resume": "go on with a run that was interrupted",
    "noise": "add noise to the labels of a clean data set, for experiments",
    "data": "check and describe a data set",
    "bench": "run a list of benchmark cells and write the tables",
    "doctor": "print what a bug report needs to say of this machine",
}

HELP = """\
usage: labelmend COMMAND ...

Train image classifiers on wrongly labelled data, and learn which labels are wrong.

Start here
  labelmend fit digits --noise symmetric:0.4    try it: 1,297 small images, a minute or two
  labelmend fit PHOTOS                          your own: a folder with one sub-folder per class,
                                                or a table (CSV, Parquet, ...) of files and labels

Commands
{commands}

labelmend COMMAND --help explains each. --debug anywhere shows the traceback of an error.
"""

INTERRUPTED, TERMINATED = 130, 143

LASTING = ("fit", "detect", "resume", "bench")
"""Commands whose work goes on where stdout cannot be written: it is in the folder."""


def _help() -> str:
    return HELP.format(commands="\n".join(f"  {name:<9} {text}" for name, text in COMMANDS.items()))


def run_command(argv: Sequence[str]) -> None:
    """Run one command line.

    Raises:
        LabelmendError: For anything that the user can put right.
    """
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_help(), end="")
        return
    name, *rest = argv
    if name in ("--version", "-V"):
        print(f"labelmend {__version__}")
        return
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise SettingsError(f"there is no command {name!r}{hint} (labelmend --help lists them)")
    if name in LASTING and not {"-h", "--help"} & set(rest):
        # Libraries take some seconds to load, and longer on a busy machine.
        print(f"labelmend {name}: loading", flush=True)
    # Commands are imported when needed, so that --help answers at once.
    module = import_module(f"labelmend.cli.{name}")
    if name in ("fit", "detect"):
        module.main(rest)
    else:
        import_module("labelmend.cli.parsing").run_function(getattr(module, name), name, rest)


class Terminated(KeyboardInterrupt):
    """The system asks the process to end, as Ctrl-C does."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends what is done inside as Ctrl-C does, unless whoever started the process ignores it."""
    main_thread = threading.current_thread() is threading.main_thread()
    if not main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _of_the_machine(error: Exception) -> str | None:
    """What to say where the system, not labelmend, refused something; None for a defect.

    A path that cannot be used is refused where it enters wherever that can be known before the work; this
    is for what turns up on the way: no permission, a full disk, a name that a file system does not take.
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    # torch has no error of its own for memory of the processor.
    no_memory = "can't allocate memory" in str(error) or "out of memory" in str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and no_memory):
        return (
            "this machine has not enough memory for this; lower --image-size, --batch-size or --limit, or "
            "take a smaller --network"
        )
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0, 2 for bad input, 130 or 143 when stopped, 1 for a defect."""
    # Threads that spin while they wait for each other take the processor from one another on a busy machine:
    # two are then many times slower than one. It must be set before PyTorch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    open_standard_streams()
    with lasting_streams(essential=arguments[:1] not in ([name] for name in LASTING)), _terminable():
        return _exit_code(arguments, debug)


def _exit_code(arguments: list[str], debug: bool) -> int:
    try:
        if any("\0" in argument for argument in arguments):
            raise SettingsError("an argument holds a NUL character, which no path or value can")
        run_command(arguments)
        sys.stdout.flush()
    except LabelmendError as error:
        if debug:
            raise
        print(f"labelmend: error: {error}", file=sys.stderr)
        return 2
    except Terminated:
        return TERMINATED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if debug:
            raise
        if (words := _of_the_machine(error)) is not None:
            print(f"labelmend: error: {printable(words)}", file=sys.stderr)
            return 2
        kind = type(error).__name__
        print(f"labelmend: unexpected {kind}: {printable(error)} (--debug shows where)", file=sys.stderr)
        return 1
    return 0
