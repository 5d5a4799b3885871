"""A frozen network and the heads on its features: as one network of pixels that is trained, and back."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from labelmend.models.classifier import Classifier
from labelmend.models.ensemble import Ensemble
from labelmend.models.frozen import FoldedHeads, StandardFeatures, root
from labelmend.models.pretrained import Backbone
from labelmend.models.registry import NetworkDescription, build_network


class RootedLinear(nn.Linear):
    """A linear layer on the roots of features, which ``StandardFeatures`` takes where none is negative."""

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, d), 0 or more, to logits (B, K)."""
        return super().forward(root(features))


@dataclass(frozen=True)
class WarmStart:
    """What a run on frozen features leaves to one that trains their network too.

    Attributes:
        backbone: the frozen network.
        head: features (B, d) to logits (B, C).
    """

    backbone: Backbone
    head: nn.Linear

    def network(self, description: NetworkDescription) -> Classifier:
        """The network of pixels that gives the very logits of the run, with weights of its own.

        Batch norms keep their statistics: those of a small batch are others, and with them features would not
        be what the head was fitted to.
        """
        network = build_network(description)
        assert isinstance(network.extractor, Backbone)
        network.extractor.load_state_dict(self.backbone.state_dict())
        network.extractor.keep_statistics()
        network.classifier = copy.deepcopy(self.head)
        return network


@torch.no_grad()
def mean_head(heads: Classifier | Ensemble, num_classes: int) -> nn.Linear:
    """The logits of C classes that heads on standard features give new images, as one layer.

    Args:
        heads: of a run on frozen features, one network or several.
        num_classes: C; further outputs are left out.
    """
    members = cast(list[Classifier], list(heads.networks)) if isinstance(heads, Ensemble) else [heads]
    extractor = members[0].extractor
    assert isinstance(extractor, StandardFeatures)
    kind = RootedLinear if bool(extractor.rooted) else nn.Linear
    found = kind(members[0].feature_dim, num_classes, device="meta").to_empty(device="cpu")
    weights, biases = [], []
    for member in members:
        standard, folded = member.extractor, member.classifier
        assert isinstance(standard, StandardFeatures)
        assert isinstance(folded, FoldedHeads)
        for head in cast(list[nn.Linear], list(folded.heads)):
            weight = head.weight.double() * standard.scale
            weights.append(weight)
            biases.append(head.bias.double() - weight @ standard.mean.double())
    found.weight.copy_(torch.stack(weights).mean(0)[:num_classes])
    found.bias.copy_(torch.stack(biases).mean(0)[:num_classes])
    return found


@torch.no_grad()
def heads_of(network: Classifier, description: NetworkDescription) -> Classifier:
    """The head of a network of pixels, as the heads of a run on the features of its backbone.

    Args:
        network: of pixels, with C outputs.
        description: of heads, see ``registry.describe_heads``; outputs beyond C give 0.
    """
    heads, head = build_network(description), network.classifier
    assert isinstance(heads.extractor, StandardFeatures)
    assert isinstance(heads.classifier, FoldedHeads)
    assert isinstance(head, nn.Linear)
    heads.extractor.rooted.fill_(isinstance(head, RootedLinear))
    for each in cast(list[nn.Linear], list(heads.classifier.heads)):
        each.weight.zero_()
        each.bias.zero_()
        each.weight[: head.out_features] = head.weight.cpu()
        each.bias[: head.out_features] = head.bias.cpu()
    return heads.eval()
