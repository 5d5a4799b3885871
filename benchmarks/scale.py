"""Selection, anchors and votes of ``mend`` on 10,000 to 1,000,000 rows of features: time and memory.

Features are random clusters, a fifth of the labels is wrong, settings are mend's. Each size runs in a process
of its own, whose peak memory is then its own, features and all. ``--exact`` forbids the index of FAISS,
``--index`` takes it at every size. What an index finds is compared with exact search for some of the queries.
Seconds are those of the clock and of the processor, all threads added up: the latter depend less on what else
the machine does.

    python benchmarks/scale.py --sizes 10000 100000 1000000 --out benchmarks/results/scale/auto.json
    python benchmarks/scale.py --sizes 10000 100000 --index --out benchmarks/results/scale/index.json
    python benchmarks/scale.py --plot docs/scale.png
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.correction import search
from labelmend.correction.correct import correct
from labelmend.correction.neighbours import neighbour_shares
from labelmend.hallucination.anchors import AnchorBlock, anchor_blocks
from labelmend.hallucination.closed_form import closed_form_anchors
from labelmend.hallucination.partners import sample_partners
from labelmend.methods.mend import MendSettings
from labelmend.selection.select import select
from labelmend.training.machine import machine

CLASSES, FEATURES, WRONG, SPREAD, SHARPNESS = 100, 64, 0.2, 1.0, 0.2
RESULTS = Path(__file__).parent / "results" / "scale"


def clusters(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features (N, d) around the centres of classes, given labels (N,), and class probabilities (N, C)."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(CLASSES, FEATURES, generator=generator)
    true = torch.randint(CLASSES, (count,), generator=generator)
    features = centres[true] + SPREAD * torch.randn(count, FEATURES, generator=generator)
    wrong = torch.rand(count, generator=generator) < WRONG
    given = torch.where(wrong, torch.randint(CLASSES, (count,), generator=generator), true)
    probabilities = (SHARPNESS * features @ centres.T).softmax(1)
    return features, given, probabilities


def peak_gigabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


class Stages:
    """Seconds of each stage, by the clock and of the processor."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        clock, processor = time.perf_counter(), time.process_time()
        yield
        self.seconds[name] = {
            "clock": time.perf_counter() - clock,
            "processor": time.process_time() - processor,
        }
        print(f"  {name}: {self.seconds[name]}", flush=True)


def measure(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """One selection; called in a process of its own."""
    torch.set_num_threads(options.threads)
    search.LARGE = 0 if options.index else sys.maxsize if options.exact else search.LARGE
    settings, stages = MendSettings(), Stages()
    features, given, probabilities = clusters(count, options.seed)
    before = peak_gigabytes()
    with stages.stage("selection"):
        trusted = torch.zeros(count, dtype=torch.bool)
        easy = select(
            probabilities, given, trusted, rule=settings.selection, percent=settings.easy_percent
        ).easy
    of_easy, labels, origin = features[easy], given[easy], features.mean(0)
    generator = torch.Generator().manual_seed(options.seed)
    make = partial(closed_form_anchors, lambda_p=settings.lambda_p)

    with stages.stage("anchors and votes"):
        partners = sample_partners(labels, settings.anchors_per_sample, generator)

        def anchors() -> Iterator[AnchorBlock]:
            for made, of_anchors, source in anchor_blocks(of_easy, labels, partners, make):
                yield made - origin, of_anchors, source

        found = correct(
            anchors(),
            partners.numel(),
            features - origin,
            easy,
            given,
            CLASSES,
            lambda_conf=0.5,
            surrounding="loose",
            max_votes=settings.max_votes,
            min_votes=settings.min_votes,
            min_agreement=settings.min_agreement,
        )
    with stages.stage("labels of neighbours"):
        neighbour_shares(features, easy, given, CLASSES, settings.neighbours)
    peak, hard = peak_gigabytes(), int((~easy).sum())
    pairs = {"anchors and votes": partners.numel() * hard, "labels of neighbours": count * int(easy.sum())}
    return {
        "rows": count,
        "seconds": stages.seconds,
        "peak_gigabytes": peak,
        "peak_gigabytes_before": before,
        "pairs": pairs,
        "index": {
            "anchors and votes": search.takes_index(partners.numel(), hard, features.device),
            "labels of neighbours": search.takes_index(count, int(easy.sum()), features.device),
        },
        "hard_samples": hard,
        "votes_taken": int((found.corrected >= 0).sum()),
        "compared": compare(features, easy, options.queries),
    }


def compare(features: Tensor, easy: Tensor, queries: int) -> dict[str, float]:
    """Exact search and an index side by side, for some queries among the easy samples."""
    unit = functional.normalize(features - features.mean(0), dim=1)
    references, asked = unit[easy], unit[:: max(len(unit) // queries, 1)][:queries]
    started = time.process_time()
    of_index = search.index_search(references)
    built = time.process_time()
    found = of_index(asked, 50)[1]
    searched = time.process_time()
    wanted = search.exact_search(references)(asked, 50)[1]
    exact = time.process_time() - searched
    hits = (found[:, :, None] == wanted[:, None]).any(1).float()
    return {
        "queries": len(asked),
        "recall_of_50": float(hits.mean()),
        "recall_of_the_nearest": float((found[:, :1] == wanted[:, :1]).float().mean()),
        "index_build_seconds": built - started,
        "index_milliseconds_a_query": 1e3 * (searched - built) / len(asked),
        "exact_milliseconds_a_query": 1e3 * exact / len(asked),
    }


def plot(picture: Path) -> None:
    """Time and memory of all results, against the number of rows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    of_time, of_memory = figure.subplots(1, 2)
    for colour, path in enumerate(sorted(RESULTS.glob("*.json"))):
        sizes = json.loads(path.read_text())["sizes"]
        rows = [size["rows"] for size in sizes]
        seconds = [sum(stage["processor"] for stage in size["seconds"].values()) for size in sizes]
        of_time.plot(rows, seconds, "o-", color=f"C{colour}", label=path.stem)
        of_memory.plot(
            rows, [size["peak_gigabytes"] for size in sizes], "o-", color=f"C{colour}", label=path.stem
        )
        if colour == 0:
            pairs = [sum(size["pairs"].values()) for size in sizes]
            ideal = [seconds[0] * number / pairs[0] for number in pairs]
            of_time.plot(rows, ideal, "k:", label="as the candidate pairs")
    of_memory.axhline(6, color="k", linestyle=":")
    for axes, title in ((of_time, "processor seconds"), (of_memory, "peak memory, GB")):
        axes.set_xscale("log")
        axes.set_xlabel("rows of 64 features")
        axes.set_ylabel(title)
    of_time.set_yscale("log")
    of_time.legend(fontsize=8)
    figure.savefig(picture, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--queries", type=int, default=1000, help="for which exact search is compared")
    parser.add_argument("--seed", type=int, default=0)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--exact", action="store_true")
    kind.add_argument("--index", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path, help="draw all results into this file; nothing is measured")
    options = parser.parse_args()
    if options.plot is not None:
        plot(options.plot)
        return
    sizes = []
    for count in options.sizes:
        print(f"{count:,} rows", flush=True)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            sizes.append(pool.submit(measure, count, options).result())
        settings = {key: value for key, value in vars(options).items() if key not in ("out", "plot")}
        report = {"settings": settings, "sizes": sizes, **machine()}
        if options.out is not None:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(sizes, indent=2))


if __name__ == "__main__":
    main()
