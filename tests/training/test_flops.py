import torch
from torch import nn

from labelmend.models.classifier import Classifier
from labelmend.training.flops import FlopMeter, flops_per_image


def tiny():
    # 3 x 3 convolution of 1 to 2 channels on 4 x 4 pixels: 2 * 9 * 2 * 16 = 576; head 2 * 2 * 3 = 12.
    extractor = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return Classifier(extractor, nn.Linear(2, 3), 2, 3)


def test_operations_of_a_tiny_network_by_hand():
    forward, both = flops_per_image(tiny(), (1, 4, 4))
    assert forward == 576 + 12
    # Backward: the gradient of the convolution's weights, and both gradients of the head.
    assert both == forward + 576 + 2 * 12


class Query(nn.Module):
    """Attends from a parameter of its own, and has one that it never uses."""

    def __init__(self):
        super().__init__()
        self.query, self.idle = nn.Parameter(torch.ones(1, 4)), nn.Parameter(torch.ones(1))
        self.layer = nn.Linear(4, 2, bias=False)

    def forward(self, images):
        return images.mean((1, 2, 3))[:, None] + self.layer(self.query.expand(len(images), -1))


def test_parameters_may_be_inputs_of_layers_or_idle():
    forward, both = flops_per_image(Classifier(Query(), nn.Linear(2, 3), 2, 3), (1, 4, 4))
    assert forward == 2 * 4 * 2 + 12
    assert both == 3 * forward


def test_meter_counts_passes_with_and_without_gradients():
    network, meter = tiny(), FlopMeter()
    meter.watch(network, (1, 4, 4))
    forward, both = flops_per_image(network, (1, 4, 4))
    meter.total = 0.0
    network(torch.zeros(5, 1, 4, 4))
    assert meter.total == 5 * both
    with torch.no_grad():
        network(torch.zeros(2, 1, 4, 4))
    assert meter.total == 5 * both + 2 * forward
    with meter.paused():
        network(torch.zeros(2, 1, 4, 4))
    assert meter.total == 5 * both + 2 * forward


def test_a_training_pass_is_that_of_what_is_trained():
    network, average, meter = tiny(), tiny().requires_grad_(False), FlopMeter()
    for watched in (network, average):
        meter.watch(watched, (1, 4, 4))
    assert meter.training_pass == 576 + 12 + 576 + 2 * 12
    # In a stage that trains nothing but the head, another is.
    meter.close()
    network.extractor.requires_grad_(False)
    for watched in (network, average):
        meter.watch(watched, (1, 4, 4))
    assert meter.training_pass == 576 + 12 + 12


def test_counting_sees_every_product_once():
    network, meter = tiny(), FlopMeter()
    meter.watch(network, (1, 4, 4))
    meter.total = 0.0
    with meter.counting(), torch.no_grad():
        network(torch.zeros(2, 1, 4, 4))
        torch.zeros(3, 4) @ torch.zeros(4, 5)
        torch.matmul(torch.zeros(3, 4), torch.zeros(4, 5), out=torch.empty(3, 5))
    assert meter.total == 2 * (576 + 12) + 2 * (2 * 3 * 4 * 5)
