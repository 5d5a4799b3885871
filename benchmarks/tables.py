"""Bring the documentation's tables and figures of suites up to date, from ``benchmarks/results``.

python benchmarks/tables.py
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labelmend.bench.figures import draw_suite, save_figure
from labelmend.bench.results import read_results
from labelmend.bench.tables import markdown, mean_and_spread, suite_tables, update_document

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "docs" / "ARCHITECTURE.md",
    ROOT / "docs" / "BENCHMARKS.md",
    ROOT / "docs" / "LOG.md",
    ROOT / "docs" / "PAPER.md",
    ROOT / "docs" / "PHOTOS.md",
)

FIGURES = ("methods-10k", "parameters-10k")
"""Suites whose figure stands in the documentation."""

# What the README claims: a suite and the noise of its records, data and noise as a reader knows them, and
# what a reader calls each row.
CONTROLS = {"CE with mixup": "mixup", "CE": "cross-entropy"}
CLAIMS: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
    (
        "digits-idn40-mended",
        "instance-per-class:0.4:seed=0",
        "digits",
        "instance-dependent, 40 %",
        {"Fast recipe": "`fast`"},
    ),
    ("digits-idn40", "instance-per-class:0.4:seed=0", "digits", "instance-dependent, 40 %", CONTROLS),
    (
        "cifar10n-worse-10k",
        "cifar10n:worse",
        "CIFAR-10, first 10,000",
        "human, 41 %",
        {
            "Fast recipe": "`fast` *",
            "CE with mixup, strong views": "mixup, strong views",
            "CE": "cross-entropy",
        },
    ),
    ("cifar10n-worse-50k-long", "cifar10n:worse", "CIFAR-10", "human, 40 %", {"Fast recipe": "`fast`"}),
    (
        "cifar10n-worse-50k",
        "cifar10n:worse",
        "CIFAR-10",
        "human, 40 %",
        {
            "Mend": "`fast`",
            "Mixup alone, same views and schedule": "mixup, same views and schedule",
            "CE": "cross-entropy",
        },
    ),
    ("cifar10-50k-noises", "cifar10n:random1", "CIFAR-10", "human, 17 %", {"Fast recipe": "`fast` *"}),
    (
        "cifar10-50k-noises",
        "instance-shared:0.4:seed=0",
        "CIFAR-10",
        "instance-shared, 40 %",
        {"Fast recipe": "`fast` *"},
    ),
    (
        "cifar10-50k-classifier",
        "classifier:0.4:seed=0",
        "CIFAR-10",
        "classifier, 40 %",
        {"Fast recipe, Bayes' rule never": "`fast` *"},
    ),
)


def read_all(folder: str) -> list[dict[str, Any]]:
    """The records of a folder of results, by file name; one a processor."""
    return [json.loads(path.read_text()) for path in sorted((RESULTS / folder).glob("*.json"))]


def processor(record: dict[str, Any]) -> str:
    """The processor of a record, and the extensions it was held to."""
    limit = record.get("limited_to")
    return record["processor"] + (f", held to {limit}" if limit else "")


def throughput() -> str:
    """Images a second of the training loop beside a bare and a plain one."""
    rows = []
    for record in read_all("throughput"):
        speeds = record["images_per_second"]
        numbers = f"{record['precision']} {record['memory_format']}"
        shares = [f"{100 * share:.0f} %" for share in record["share_of_bare"].values()]
        rows.append([processor(record), numbers, *(f"{speed:,.0f}" for speed in speeds.values()), *shares])
    head = ["processor", "precision and layout", "plain loop", "bare loop", "warm-up", "after it"]
    return markdown([*head, "warm-up, of bare", "after it, of bare"], rows)


def dividemix_speed() -> str:
    """Images a second of DivideMix's step beside a plain loop of its pseudocode."""
    rows = [
        [
            processor(record),
            f"{record['precision']} {record['memory_format']}",
            *(f"{speed:.1f}" for speed in record["images_per_second"].values()),
            f"{record['times_plain']:.1f}",
        ]
        for record in read_all("dividemix_speed")
    ]
    head = ["processor", "precision and layout", "plain loop", "labelmend", "times as many"]
    return markdown(head, rows)


def step_profile() -> str:
    """Share of a step in each kind of operation."""
    columns, cells = [], []
    for record in read_all("step_profile"):
        for moment, found in record["profiles"].items():
            columns.append(f"{moment}, {processor(record)}, {record['precision']}")
            shares = [f"{100 * share:.1f} %" for share in found["kinds"].values()]
            cells.append([*shares, f"{100 * found['making the views']:.1f} %"])
    kinds = [*read_all("step_profile")[0]["profiles"]["warm-up"]["kinds"], "(of these: making the views)"]
    return markdown(["kind of operation", *columns], zip(kinds, *cells, strict=True))


def network_choices() -> str:
    """Images a second of each activation and pooling, in each precision and layout, relative to the best."""
    rows = []
    for record in read_all("step_profile"):
        fastest = max(choice["images_per_second"] for choice in record["choices"])
        arithmetic = list(
            dict.fromkeys((choice["precision"], choice["memory_format"]) for choice in record["choices"])
        )
        for precision, layout in arithmetic:
            speeds = {
                (c["activation"], c["pooling"]): c["images_per_second"] / fastest
                for c in record["choices"]
                if (c["precision"], c["memory_format"]) == (precision, layout)
            }
            head = [f"{activation}, {pooling}" for activation, pooling in speeds]
            rows.append([processor(record), f"{precision} {layout}", *(f"{v:.2f}" for v in speeds.values())])
    return markdown(["processor", "precision and layout", *head], rows)


def votes(name: str) -> str:
    """Voted labels beside the network's own predictions, one line for each kind of anchors and moment."""
    record = json.loads((RESULTS / f"{name}.json").read_text())
    columns = {
        "coverage": "coverage",
        "vote": "vote",
        "argmax, same samples": "argmax on the same samples",
        "k nearest, same samples": "neighbours on the same samples",
        "most confident argmax": "most confident argmax",
        "most agreed k nearest": "most agreed neighbours",
    }
    rows = []
    for moment, anchors in record["table"].items():
        for i, row in enumerate(anchors):
            found = [[seed[moment][i][key] for seed in record["seeds"]] for key in columns.values()]
            known = [[value for value in values if value is not None] for values in found]
            gain = [100 * value for value in row["vote minus argmax on the same samples"]]
            spread = f"{statistics.fmean(gain):+.2f} ± {statistics.stdev(gain):.2f}"
            rows.append([moment, row["anchors"], *(mean_and_spread(values) for values in known), spread])
    return markdown(["moment", "anchors", *columns, "vote minus argmax"], rows)


CORRECTIONS = {
    "without": "no correction",
    "not learned": "votes are made and not learned",
    "as voted": "the vote (hard correction as it is)",
    "own prediction": "the network's own prediction, as sure as the vote",
    "less sure": "the vote, as sure as the network's own prediction",
    "true label": "the true label (no method)",
}


def correction_cost() -> str:
    """What samples learn that got a vote, and the labels they could learn at the last selection."""
    records, rows = read_all("correction_cost"), []
    for variant, name in CORRECTIONS.items():
        some = [record for record in records if record["variant"] == variant]
        runs = [record["summary"] for record in some]
        last = [record["selections"][-1] for record in some if record["selections"]]
        labels = [[found[label] for found in last] for label in ("vote", "own prediction", "given label")]
        rows.append(
            [
                name,
                str(len(some)),
                mean_and_spread([found["test_accuracy_last"] for found in runs]),
                mean_and_spread([found["test_accuracy_best"] for found in runs]),
                f"{statistics.fmean(found['epochs'] for found in runs):.1f}",
                f"{statistics.fmean(found['voted'] for found in last):,.0f}" if last else "",
                *(mean_and_spread(values) if values else "" for values in labels),
            ]
        )
    right = ["vote is right", "own prediction", "given label"]
    head = ["samples with a vote learn", "seeds", "last epoch", "best epoch", "epochs"]
    return markdown([*head, "samples", *right], rows)


def claim(records: Sequence[dict[str, Any]]) -> list[str]:
    """Accuracy, seeds, operations, minutes and processor of the runs of one row."""
    found = [record["summary"] for record in records]
    minutes = statistics.fmean(summary["seconds"] for summary in found) / 60
    return [
        mean_and_spread([summary["test_accuracy_last"] for summary in found]),
        str(len(found)),
        f"{statistics.fmean(summary['flops'] for summary in found):.2e}",
        f"{minutes:.1f}" if minutes < 10 else f"{minutes:.0f}",
        "; ".join(sorted({summary["processor"].split(" (")[0] for summary in found})),
    ]


def claims() -> str:
    """What each recipe and its controls reach, one line for each data set and noise."""
    rows = []
    for suite, noise, data, noise_name, recipes in CLAIMS:
        for row, recipe in recipes.items():
            records = [r for r in read_all(suite) if (r["row"], r["noise"]) == (row, noise)]
            record = f"[{suite}](benchmarks/results/{suite})"
            rows.append([data, noise_name, recipe, *claim(records), record])
    head = ["data", "noise", "recipe or control", "test accuracy, %", "seeds", "operations", "minutes"]
    return markdown([*head, "processor, 2 threads", "record"], rows)


def measures(found: dict[str, Any]) -> list[str]:
    """The four measures of some anchors, as cells."""
    numbers = (found["partner"], found["gap"], found["own_class"], found["spread"])
    return [f"{number:.3f}" if i == 1 else f"{100 * number:.0f}" for i, number in enumerate(numbers)]


MEASURES = ["from the partner, %", "above the bound", "right class, %", "hard samples, %"]


def hallucinator_terms() -> str:
    """Anchors at the first selection, by weight and sharpness of the classification term."""
    found = json.loads((RESULTS / "hallucinator.json").read_text())["at_the_first_selection"]
    rows = [
        [
            f"{e['weight']:g}",
            "logits as they are" if e["sharpness"] is None else f"{e['sharpness']:g}",
            *measures(e),
        ]
        for e in found["terms"]
    ]
    return markdown(
        ["weight", "sharpness", *MEASURES], [*rows, ["closed form", "", *measures(found["closed_form"])]]
    )


def hallucinator_run() -> str:
    """Learned and closed-form anchors over a run of the paper's method."""
    points = json.loads((RESULTS / "hallucinator.json").read_text())["over_the_run"]
    head = ["share of the budget", *MEASURES, "closed form: from the partner, %", "right class, %"]
    return markdown(
        head,
        [
            [
                f"{100 * point['share']:.0f} %",
                *measures(point["learned"]),
                *(f"{100 * point['closed_form'][name]:.0f}" for name in ("partner", "own_class")),
            ]
            for point in points
        ],
    )


def embedding() -> str:
    """Images a second of embedding photographs beside bare forward loops."""
    record = json.loads((RESULTS / "embedding.json").read_text())
    speeds, rows = record["images_per_second"], []
    for clock, name in (("clock", "by the clock"), ("processor", "of processor time, all threads")):
        shares = [f"{100 * share[clock]:.0f} %" for share in record["share"].values()]
        rows.append([name, *(f"{speeds[loop][clock]:,.1f}" for loop in speeds), *shares])
    settings = record["settings"]
    head = [f"{settings['network']}, {record['precision']}, {record['threads']} threads, {processor(record)}"]
    columns = ["bare loop", "bare loop, memory kept", "embedding", "cached"]
    return markdown([*head, *columns, "embedding, of bare", "of bare with memory kept"], rows)


def scale() -> str:
    """Time and memory of a selection by the number of rows, and what an index of FAISS finds."""
    rows = []
    for path in sorted((RESULTS / "scale").glob("*.json")):
        for size in json.loads(path.read_text())["sizes"]:
            seconds = [stage["processor"] for stage in size["seconds"].values()]
            compared = size["compared"]
            rows.append(
                [
                    f"{size['rows']:,}",
                    "index" if any(size["index"].values()) else "exact",
                    *(f"{value:,.1f}" for value in seconds),
                    f"{sum(size['pairs'].values()):.1e}",
                    f"{1e9 * sum(seconds) / sum(size['pairs'].values()):.2f}",
                    f"{size['peak_gigabytes']:.2f}",
                    f"{100 * compared['recall_of_50']:.2f} %",
                    f"{100 * compared['recall_of_the_nearest']:.2f} %",
                    f"{compared['exact_milliseconds_a_query'] / compared['index_milliseconds_a_query']:.1f}",
                ]
            )
    stages = ["selection, s", "anchors and votes, s", "labels of neighbours, s"]
    found = ["50 nearest that an index finds", "the nearest", "an index is faster by"]
    return markdown(["rows", "search", *stages, "pairs", "ns a pair", "peak memory, GB", *found], rows)


def imbalance() -> str:
    """What is found of the smallest class, by imbalance and method; means over seeds."""
    runs = json.loads((RESULTS / "imbalance.json").read_text())["runs"]
    columns = {
        "detection AP, smallest class": "ap_smallest",
        "wrong labels flagged there": "flagged_recall_smallest",
        "right labels flagged there": "false_smallest",
        "recall of the class, test": "recall_smallest",
        "detection AP, all": "ap",
        "wrong labels flagged, all": "flagged_recall",
        "flagged that are wrong, all": "flagged_precision",
        "accuracy, test": "accuracy",
    }
    rows = []
    for data, ratio in dict.fromkeys((run["data"], run["ratio"]) for run in runs):
        some = [run for run in runs if (run["data"], run["ratio"]) == (data, ratio)]
        for name in some[0]["rows"]:
            found = [[run["rows"][name][key] for run in some] for key in columns.values()]
            means = [f"{100 * statistics.fmean(values):.1f}" for values in found]
            sizes = ", ".join(str(run["given_smallest"]) for run in some)
            rows.append([data, f"1:{ratio}", sizes, name, *means])
    return markdown(["data", "imbalance", "given the smallest class", "method", *columns], rows)


def mirroring() -> str:
    """What was decided on mirroring, and what each choice gives."""
    sets = json.loads((RESULTS / "mirroring.json").read_text())["sets"]
    rows = [
        [
            name,
            f"{found['images']:,}",
            f"{found['kept']:.2f} ± {found['error']:.2f}",
            f"{'on' if found['on'] else 'off'} ({found['outcome']})",
            f"{found['seconds']:.1f}",
            *(f"{100 * found[way]['accuracy']:.1f}" for way in ("with", "without")),
            *(str(found[way]["issues"]) for way in ("with", "without")),
        ]
        for name, found in sets.items()
    ]
    head = ["data", "images", "likeness kept", "decided", "seconds", "accuracy, on", "accuracy, off"]
    return markdown([*head, "label issues, on", "label issues, off"], rows)


def mutants() -> str:
    parts = json.loads((RESULTS / "mutants.json").read_text())["parts"]
    states = list(next(iter(parts.values())))
    parts["all"] = {state: sum(found[state] for found in parts.values()) for state in states}
    rows = []
    for name, found in parts.items():
        changes = sum(found.values())
        counts = [f"{number:,}" for number in (changes, *found.values())]
        rows.append([name, *counts, f"{1 - found['not noticed'] / changes:.1%}"])
    return markdown(["code", "changes", *states, "share noticed"], rows)


PHOTO_METHODS = {
    "labelmend": "labelmend",
    "cleanlab": "cleanlab",
    "cleanlab_rooted": "cleanlab, roots of features",
    "neighbours": "nearest neighbours",
    "true_labels": "a classifier of the true labels, roots of features",
}
PHOTO_NUMBERS = {
    "average_precision": "average precision",
    "precision_at_recall_of_neighbours": "precision at the neighbours' recall",
    "precision": "precision",
    "recall": "recall",
    "right_suggestions": "right suggestions",
    "test_accuracy": "test accuracy",
}


def photos(record: str) -> str:
    found = json.loads((RESULTS / f"{record}.json").read_text())
    rows, drawn = [], found["images"] is None
    for noise, images in dict.fromkeys((row["noise"], row.get("images")) for row in found["rows"]):
        cells = [row for row in found["rows"] if (row["noise"], row.get("images")) == (noise, images)]
        for name, title in PHOTO_METHODS.items():
            if name not in cells[0]:
                continue
            shown = [mean_and_spread([cell[name][number] for cell in cells]) for number in PHOTO_NUMBERS]
            seconds = statistics.median(cell[name]["seconds"] for cell in cells)
            which = [noise, f"{images:,}"] if drawn else [noise]
            rows.append([*which, title, str(len(cells)), *shown, f"{seconds:.0f}"])
    which = ["noise", "images"] if drawn else ["noise"]
    return markdown([*which, "method", "seeds", *PHOTO_NUMBERS.values(), "seconds"], rows)


def second_fit() -> str:
    """What a second fit of the heads on frozen features is worth, on the same runs."""
    lines = (RESULTS / "second_fit.jsonl").read_text().splitlines()[1:]
    runs = [json.loads(line) for line in lines]
    names = ("test_accuracy", "average_precision", "precision", "recall", "right_suggestions")
    rows = []
    for noise in ("none", "symmetric:0.2", "symmetric:0.4", "instance-per-class:0.2"):
        for fits in (1, 2):
            some = [run for run in runs if (run["noise"], run["fits"]) == (noise, fits)]
            found = [[run[name] for run in some if name in run] for name in names]
            cells = [f"{100 * statistics.fmean(values):.2f}" if values else "" for values in found]
            rows.append([noise, str(fits), str(len(some)), *cells])
    return markdown(["noise", "fits", "runs", *(name.replace("_", " ") for name in names)], rows)


TABLES: dict[str, Callable[[], str]] = {
    "claims": claims,
    "throughput": throughput,
    "dividemix_speed": dividemix_speed,
    "step_profile": step_profile,
    "network_choices": network_choices,
    "hallucinator_terms": hallucinator_terms,
    "hallucinator_run": hallucinator_run,
    "embedding": embedding,
    "scale": scale,
    "imbalance": imbalance,
    "mirroring": mirroring,
    "mutants": mutants,
    "photos": lambda: photos("photos"),
    "photos_few": lambda: photos("photos_few"),
    "photos_cifar10": lambda: photos("photos_cifar10"),
    "second_fit": second_fit,
    "correction_cost": correction_cost,
    "votes_worse_10k": lambda: votes("votes_worse_10k"),
}


def main() -> None:
    suite = suite_tables(RESULTS)
    for document in DOCUMENTS:
        update_document(document, lambda name: TABLES[name]() if name in TABLES else suite(name))
    for name in FIGURES:
        save_figure(draw_suite(read_results(RESULTS / name)), ROOT / "docs" / f"{name}.png")


if __name__ == "__main__":
    main()
