from __future__ import annotations

import numpy as np
import pytest
import torch

from labelmend.data.features import CachedFeatures
from labelmend.data.image_set import ImageSet, Subset


@pytest.fixture
def two_views(tmp_path) -> CachedFeatures:
    """Three images, the first two equal, with a plain view in memory and a mirrored one in a file."""
    plain = np.array([[1, 2], [3, 4]], dtype=np.float32)
    np.array([[5, 6], [7, 8], [9, 10]], dtype=np.float32).tofile(tmp_path / "mirrored")
    mirrored = np.memmap(tmp_path / "mirrored", np.float32, "r", shape=(3, 2))
    return CachedFeatures([plain, mirrored], np.array([[0, 2], [0, 2], [1, 0]]))


def test_features_are_gathered_by_image_and_view(two_views):
    assert two_views.shape == (3, 2, 2)
    found = two_views.gather(torch.tensor([2, 1]))
    assert found.dtype == torch.float32
    assert found.tolist() == [[[3, 4], [5, 6]], [[1, 2], [9, 10]]]
    assert two_views.gather(torch.empty(0, dtype=torch.int64)).shape == (0, 2, 2)


def test_what_is_gathered_is_a_copy(two_views):
    two_views.gather(torch.tensor([0])).zero_()
    assert two_views.gather(torch.tensor([0])).tolist() == [[[1, 2], [9, 10]]]


def test_a_mapped_view_is_not_in_memory(two_views):
    assert not two_views.in_memory
    assert CachedFeatures(two_views.views[:1], two_views.rows[:, :1]).in_memory


def test_features_have_the_face_of_images(two_views):
    part = Subset(two_views, torch.tensor([2, 0]))
    assert (part.shape, part.in_memory) == ((2, 2, 2), False)
    assert part.gather(torch.tensor([0])).tolist() == [[[3, 4], [5, 6]]]
    images = ImageSet(two_views, np.array([0, 1, 1]), ["a", "b"], ["x", "y", "z"], ["", "", ""])
    assert images.subset([1]).images.gather(torch.tensor([0])).tolist() == [[[1, 2], [9, 10]]]
