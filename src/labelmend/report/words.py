"""What a run found, in words."""

from __future__ import annotations

from typing import Any

from labelmend.config import BudgetSettings
from labelmend.text import count
from labelmend.training.metrics import USUAL_EPOCHS, by_heart, of_few_images
from labelmend.verdicts.judge import EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN

MEANINGS = {
    EASY: "label kept",
    HARD_CLEAN: "hard, but the label is confirmed: kept",
    HARD_CORRECTED: "another label is suggested",
    UNCERTAIN: "nothing near enough to tell: worth a look",
}

TITLES = {
    HARD_CORRECTED: "Suggested corrections",
    HARD_CLEAN: "Hard but clean",
    UNCERTAIN: "Uncertain",
    EASY: "Easy",
}

FEW = 0.05
"""Estimated share of wrong labels below which they may be said to look clean."""

NOTABLE = 1.2
"""How many times its budget a run takes where that is worth a word; judging all images comes on top of it."""


def percent(share: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * share:.1f} %"


def clean_line(summary: dict[str, Any]) -> str:
    """That labels look clean; "" where they do not, or a share of wrong ones or many epochs contradict."""
    told = summary.get("estimated_noise_told", True) and summary["estimated_noise_rate"] < FEW
    looks_clean = summary.get("looks_clean") and told and not by_heart(summary)
    return "These labels look clean." if looks_clean else ""


def noise_line(summary: dict[str, Any]) -> str:
    """The estimated share of wrong labels with its interval, or that it cannot be told; as of older runs."""
    rate = percent(summary["estimated_noise_rate"])
    if "estimated_noise_interval" not in summary:
        return f"Estimated share of wrong labels: {rate}"
    low, high = (f"{100 * end:.1f}" for end in summary["estimated_noise_interval"])
    if summary["estimated_noise_told"]:
        return f"Estimated share of wrong labels: {rate} (between {low} and {high} %)"
    # Few images are not told apart better by more than the default epochs: they are learned by heart.
    few = of_few_images(summary) and summary.get("epochs", 0) >= USUAL_EPOCHS
    why = (
        "there are too few images, or too alike ones"
        if few
        else "the network has learned too little or there are too few images (a longer budget may help)"
    )
    return f"Share of wrong labels: cannot be told, anything between {low} and {high} %; {why}"


def overspent(budget: BudgetSettings, summary: dict[str, Any]) -> str | None:
    """That a run took notably more than it was given, and why; None where it did not.

    Args:
        budget: of the run; further training of its backbone (``--finetune``) is not part of it.
        summary: of the run.
    """
    effort = summary.get("frozen", summary)
    taken = {"flops": effort["flops"], "minutes": effort["seconds"] / 60}.get(budget.rule)
    given = getattr(budget, budget.rule)
    if taken is None or taken <= NOTABLE * given:
        return None
    return (
        f"More than --{budget.rule} {given:g}: it took {taken:.3g}, since a pass over all images, to select "
        "some or to judge them at the end, is not cut short"
    )


def headline(summary: dict[str, Any], counts: dict[str, int], suggestions: int) -> str:
    """What was found, in one sentence.

    Args:
        summary: of the run.
        counts: images of each verdict.
        suggestions: images with another suggested label.
    """
    images = sum(counts.values())
    told = summary.get("estimated_noise_told", True)
    if told:
        of_labels = f"About {percent(summary['estimated_noise_rate'])} of the labels are wrong"
    else:
        of_labels = "How many labels are wrong cannot be told yet"
    if interval := summary.get("estimated_noise_interval"):
        low, high = (f"{100 * end:.1f}" for end in interval)
        of_labels += f" ({'' if told else 'anything '}between {low} and {high} %)"
    suggested = f"another label is suggested for {suggestions:,} of {count(images, 'image')}"
    if not suggestions:
        suggested = f"no other label is suggested for any of {count(images, 'image')}"
    kept = f"{counts[HARD_CLEAN]:,} that {'is' if counts[HARD_CLEAN] == 1 else 'are'} hard but right"
    end = f", and {kept} {'is' if counts[HARD_CLEAN] == 1 else 'are'} kept" if counts[HARD_CLEAN] else ""
    return f"{of_labels}: {suggested}{end}."
