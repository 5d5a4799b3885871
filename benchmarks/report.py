"""The report of a run on 50,000 images: seconds to write it, its size, and seconds until a browser shows it.

The run is CIFAR-10 with the human labels of CIFAR-10N, trained briefly: what a report costs does not depend
on how long the training took. Opening is from the request until the headline and the first images are
painted, in a headless Chromium, with an empty profile each time.

    LABELMEND_DATA=DIR python benchmarks/report.py --out benchmarks/results/report.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

import labelmend
from labelmend.report.content import content
from labelmend.report.findings import gather
from labelmend.report.page import render
from labelmend.training.machine import machine

FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
TIMES = 5


def write(folder: Path) -> dict[str, float]:
    """Seconds of each part of a report, of all, and of the processor."""
    processor, clock, seconds = time.process_time(), time.perf_counter(), {}

    def lap(name: str) -> None:
        nonlocal clock
        seconds[name] = round(time.perf_counter() - clock, 2)
        clock = time.perf_counter()

    findings = gather(folder)
    lap("reading the run and listing its data")
    shown = content(findings)
    lap("features, map and pictures")
    page = render(findings, shown)
    (folder / "report.html").write_text(page, encoding="utf-8")
    lap("page")
    of_processor = round(time.process_time() - processor, 2)
    return {**seconds, "all": round(sum(seconds.values()), 2), "processor": of_processor}


def opening(page: Path) -> float:
    """Seconds until the headline and the first pictures stand in a fresh browser."""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        begun = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="commit")
        tab.wait_for_selector(".card img")
        tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seconds = time.perf_counter() - begun
        browser.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="a finished run to report on; by default one is trained")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.run or Path(temporary) / "run"
        if arguments.run is None:
            labelmend.fit(
                "cifar10", noise="cifar10n:worse", epochs=1, widths=[16, 32], test="none", out=folder
            )
        seconds = write(folder)
        page = folder / "report.html"
        opened = [opening(page) for _ in range(TIMES)]
        summary = labelmend.load_run(folder).verdicts.summary()
        result = {
            "data": "cifar10 with cifar10n:worse",
            "images": summary["images"],
            "verdicts": summary["verdicts"],
            "seconds": seconds,
            "megabytes": round(page.stat().st_size / 1e6, 2),
            "seconds_to_open_median": round(statistics.median(opened), 2),
            "seconds_to_open": [round(each, 2) for each in opened],
            **machine(),
        }
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
