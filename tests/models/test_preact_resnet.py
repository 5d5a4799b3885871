import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from labelmend.models.classifier import Classifier
from labelmend.models.preact_resnet import PreActBlock, PreActResNet


def block_parameters(channels_in, channels):
    convolutions = 9 * channels_in * channels + 9 * channels * channels
    norms = 2 * channels_in + 2 * channels
    return convolutions + norms + (channels_in * channels if channels_in != channels else 0)


def test_published_parameter_count():
    net = Classifier(PreActResNet(3), nn.Linear(512, 10), 512, 10)
    widths = (64, 128, 256, 512)
    firsts = zip((64, *widths[:-1]), widths, strict=True)
    blocks = sum(block_parameters(a, b) + block_parameters(b, b) for a, b in firsts)
    expected = 9 * 3 * 64 + blocks + 2 * 512 + 10 * 512 + 10
    assert sum(p.numel() for p in net.parameters()) == expected == 11_172_170
    # "11.17 M" everywhere; implementations differ by the norm of the stem and the last norm.


def test_operations_of_an_image():
    with torch.device("meta"):
        net, images = PreActResNet(3).eval(), torch.zeros(1, 3, 32, 32)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(images)
    assert counter.get_total_flops() / 2 == pytest.approx(0.56e9, rel=0.01)


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (32, 3), (64, 3)])
def test_features_are_non_negative(size, channels):
    net = PreActResNet(channels, stem=8, widths=(8, 16, 24, 32), blocks=(1, 1, 1, 1)).eval()
    features = net(torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0)))
    assert features.shape == (2, net.feature_dim) == (2, 32)
    assert (features >= 0).all()


def test_each_group_but_the_first_halves_the_side():
    net = PreActResNet(3, stem=4, widths=(4, 8, 12, 16), blocks=(2, 2, 2, 2)).eval()
    x, shapes = net.stem(torch.zeros(1, 3, 32, 32)), []
    for block in net.blocks:
        x = block(x)
        shapes.append(tuple(x.shape[1:3]))
    assert shapes == [(4, 32), (4, 32), (8, 16), (8, 16), (12, 8), (12, 8), (16, 4), (16, 4)]
    assert [block.shortcut is not None for block in net.blocks] == [False, False] + [True, False] * 3


@torch.no_grad()
def test_a_block_by_hand():
    # One channel of 1 x 1 pixels: each convolution is a product with the centre of its kernel. In
    # evaluation mode a new norm divides by the root of 1 + eps.
    block = PreActBlock(1, 1, 1).eval()
    block.conv1.weight.fill_(3.0)
    block.conv2.weight.fill_(-2.0)
    x = torch.tensor([-1.0, 0.5]).reshape(2, 1, 1, 1)
    # -1 is stopped by the first ReLU and goes on by the shortcut, untouched; 0.5 - 2 * 3 * 0.5 = -2.5.
    assert torch.allclose(block(x).flatten(), torch.tensor([-1.0, -2.5]), atol=1e-4)


@torch.no_grad()
def test_a_shortcut_that_changes_shape_takes_the_pre_activated_input():
    generator = torch.Generator().manual_seed(0)
    for channels, stride in ((3, 1), (2, 2), (3, 2)):
        block = PreActBlock(2, channels, stride).eval()
        block.norm1.running_mean.copy_(torch.tensor([0.3, -0.2]))
        x = torch.randn(4, 2, 6, 6, generator=generator)
        activated = functional.relu((x - block.norm1.running_mean[:, None, None]) / (1 + 1e-5) ** 0.5)
        block.conv2.weight.zero_()
        expected = torch.einsum("bchw,oc->bohw", activated, block.shortcut.weight[:, :, 0, 0])
        assert torch.allclose(block(x), expected[:, :, ::stride, ::stride], atol=1e-6)
