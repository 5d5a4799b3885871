import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from labelmend.models.frozen import FOLDS, STRENGTHS, FoldedHeads, StandardFeatures, refit, use_heads
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


def blobs(classes=3, count=120, dim=4):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, dim, generator=generator)
    features = centres[labels] + 0.4 * torch.randn(count, dim, generator=generator)
    return features, labels, torch.arange(count) // 3 % FOLDS


def test_refit_heads_are_regressions_on_the_known_samples_outside_their_fold():
    features, labels, fold_of = blobs()
    labels[::7] = -1
    heads = FoldedHeads(4, 3)
    operations = refit(heads, features, labels, fold_of)
    known = labels >= 0
    own = known & (fold_of == 0)

    def regression(head, strength):
        among = known & (fold_of != head)
        return LogisticRegression(C=strength, max_iter=200).fit(
            features[among].numpy(), labels[among].numpy()
        )

    def likelihood(strength):
        found = regression(0, strength).predict_log_proba(features[own].numpy())
        return found[np.arange(int(own.sum())), labels[own].numpy()].mean()

    best = max(STRENGTHS, key=likelihood)
    for number, head in enumerate(heads.heads):
        expected = regression(number, best).predict_proba(features.numpy())
        np.testing.assert_allclose(head(features).softmax(1).detach().numpy(), expected, atol=1e-4)
    assert operations > 4 * 9 * int((known & (fold_of != 0)).sum()) * 4 * 3


def test_refit_heads_of_two_classes_and_of_one_that_is_never_known():
    features, labels, fold_of = blobs(classes=2)
    heads = FoldedHeads(4, 3)
    # The labels are 0 and 2 of three classes.
    refit(heads, features, 2 * labels, fold_of)
    found = heads(features).softmax(1).detach()
    assert float(found[:, 1].max()) < 1e-6
    assert float((found.argmax(1) == 2 * labels).double().mean()) > 0.85


def test_heads_stay_where_too_little_is_known_to_fit_them():
    features, labels, fold_of = blobs()
    heads = FoldedHeads(4, 3)
    before = [head.weight.clone() for head in heads.heads]
    assert refit(heads, features, torch.zeros_like(labels), fold_of) == 0
    assert refit(heads, features, torch.full_like(labels, -1), fold_of) == 0
    assert all(torch.equal(old, head.weight) for old, head in zip(before, heads.heads, strict=True))
