"""The best epoch, chosen on held-out images by their given labels."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from labelmend.data.image_set import ImageSet
from labelmend.methods.base import Method
from labelmend.tensors import pack, unpack
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.scoring import View, passes


def _learned(method: Method) -> Iterator[tuple[str, Tensor]]:
    yield from method.named_parameters(recurse=False)
    for name, module in method.named_children():
        yield from module.state_dict(prefix=f"{name}.").items()


class Validation:
    """Keeps the networks of the epoch with the smallest loss on held-out images.

    Args:
        held_out: images that are not trained on, and their given labels; None to keep nothing, so that the
            last epoch stands.
        normalisation: prepares a batch of them.
        arithmetic: device, precision and memory format.

    Attributes:
        loss: smallest loss so far; infinite before the first epoch.
        weights: those of each network's average in that epoch.
        learned: the method's own parameters in that epoch, by name, e.g. a transition matrix; of modules also
            the running statistics.
    """

    def __init__(self, held_out: ImageSet | None, normalisation: View, arithmetic: Arithmetic) -> None:
        self.held_out = held_out
        self.normalisation = normalisation
        self.arithmetic = arithmetic
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.loss = float("inf")
        self.weights: list[dict[str, Tensor]] = []
        self.learned: dict[str, Tensor] = {}

    @torch.no_grad()
    def look(self, method: Method, may_be_best: bool) -> dict[str, float]:
        """Score the model that would be final now, and keep it if it is the best; returns its loss, by name.

        Args:
            method: in its state after an epoch.
            may_be_best: whether that epoch may be kept.
        """
        if self.held_out is None:
            return {}
        labels = torch.from_numpy(self.held_out.given_labels)
        losses = [
            method.validation_loss(each.logits, labels[each.index].to(each.logits.device))
            for each in passes(
                method.final_model(), self.held_out.images, self.normalisation, self.arithmetic
            )
        ]
        loss = float(torch.cat(losses).double().mean())
        # Of equal ones the last: its rate was lower.
        if may_be_best and loss <= self.loss:
            self.loss = loss
            self.weights = [
                {name: value.clone() for name, value in network.state_dict().items()}
                for network in method.task.averages
            ]
            self.learned = {name: value.detach().clone() for name, value in _learned(method)}
        return {"validation_loss": loss}

    def restore_best(self, method: Method) -> bool:
        """Put back what was kept, if anything was: weights of the averages, and what the method learned."""
        for network, weights in zip(method.task.averages, self.weights, strict=False):
            network.load_state_dict(weights)
        method.load_state_dict(self.learned, strict=False)
        return bool(self.weights)

    def tensors(self) -> dict[str, Tensor]:
        """What must be saved, by name."""
        found = {"loss": torch.tensor(self.loss, dtype=torch.float64), **pack(self.learned, "method")}
        for i, weights in enumerate(self.weights):
            found |= pack(weights, str(i))
        return found

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what ``tensors`` returned."""
        self.loss = float(tensors["loss"])
        self.learned = unpack(tensors, "method")
        count = len({name.split(".", 1)[0] for name in tensors} - {"loss", "method"})
        self.weights = [unpack(tensors, str(i)) for i in range(count)]
