"""Runs killed at random moments on a loaded machine and resumed, compared with one that was not.

python benchmarks/kills.py --data DIR

Two processes keep both cores busy all the while. A run is killed (SIGKILL, which no program can answer) at a
moment drawn uniformly over its usual time, then resumed and killed again until it has been killed as often as
was drawn (1 to 3 times) or has ended. Settings are the defaults, precision and threads included.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from labelmend.training.machine import machine

RESULT = Path(__file__).parent / "results" / "kills.json"
COMMAND = [sys.executable, "-m", "labelmend"]
COMPARED = ("verdicts.csv", "verdicts.parquet", "model.safetensors")
CASES = {
    "digits": (
        20,
        ["digits", "--noise", "symmetric:0.4:seed=0", "--limit", "400", "--epochs", "8", "--widths", "16,32"],
    ),
    "cifar10": (
        5,
        [
            "cifar10",
            "--noise",
            "symmetric:0.4:seed=0",
            "--limit",
            "2000",
            "--epochs",
            "4",
            "--widths",
            "32,64,128",
        ],
    ),
}


def busy() -> None:
    """Work for ever."""
    while True:
        sum(range(10_000))


def result_of(folder: Path) -> dict[str, str]:
    """SHA-256 of the files that a run is judged by."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in COMPARED}


def run(arguments: list[str], kill_after: float | None = None) -> bool:
    """Run labelmend; kill it after some seconds. Returns whether it was killed before its end."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        _, said = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}: {said.decode()}")
    return False


def round_of(fit: list[str], folder: Path, seconds: float, rng: np.random.Generator) -> list[float]:
    """A run that is killed one to three times; the moments (seconds after each start) at which it was."""
    moments: list[float] = []
    for _ in range(int(rng.integers(1, 4))):
        begun = (folder / "settings.yaml").is_file()
        arguments = ["resume", str(folder)] if begun else [*fit, "--out", str(folder)]
        moment = float(rng.uniform(0, seconds))
        if not run(arguments, moment):
            return moments
        moments.append(round(moment, 2))
    begun = (folder / "settings.yaml").is_file()
    run(["resume", str(folder)] if begun else [*fit, "--out", str(folder)])
    return moments


def case(name: str, root: list[str], load: int, seed: int) -> dict[str, Any]:
    """All rounds of a data set."""
    rounds, arguments = CASES[name]
    fit = ["fit", *arguments, *(root if name != "digits" else [])]
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "whole"
        run([*fit, "--out", str(whole)])
        workers = [multiprocessing.Process(target=busy, daemon=True) for _ in range(load)]
        for worker in workers:
            worker.start()
        start = time.perf_counter()
        run([*fit, "--out", str(Path(temporary) / "loaded")])
        seconds = time.perf_counter() - start
        equal = [result_of(Path(temporary) / "loaded") == result_of(whole)]
        kills = []
        for number in range(rounds):
            folder = Path(temporary) / f"killed-{number}"
            kills.append(round_of(fit, folder, seconds, rng))
            equal.append(result_of(folder) == result_of(whole))
            print(name, number, kills[-1], equal[-1], flush=True)
        for worker in workers:
            worker.kill()
    return {
        "command": " ".join(fit[: len(arguments) + 1]),
        "busy_processes": load,
        "seconds_under_load": round(seconds, 1),
        "undisturbed_under_load_equal": equal[0],
        "rounds": rounds,
        "kills": kills,
        "equal": sum(equal[1:]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", help="folder with CIFAR-10; $LABELMEND_DATA by default")
    parser.add_argument("--only", choices=list(CASES))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    record: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    record |= {"seed": arguments.seed, **machine()}
    root = [] if arguments.data is None else ["--root", arguments.data]
    for name in CASES:
        if arguments.only in (None, name):
            record[name] = case(name, root, 2, arguments.seed)
            RESULT.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
