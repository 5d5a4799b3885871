"""How long a user waits for ``labelmend fit`` on photographs: for its first lines, and for its last.

    python benchmarks/first_run.py TRAIN --test TEST

Two runs of the command line, each a process of its own: with nothing cached, then with the features of the
first. Seconds are those of the clock, from the start of the process to each of its lines.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from labelmend.training.machine import machine

RESULT = Path(__file__).parent / "results" / "first_run.json"
COMMAND = [sys.executable, "-m", "labelmend"]


def timed(arguments: list[str]) -> dict[str, Any]:
    """Seconds until lines of a command, and the accuracy that it ends with."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    lines = [(round(time.perf_counter() - start, 1), line.rstrip()) for line in process.stdout]
    if process.wait():
        raise SystemExit("\n".join(line for _, line in lines))
    said = [(seconds, line) for seconds, line in lines if line]
    return {
        "first_line": said[0],
        "second_line": said[1],
        "first_epoch": next(entry for entry in said if entry[1].split()[:1] == ["1"]),
        "seconds": round(time.perf_counter() - start, 1),
        "accuracy": next(line for _, line in said if line.startswith("Test accuracy")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", help="folder of class folders")
    parser.add_argument("--test", required=True, help="another one, whose labels are right")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fit = ["fit", arguments.data, "--test", arguments.test]
        record = {
            "day": date.today().isoformat(),
            "data": Path(arguments.data).parent.name,
            **machine(),
            "nothing cached": timed([*fit, "--out", f"{folder}/first"]),
            "features cached": timed([*fit, "--out", f"{folder}/second"]),
        }
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
