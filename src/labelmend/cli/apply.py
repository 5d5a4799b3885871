"""``labelmend apply``: write the corrected labels of a run's data."""

from __future__ import annotations

from typing import Any

from labelmend.cli.messages import plain_warnings, say
from labelmend.cli.reading import reading_flags
from labelmend.corrections.apply import apply as write_labels
from labelmend.corrections.apply import move as move_images
from labelmend.corrections.apply import plan
from labelmend.corrections.changes import DECISION, SUGGESTION
from labelmend.corrections.prepare import Applied
from labelmend.data.suggested_labels import MIN_CONFIDENCE
from labelmend.errors import SettingsError
from labelmend.text import argument, count

_SHOWN = 20


def apply(
    run: str,
    min_confidence: float = MIN_CONFIDENCE,
    decisions: bool = False,
    decisions_only: bool = False,
    out: str | None = None,
    include_test: bool = False,
    move: bool = False,
    yes: bool = False,
    data: str | None = None,
) -> None:
    """Write the labels of a run's data with its sure suggestions, and a patch that says what changed and why.

    The data itself stays as it is. A table of labels is written again with all of its columns; of class
    folders and arrays a table with path, label and given_label. 'labelmend fit DATA --labels FILE' trains
    on it, 'labelmend revert RUN' takes it back. With --move, images of class folders are moved instead:
    first a plan, and with --yes the moves.

    Args:
        run: run folder.
        min_confidence: suggestions from this confidence on are taken, in [0, 1].
        decisions: take what a person decided (labelmend review), and sure suggestions where nobody did.
        decisions_only: take what a person decided, and no suggestion that nobody decided.
        out: file to write; by default one in the run folder, and nothing that is there is replaced.
        include_test: also change images that are marked as ones to test or validate on.
        move: move images to the folders of their new classes; without --yes, only say which.
        yes: carry the moves out; finishes those that were stopped half-way.
        data: where the images are now, if they have moved since the run.
    """
    if out is not None and move:
        raise SettingsError("--out is the name of a table, and --move writes none; leave one of them out")
    if yes and not move:
        raise SettingsError("--yes is for --move; nothing else needs it")
    asked: dict[str, Any] = {
        "min_confidence": min_confidence,
        "decisions": decisions,
        "decisions_only": decisions_only,
        "include_test": include_test,
        "data": data,
        "announce": lambda found: _print_plan(found, _taken(min_confidence, decisions, decisions_only)),
    }
    with plain_warnings():
        done = (move_images if yes else plan)(run, **asked) if move else write_labels(run, out=out, **asked)
    _print_done(run, done, move, yes, _flags(min_confidence, decisions, decisions_only, include_test, data))


def _flags(
    min_confidence: float, decisions: bool, decisions_only: bool, include_test: bool, data: str | None
) -> str:
    """What says again which labels are meant."""
    given = {
        " --decisions": decisions and not decisions_only,
        " --decisions-only": decisions_only,
        f" --min-confidence {min_confidence:g}": min_confidence != MIN_CONFIDENCE and not decisions_only,
        " --include-test": include_test,
        f" --data {'' if data is None else argument(data)}": data is not None,
    }
    return "".join(flag for flag, asked in given.items() if asked)


def _print_done(run: str, done: Applied, moving: bool, yes: bool, flags: str) -> None:
    if moving and not yes:
        for source, target in done.moves[:_SHOWN]:
            say(f"  {source} -> {target}")
        if len(done.moves) > _SHOWN:
            say(f"  ... {len(done.moves) - _SHOWN:,} more")
        say(f"nothing was moved; the plan is in {done.result}")
        say(f"Next: labelmend apply {argument(run)} --move --yes{flags}")
        return
    if moving:
        say(f"{len(done.moves):,} images are in the folders of their new classes; patch: {done.patch}")
    else:
        say(f"labels: {done.result}")
        say(f"patch:  {done.patch}")
    say(f"Back:  labelmend revert {argument(run)}")
    if done.new_classes and not moving:
        # A file of labels names classes that the data has.
        say(
            f"New:   no image of the data has the class {', '.join(map(repr, done.new_classes))}; "
            "--out FILE beside a table gives one to train on, and --move makes class folders"
        )
    elif done.source is not None:
        say(
            f"Next:  labelmend fit {argument(done.source)}"
            + ("" if moving else f" --labels {argument(done.result)}")
            + reading_flags(done.reading)
        )


def _taken(min_confidence: float, decisions: bool, decisions_only: bool) -> str:
    """Which labels change, with places for the numbers."""
    if decisions_only:
        return "{by_decision} decided by a person; left: {below} that nobody decided"
    sure = f"with a confidence of {min_confidence:g} or more; left: {{below}} below it"
    if decisions:
        return f"{{by_decision}} decided by a person, and {{suggested}} that nobody decided, {sure}"
    return f"{{suggested}} {sure}"


def _print_plan(found: Applied, taken: str) -> None:
    """Say what will change, and of what nothing comes."""
    if found.folder is not None:
        moves = count(len(found.moves), "move")
        say(f"going on with {moves} within {found.source} that stopped half-way ({found.folder})")
        return
    by_reason = {why: sum(change.why == why for change in found.changes) for why in (SUGGESTION, DECISION)}
    counted = taken.format(
        by_decision=f"{by_reason[DECISION]:,}",
        suggested=count(by_reason[SUGGESTION], "suggestion"),
        below=count(found.below, "suggestion"),
    )
    say(f"{len(found.changes):,} of {found.images:,} labels change: {counted}")
    if found.others:
        say(f"{found.others:,} further labels are those that the run was given, not those of its source")
    if found.decided:
        kept = found.decided - by_reason[DECISION]
        say(f"a person decided about {count(found.decided, 'image')}; {kept:,} of them keep their label")
    if found.ignored:
        say(
            f"what a person decided about {count(found.ignored, 'image')} is left out: --decisions takes it "
            "and sure suggestions elsewhere, --decisions-only takes nothing else"
        )
    if found.held_out:
        say(
            f"{found.held_out:,} more are marked as ones to test or validate on and are left as they are "
            "(--include-test changes them too)"
        )
    if found.source is None:
        say("the images were in memory: whether ids and labels still match cannot be checked")
