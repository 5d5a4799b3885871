"""``labelmend apply``: write the corrected labels of a run's data."""

from __future__ import annotations

from labelmend.cli.messages import plain_warnings, say
from labelmend.corrections.apply import Applied, plan
from labelmend.corrections.apply import apply as write_labels
from labelmend.corrections.apply import move as move_images
from labelmend.corrections.changes import DECISION, SUGGESTION
from labelmend.errors import SettingsError

_SHOWN = 20


def apply(
    run: str,
    min_confidence: float = 0.9,
    decisions: bool = False,
    out: str | None = None,
    include_test: bool = False,
    move: bool = False,
    yes: bool = False,
) -> None:
    """Write the labels of a run's data with its sure suggestions, and a patch that says what changed and why.

    The data itself stays as it is. A table of labels is written again with all of its columns; of class
    folders and arrays a table with path, label and given_label. 'labelmend fit DATA --labels FILE' trains
    on it, 'labelmend revert RUN' takes it back. With --move, images of class folders are moved instead:
    first a plan, and with --yes the moves.

    Args:
        run: run folder.
        min_confidence: suggestions from this confidence on are taken, in [0, 1].
        decisions: take what a person decided (labelmend review), and suggestions only where nobody did.
        out: file to write; by default one in the run folder, and nothing that is there is replaced.
        include_test: also change images that are marked as ones to test or validate on.
        move: move images to the folders of their new classes; without --yes, only say which.
        yes: carry the moves out; finishes those that were stopped half-way.
    """
    if out is not None and move:
        raise SettingsError("--out is the name of a table, and --move writes none; leave one of them out")
    if yes and not move:
        raise SettingsError("--yes is for --move; nothing else needs it")
    with plain_warnings():
        if not move:
            done = write_labels(
                run,
                min_confidence=min_confidence,
                decisions=decisions,
                out=out,
                include_test=include_test,
            )
        else:
            act = move_images if yes else plan
            done = act(run, min_confidence=min_confidence, decisions=decisions, include_test=include_test)
    _print(run, done, min_confidence, move, yes)


def _print(run: str, done: Applied, min_confidence: float, moving: bool, yes: bool) -> None:
    if done.images:
        _print_counts(done, min_confidence)
    if moving and not yes:
        for source, target in done.moves[:_SHOWN]:
            say(f"  {source} -> {target}")
        if len(done.moves) > _SHOWN:
            say(f"  ... {len(done.moves) - _SHOWN:,} more")
        say(f"nothing was moved; the plan is in {done.result}")
        say(f"Next: labelmend apply {run} --move --yes")
        return
    if moving:
        say(f"{len(done.moves):,} images are in the folders of their new classes; patch: {done.patch}")
    else:
        say(f"labels: {done.result}")
        say(f"patch:  {done.patch}")
    say(f"Back:  labelmend revert {run}")
    if done.source is not None:
        say(f"Next:  labelmend fit {done.source}" + ("" if moving else f" --labels {done.result}"))


def _print_counts(done: Applied, min_confidence: float) -> None:
    by_reason = {why: sum(change.why == why for change in done.changes) for why in (SUGGESTION, DECISION)}
    say(
        f"{sum(by_reason.values()):,} of {done.images:,} labels change: {by_reason[SUGGESTION]:,} "
        f"suggestions with a confidence of {min_confidence:g} or more, {by_reason[DECISION]:,} decisions; "
        f"{done.below:,} suggestions below that confidence are left"
    )
    if done.others:
        say(f"{done.others:,} further labels are those that the run was trained on, not those of its source")
    if done.decided:
        say(f"a person decided about {done.decided:,} images")
    if done.held_out:
        say(
            f"{done.held_out:,} more are marked as ones to test or validate on and are left as they are "
            "(--include-test changes them too)"
        )
    if done.source is None:
        say("the images were in memory: whether ids and labels still match cannot be checked")
