import torch

from labelmend.models.registry import NetworkDescription, build_network
from labelmend.training.ema import WeightAverage


def network():
    return build_network(
        NetworkDescription("fastnet", 8, 1, 2, 2, {"widths": [4], "depth": 1}),
        torch.Generator().manual_seed(0),
    )


def test_average_follows_the_weights_by_hand():
    net = network()
    average = WeightAverage(net, 0.9)
    start = net.classifier.weight.detach().clone()
    with torch.no_grad():
        net.classifier.weight += 1
    average.update(0)  # decay min(0.9, 1 / 10)
    assert torch.allclose(average.average.classifier.weight, start + 0.9)
    average.update(1000)  # decay 0.9
    assert torch.allclose(average.average.classifier.weight, start + 0.91)


def test_batch_norm_statistics_are_averaged_too():
    net = network()
    average = WeightAverage(net, 0.5)
    net.train()(torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 3)
    average.update(1000)
    theirs, mine = (dict(n.named_buffers()) for n in (net, average.average))
    name = next(n for n in theirs if n.endswith("running_mean"))
    assert torch.allclose(mine[name], theirs[name] / 2)
    counter = name.replace("running_mean", "num_batches_tracked")
    assert mine[counter] == theirs[counter] == 1


def test_decay_zero_is_the_network_itself():
    net = network()
    assert WeightAverage(net, 0.0).average is net
