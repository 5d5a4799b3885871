"""The anchor hallucinator h: a two-layer perceptron on a pair of features."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from labelmend.hallucination.closed_form import of_mean_length


class Hallucinator(nn.Module):
    """Anchor ``s_a = h(s_u, s_v)`` of section 3.2: concatenation, linear, ReLU, linear, ReLU, length.

    The ReLU on the output keeps anchors in the orthant of post-ReLU features; of features that are often
    negative it is left out (``allow_negative``). Anchors get the mean length of their two features: nothing
    in eq. 2 bounds it, and the head would see longer ones as surer.

    Args:
        feature_dim: d.
        hidden_dim: width of the hidden layer; d by default.
        generator: source of the initial weights; the global one is left alone. Hidden weights are He-uniform,
            output weights uniform and positive, biases zero.

    Attributes:
        signed: whether anchors can have negative values.
    """

    signed: Tensor

    def __init__(
        self, feature_dim: int, hidden_dim: int | None = None, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        hidden_dim = hidden_dim or feature_dim
        # Layers born without values: their own initialisation would draw from the global generator.
        self.hidden = nn.Linear(2 * feature_dim, hidden_dim, device="meta").to_empty(device=generator.device)
        self.output = nn.Linear(hidden_dim, feature_dim, device="meta").to_empty(device=generator.device)
        nn.init.kaiming_uniform_(self.hidden.weight, nonlinearity="relu", generator=generator)
        # Features share a large mean, so an output unit with weights of both signs is on for every pair
        # or off for every pair, and off it never learns. Positive weights that sum to 2 start all units
        # on, at about the scale of the features, as half of the hidden units are off.
        nn.init.uniform_(self.output.weight, 0, 4 / hidden_dim, generator=generator)
        for layer in (self.hidden, self.output):
            nn.init.zeros_(layer.bias)
        self.register_buffer("signed", torch.tensor(False, device=generator.device))
        self.register_load_state_dict_pre_hook(_of_older_versions)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def allow_negative(self) -> None:
        """Let anchors have negative values, as their features have; before it is trained.

        Such features share no large mean, and no unit can be off: output weights are spread around 0, to an
        output about as long as the input.
        """
        width = self.hidden.out_features
        self.output.weight.sub_(2 / width).mul_(math.sqrt(3 * width) / 2)
        self.signed.fill_(True)

    def forward(self, s_u: Tensor, s_v: Tensor) -> Tensor:
        """Anchors (B, d) from features s_u (B, d) and their partners s_v (B, d)."""
        hidden = torch.relu(self.hidden(torch.cat((s_u, s_v), dim=1)))
        made = self.output(hidden)
        return of_mean_length(torch.where(self.signed, made, torch.relu(made)), s_u, s_v)


def _of_older_versions(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Weights written before anchors could be negative."""
    state.setdefault(prefix + "signed", torch.tensor(False))
