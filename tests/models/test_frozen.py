import torch
from torch import nn

from labelmend.models.frozen import FoldedHeads, StandardFeatures, use_heads
from labelmend.models.registry import build_network, describe_heads


def heads_of_constants() -> FoldedHeads:
    heads = FoldedHeads(2, 1, folds=3)
    for number, head in enumerate(heads.heads):
        nn.init.zeros_(head.weight)
        nn.init.constant_(head.bias, float(number + 1))
    return heads


def test_one_head_own_heads_and_their_mean():
    heads, features = heads_of_constants(), torch.randn(4, 2)
    heads.which = 1
    assert heads(features).flatten().tolist() == [2.0] * 4
    heads.which = torch.tensor([2, 0, 1, 2])
    assert heads(features).flatten().tolist() == [3.0, 1.0, 2.0, 3.0]
    heads.which = None
    assert heads(features).flatten().tolist() == [2.0] * 4


def test_use_heads_reaches_every_head_of_a_network():
    network = build_network(describe_heads(5, 3, 3), torch.Generator().manual_seed(0))
    use_heads(network, 2)
    features = network.features(torch.ones(1, 5))
    assert torch.equal(network.head(features), network.classifier.heads[2](features))


def test_only_the_head_in_use_learns():
    heads = heads_of_constants()
    heads.which = 1
    heads(torch.ones(2, 2)).sum().backward()
    assert [head.weight.grad is not None for head in heads.heads] == [False, True, False]


def test_features_are_standardised_and_about_one_long():
    generator = torch.Generator().manual_seed(1)
    raw = torch.randn(5000, 8, generator=generator) * torch.arange(1.0, 9) + 3
    raw[:, 2] = 7.0
    extractor = StandardFeatures(8)
    extractor.prepare(raw)
    made = extractor(raw)
    assert torch.allclose(made.mean(0), torch.zeros(8), atol=1e-5)
    expected = torch.full((8,), 8**-0.5)
    expected[2] = 0.0  # says nothing, so it must not blow up either
    assert torch.allclose(made.std(0, correction=0), expected, atol=1e-5)
