import math

import pytest
import torch

from labelmend.training.crops import CentreView, RandomCrops, centre, cut_out, draw_boxes
from labelmend.training.views import Normalisation

WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
NOT = torch.tensor([False])
PLAIN = Normalisation((0.0,), (1.0,))


def numbered(height: int, width: int) -> torch.Tensor:
    """One image whose pixels are 0, 1, 2, ... in rows."""
    return torch.arange(height * width).view(1, height, width, 1).to(torch.uint8)


def test_the_middle_of_an_image():
    assert centre(numbered(4, 6), 2)[0, :, :, 0].tolist() == [[8, 9], [14, 15]]
    assert torch.equal(centre(numbered(3, 3), 3), numbered(3, 3))


def test_the_whole_image_at_its_size_is_itself_and_mirrored_its_mirror_image():
    image = numbered(5, 5)
    assert torch.allclose(cut_out(image, WHOLE, 5, NOT), image.float(), atol=1e-3)
    assert torch.allclose(cut_out(image, WHOLE, 5, ~NOT), image.flip(2).float(), atol=1e-3)


def test_a_box_is_cut_where_it_says():
    # Left 1/4, top 1/2, half as wide and a quarter as high as an image of 4 x 4 pixels: pixels 9 and 10.
    box = torch.tensor([[0.25, 0.5, 0.5, 0.25]])
    found = cut_out(numbered(4, 4), box, 2, NOT)[0, :, :, 0]
    # The two rows of the result are a quarter pixel above and below the middle of that row.
    assert found.tolist() == [pytest.approx([8.0, 9.0]), pytest.approx([10.0, 11.0])]


def test_a_larger_image_is_resized_between_its_pixels():
    found = cut_out(numbered(1, 4).expand(-1, 4, -1, -1), WHOLE, 2, NOT)[0, 0, :, 0]
    assert found.tolist() == pytest.approx([0.5, 2.5])


def test_boxes_lie_inside_and_are_as_large_as_they_should_be():
    boxes = draw_boxes(4000, 0.4, torch.Generator().manual_seed(0))
    left, top, width, height = boxes.T
    assert boxes.min() >= 0
    assert (left + width).max() <= 1 + 1e-6
    assert (top + height).max() <= 1 + 1e-6
    uncut = (width < 1) & (height < 1)
    area, ratio = (width * height)[uncut], (width / height)[uncut]
    assert area.min() >= 0.4 - 1e-6
    assert float(area.min()) == pytest.approx(0.4, abs=0.01)
    assert ratio.log().abs().max() <= math.log(4 / 3) + 1e-5
    assert float(ratio.log().mean()) == pytest.approx(0, abs=0.02)
    assert float(left.mean()) == pytest.approx(float(top.mean()), abs=0.02)
    assert torch.equal(draw_boxes(9, 1.0, torch.Generator().manual_seed(3))[:, 2:].amax(1), torch.ones(9))


def test_views_are_drawn_from_the_generator_and_mirrored_only_where_it_is_safe():
    image = torch.randint(0, 256, (1, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = image.expand(64, -1, -1, -1)
    crops = RandomCrops(Normalisation((0.0,) * 3, (1.0,) * 3), 6, flip=True)
    some, again = (crops(images, torch.Generator().manual_seed(1), False) for _ in range(2))
    assert some.shape == (64, 3, 6, 6)
    assert torch.equal(some, again)
    assert len(some.flatten(1).unique(dim=0)) == 64
    # A ramp from left to right says which way round an image is.
    ramps = torch.arange(8).repeat(64, 8, 1)[..., None].to(torch.uint8)
    for flip, among in ((True, range(20, 45)), (False, [0])):
        views = RandomCrops(PLAIN, 6, flip)(ramps, torch.Generator().manual_seed(1), False)
        assert int((views[:, 0, 0, 0] > views[:, 0, 0, -1]).sum()) in among


def test_what_is_scored_is_the_normalised_middle():
    view = CentreView(Normalisation((8.0,), (2.0,)), 2)
    assert view(numbered(4, 6))[0, 0].tolist() == [[0.0, 0.5], [3.0, 3.5]]
