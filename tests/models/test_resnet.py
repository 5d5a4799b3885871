import torch

from labelmend.models.resnet import ResNet


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_published_parameter_counts():
    # torchvision's 21,797,672 and 25,557,032 for 1,000 classes, less the heads of 512 and 2,048 features.
    assert parameters(ResNet(224, 3, (3, 4, 6, 3), False)) == 21_797_672 - 513_000
    assert parameters(ResNet(224, 3, (3, 4, 6, 3), True)) == 25_557_032 - 2_049_000


def test_small_images_keep_their_side_through_the_stem():
    images = torch.zeros(2, 3, 32, 32)
    small = ResNet(32, 3, (1, 1, 1, 1), False).eval()
    assert small.stem(images).shape == (2, 64, 32, 32)
    assert small.blocks(small.stem(images)).shape == (2, 512, 4, 4)
    large = ResNet(128, 3, (1, 1, 1, 1), False).eval()
    assert large.stem(torch.zeros(1, 3, 128, 128)).shape == (1, 64, 32, 32)
    assert large(torch.zeros(1, 3, 128, 128)).shape == (1, 512)
