import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from labelmend.models.classifier import Classifier
from labelmend.models.wide_resnet import WideResNet


def test_published_parameter_count():
    with torch.device("meta"):
        net = Classifier(WideResNet(3, 28, 10), nn.Linear(640, 10), 640, 10)
    expected, channels_in = 9 * 3 * 16, 16
    for channels in (160, 320, 640):
        first = 9 * channels_in * channels + 9 * channels**2 + 2 * channels_in + 2 * channels
        shortcut = channels_in * channels
        others = 3 * (2 * 9 * channels**2 + 4 * channels)
        expected += first + shortcut + others
        channels_in = channels
    expected += 2 * 640 + 10 * 640 + 10
    assert sum(p.numel() for p in net.parameters()) == expected == 36_479_194


def test_operations_of_an_image():
    with torch.device("meta"):
        net, images = WideResNet(3, 28, 10).eval(), torch.zeros(1, 3, 32, 32)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(images)
    assert counter.get_total_flops() / 2 == pytest.approx(5.25e9, rel=0.01)


@pytest.mark.parametrize(("depth", "factor", "blocks"), [(10, 1, 3), (16, 2, 6), (28, 1, 12)])
def test_depth_and_factor(depth, factor, blocks):
    net = WideResNet(3, depth, factor).eval()
    assert len(net.blocks) == blocks
    assert net.blocks(net.stem(torch.zeros(1, 3, 32, 32))).shape == (1, 64 * factor, 8, 8)
    # Stem, two convolutions a block and a shortcut a group; with factor 1 the first needs none.
    assert 1 + 2 * blocks + sum(b.shortcut is not None for b in net.blocks) == depth - 1 + (factor > 1)


def test_features_are_non_negative():
    net = WideResNet(1, 10, 1).eval()
    features = net(torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
    assert features.shape == (2, net.feature_dim) == (2, 64)
    assert (features >= 0).all()
