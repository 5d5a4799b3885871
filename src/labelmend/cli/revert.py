"""``labelmend revert``: put labels back as they were before they were applied."""

from __future__ import annotations

from labelmend.cli.messages import say
from labelmend.corrections.revert import revert as take_back


def revert(what: str) -> None:
    """Take back what 'labelmend apply' did: the file gets the bytes, the images the places they had.

    Args:
        what: run folder, for what was applied to it last; or the patch.csv of one application.
    """
    done = take_back(what)
    if not done.files:
        say(f"{done.moved:,} images are back in their places")
    for file in done.files:
        say(f"{file} holds the labels as they were")
