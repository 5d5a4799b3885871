"""Count what ``make mutants`` found, by part of the code, into ``benchmarks/results/mutants.json``.

make mutants
.venv/bin/mutmut results --all true | .venv/bin/python benchmarks/mutants.py
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from datetime import date
from importlib.metadata import version
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "mutants.json"
STATES = {
    "killed": "noticed",
    "timeout": "did not end",
    "segfault": "did not end",
    "survived": "not noticed",
}


def part(name: str) -> str:
    """A room of steps as a whole, a method by itself: ``selection``, ``methods.mend``."""
    room, module = name.removeprefix("labelmend.").split(".")[:2]
    return f"{room}.{module}" if room == "methods" else room


def main() -> None:
    """Read the list of all mutants, a line ``NAME: STATE`` each."""
    parts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, state in re.findall(r"^\s*(\S+__mutmut_\d+): (.+?)\s*$", sys.stdin.read(), re.MULTILINE):
        parts[part(name)][STATES[state]] += 1
    states = dict.fromkeys(STATES.values())
    counts = {name: {state: found[state] for state in states} for name, found in sorted(parts.items())}
    record = {"day": date.today().isoformat(), "tool": f"mutmut {version('mutmut')}", "parts": counts}
    RESULT.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
