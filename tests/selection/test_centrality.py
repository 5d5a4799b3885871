import math

import pytest
import torch

from labelmend.selection.centrality import centrality, class_centres

FEATURES = torch.tensor([[3.0, 0.0], [0.0, 2.0], [0.0, 5.0], [1.0, 1.0]])


def test_centres_are_directions_of_means_of_directions_by_hand():
    # One is predicted of (1, 0) alone, one of (0, 1), (0, 1) and (r, r), r being the root of a half.
    found = class_centres(FEATURES, torch.tensor([0, 1, 1, 1]), 3)
    root = math.sqrt(0.5)
    mean = torch.tensor([root, 2 + root])
    assert torch.allclose(found, torch.stack([torch.tensor([1.0, 0]), mean / mean.norm(), torch.zeros(2)]))


def test_centres_are_of_the_type_and_on_the_device_of_the_features():
    for device in ("cpu", "meta"):
        features = torch.ones(2, 3, dtype=torch.float64, device=device)
        found = class_centres(features, torch.zeros(2, dtype=torch.int64, device=device), 2)
        assert (found.dtype, found.device.type) == (torch.float64, device)


def test_cosine_to_the_centre_of_the_given_class_by_hand():
    found = centrality(FEATURES, torch.tensor([0, 1, 1, 0]), torch.tensor([0, 1, 0, 2]), 3)
    half = math.pi / 8  # half-way between 0 and 45 degrees
    assert found.tolist() == pytest.approx([math.cos(half), 1.0, math.sin(half), 0.0], abs=1e-6)


def test_lengths_do_not_matter():
    predicted, given = torch.tensor([0, 1, 1, 0]), torch.tensor([0, 1, 0, 1])
    scaled = FEATURES * torch.tensor([[9.0], [0.1], [3.0], [7.0]])
    assert torch.allclose(
        centrality(FEATURES, predicted, given, 2), centrality(scaled, predicted, given, 2), atol=1e-6
    )
