from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info
from torch import nn

from labelmend.models import frozen
from labelmend.models.frozen import (
    FOLDS,
    STRENGTHS,
    FoldedHeads,
    StandardFeatures,
    known_classes,
    refit,
    root,
    use_heads,
)
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


def test_roots_take_the_place_of_features_of_which_none_is_negative():
    raw = torch.rand(500, 4, generator=torch.Generator().manual_seed(1)) ** 4
    raw[0, 0] = 0.0
    extractor = StandardFeatures(4)
    extractor.prepare(raw)
    roots = (raw + 0.001).sqrt().double()
    expected = (roots - roots.mean(0)) / roots.std(0, correction=0) / 2
    assert torch.allclose(extractor(raw).double(), expected, atol=1e-5)
    # An image unlike those it was prepared for: as if that were 0.
    assert torch.allclose(extractor(torch.full((1, 4), -2.0)), extractor(torch.zeros(1, 4)))
    # One below 0 among all, and they stay what they are.
    raw[3, 2] = -1e-6
    extractor.prepare(raw)
    expected = (raw - raw.mean(0)) / raw.std(0, correction=0) / 2
    assert torch.allclose(extractor(raw), expected, atol=1e-5)


def test_the_slope_of_a_root_has_a_bound():
    features = torch.zeros(3, requires_grad=True)
    root(features).sum().backward()
    assert features.grad is not None
    assert bool((features.grad <= 0.5 / 0.001**0.5 + 1e-3).all())


def test_weights_from_before_there_were_roots_are_read_without():
    network = build_network(describe_heads(5, 3, 3), torch.Generator().manual_seed(0))
    network.prepare(torch.rand(9, 5))
    older = {key: value for key, value in network.state_dict().items() if "rooted" not in key}
    again = build_network(describe_heads(5, 3, 3))
    again.load_state_dict(older)
    assert not again.extractor.rooted
    again.load_state_dict(network.state_dict())
    assert again.extractor.rooted


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
    fits = [(0, strength) for strength in STRENGTHS] + [(number, best) for number in range(1, FOLDS)]
    rounds = [int(regression(*fit).n_iter_.max()) * int((known & (fold_of != fit[0])).sum()) for fit in fits]
    # Their last round may come one sooner or later, as they end where a slope is small enough.
    assert operations == pytest.approx(4 * 4 * 3 * sum(rounds), rel=0.02)


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


def test_the_first_head_that_can_be_fitted_and_judged_chooses_the_strength():
    features, labels, fold_of = blobs()
    # Nothing is known of fold 0, and outside fold 1 there is one class: head 2 is the first with a judge.
    known = torch.where(fold_of == 0, -1, torch.where(fold_of == 1, labels, 0))
    heads = FoldedHeads(4, 3)
    before = heads.heads[1].weight.clone()
    assert refit(heads, features, known, fold_of) > 0
    assert torch.equal(before, heads.heads[1].weight)

    def regression(head, strength):
        among = (known >= 0) & (fold_of != head)
        return LogisticRegression(C=strength, max_iter=200).fit(features[among].numpy(), known[among].numpy())

    own = fold_of == 2

    def likelihood(strength):
        return regression(2, strength).predict_log_proba(features[own].numpy())[:, 0].mean()

    best = max(STRENGTHS, key=likelihood)
    for number in (0, 2, 3, 4):
        expected = regression(number, best).predict_proba(features.numpy())
        found = heads.heads[number](features).softmax(1).detach().numpy()
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_head_knows_the_classes_outside_its_fold():
    labels = torch.tensor([0, 0, 1, 1, 2, -1])
    fold_of = torch.tensor([0, 1, 1, 1, 0, 2])
    # Head 0 knows 0 and 1 of fold 1; head 1 knows 0 and 2 of fold 0; head 2 knows all.
    by_head = [[True, True, False], [True, False, True], [True, True, True]]
    assert known_classes(labels, fold_of, 3).tolist() == [by_head[head] for head in fold_of.tolist()]


@pytest.mark.parametrize(
    ("threads", "copies", "workers"), [(1, 9, 1), (3, 9, 3), (3, 2, 2), (3, 0.5, 1)], ids=str
)
def test_fits_side_by_side_are_the_same_and_as_many_as_memory_allows(monkeypatch, threads, copies, workers):
    features, labels, fold_of = blobs()
    alone, heads = FoldedHeads(4, 3), FoldedHeads(4, 3)
    monkeypatch.setattr(frozen.torch, "get_num_threads", lambda: 1)
    operations = refit(alone, features, labels, fold_of)
    pools = []

    def pool(number):
        pools.append((number, {each["num_threads"] for each in threadpool_info()}))
        return ThreadPoolExecutor(number)

    before = threadpool_info()
    monkeypatch.setattr(frozen, "ThreadPoolExecutor", pool)
    monkeypatch.setattr(frozen, "COPIED", int(copies * features.numpy().nbytes))
    monkeypatch.setattr(frozen.torch, "get_num_threads", lambda: threads)
    assert refit(heads, features, labels, fold_of) == operations
    assert pools == [(workers, {1})]
    assert threadpool_info() == before
    for mine, other in zip(heads.heads, alone.heads, strict=True):
        assert torch.equal(mine.weight, other.weight)
        assert torch.equal(mine.bias, other.bias)
