"""Try the readers of files of others with made-up and damaged files for as long as wanted.

    PYTHONPATH=tests python benchmarks/fuzz_readers.py --minutes 60

Prints the inputs tried by reader, and each input that raised anything but a declared error: its reader, the
error and the bytes. Exits with 1 if there was one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.targets import Target, make_targets


def try_reader(target: Target, number: int, examples: int) -> tuple[int, list[str]]:
    """Inputs tried and what went wrong with them; ``number`` seeds their choice."""
    tried, faults = 0, []

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.files)
    def attempt(data: bytes) -> None:
        nonlocal tried
        tried += 1
        start = time.monotonic()
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                target.read(data)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            faults.append(f"{type(error).__name__}: {error} ({place.filename}:{place.lineno}) of {data!r}")
        if (seconds := time.monotonic() - start) > 20:
            faults.append(f"{seconds:.0f} seconds for {data!r}")

    attempt()
    return tried, faults


def main() -> int:
    """Go round all readers until the time is up."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--only", help="name of one reader")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tried: Counter[str] = Counter()
    faulty, end = 0, time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as folder:
        targets = [t for t in make_targets(Path(folder)) if arguments.only in (None, t.name)]
        seen: set[str] = set()
        for number in itertools.count(arguments.seed):
            for target in targets:
                count, faults = try_reader(target, number, 200)
                tried[target.name] += count
                for fault in faults:
                    faulty += 1
                    if (kind := fault.partition(" of b")[0][:60]) not in seen:
                        seen.add(kind)
                        print(f"{target.name}: {fault[:600]}", flush=True)
            if time.monotonic() > end:
                break
    for name, count in tried.items():
        print(f"{count:>10,}  {name}")
    print(f"{sum(tried.values()):>10,}  inputs tried, {faulty} faulty")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
