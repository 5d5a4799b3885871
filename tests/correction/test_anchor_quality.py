import pytest
import torch
from torch.nn import functional

from labelmend.correction import anchor_quality as module
from labelmend.correction.anchor_quality import AnchorQuality, anchor_quality, partner_share
from labelmend.correction.nearest import nearest_hard
from labelmend.hallucination.closed_form import closed_form_anchors

CENTRES = torch.eye(4, 6) + 0.1


def clusters(per_class=40, noise=0.2):
    labels = torch.arange(4).repeat_interleave(per_class)
    draw = torch.Generator().manual_seed(0)
    return CENTRES[labels] + noise * torch.rand(len(labels), 6, generator=draw), labels


def head(features):
    return 10 * functional.normalize(features, dim=1) @ functional.normalize(CENTRES, dim=1).T


def judge(make, lambda_p=0.6):
    features, labels = clusters()
    hard, _ = clusters(25, 0.9)
    return anchor_quality(make, features, labels, hard, head, lambda_p, torch.zeros(6))


def test_partner_share_by_hand():
    # Two samples with two anchors each, at angles of 0 and 90, 180 and 270 degrees.
    anchors = torch.tensor([[1.0, 0], [0, 2], [-3, 0], [0, -1]])
    # Within: each pair has variance 1 (2 dimensions of 0.5); in all: 4 / 3.
    assert partner_share(anchors, 2) == pytest.approx(0.75)
    assert partner_share(torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]), 2) == 0
    assert partner_share(torch.ones(4, 2), 2) == 0


def test_closed_form_anchors_are_their_own_measure():
    found = judge(lambda s_u, s_v: closed_form_anchors(s_u, s_v, 0.6))
    assert found.gap == pytest.approx(0, abs=1e-5)
    assert found.spread == 1
    assert found.partner == found.partner_closed_form > 0.2
    assert found.own_class > 0.9
    assert not found.degenerate


def test_the_share_of_the_partner_is_at_most_all():
    """The spread among few anchors of a sample, estimated without bias, may exceed that among all."""
    both = torch.eye(2)
    assert partner_share(torch.cat([both, both]), 2) == 1
    assert partner_share(torch.ones(4, 2), 2) == 0


def test_anchors_without_a_partner_are_degenerate():
    alone = judge(lambda s_u, s_v: s_u)
    assert alone.partner == 0
    assert alone.own_class == 1
    assert alone.gap > 0.05
    assert alone.degenerate


def test_anchors_on_one_point_of_each_class_are_degenerate():
    def crowded(s_u, s_v):
        return CENTRES[head(s_u).argmax(1)] + 0.5 * CENTRES[head(s_v).argmax(1)]

    found = judge(crowded)
    assert found.partner > 0.2
    assert found.spread < 1 / 3
    assert found.degenerate


def test_anchors_of_the_partner_are_of_the_wrong_class():
    assert judge(lambda s_u, s_v: s_v).own_class == 0


def test_repeats_and_says_nothing_where_there_is_nothing_to_say():
    make = torch.add
    assert judge(make) == judge(make)
    features, labels = clusters()
    origin = torch.zeros(6)
    assert anchor_quality(make, features, labels, features[:0], head, 0.6, origin) is None
    one = torch.zeros_like(labels)
    assert anchor_quality(make, features, one, features, head, 0.6, origin) is None


def test_names_of_the_report():
    report = AnchorQuality(0.3, 0.4, 0.01, 0.9, 0.8).report()
    assert report == {
        "anchor_partner": 0.3,
        "anchor_gap": 0.01,
        "anchor_own_class": 0.9,
        "anchor_spread": 0.8,
        "anchor_degenerate": 0.0,
    }


def test_hard_samples_are_found_from_the_origin(monkeypatch):
    features, labels = clusters()
    hard, _ = clusters(25, 0.9)
    origin, searched = torch.arange(6.0), []

    def record(anchors, hard):
        searched.append((anchors, hard))
        return nearest_hard(anchors, hard)

    monkeypatch.setattr(module, "nearest_hard", record)
    anchor_quality(lambda s_u, s_v: torch.ones_like(s_u), features, labels, hard, head, 0.6, origin)
    assert all(torch.equal(among, hard - origin) for _, among in searched)
    assert torch.equal(searched[0][0], torch.ones_like(searched[0][0]) - origin)
