"""What the training loop tells whoever watches it."""

from __future__ import annotations

from typing import Any, Protocol


class Listener(Protocol):
    """Called by the loop; every call must return quickly."""

    def on_start(self, info: dict[str, Any]) -> None:
        """Before the first step: processor, precision, network, FLOPs an image."""

    def on_step(self, share: float) -> None:
        """After each step, with the share of the budget that is spent, in [0, 1]."""

    def on_epoch(self, row: dict[str, Any]) -> None:
        """After each epoch, with the row just added to ``metrics.jsonl``."""


class Silent:
    """A listener that does nothing."""

    def on_start(self, info: dict[str, Any]) -> None:
        """Ignore."""

    def on_step(self, share: float) -> None:
        """Ignore."""

    def on_epoch(self, row: dict[str, Any]) -> None:
        """Ignore."""
