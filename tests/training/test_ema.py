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
    average.update()  # decay min(0.9, 1 / 10)
    assert torch.allclose(average.average.classifier.weight, start + 0.9)
    average.update()  # decay 2 / 11
    assert torch.allclose(average.average.classifier.weight, start + 1 - 0.1 * 2 / 11)
    average.steps = 1000
    average.update()  # decay 0.9
    assert torch.allclose(average.average.classifier.weight, start + 1 - 0.1 * 2 / 11 * 0.9)
    assert average.steps == 1001


def test_batch_norm_statistics_are_averaged_too():
    net = network()
    average = WeightAverage(net, 0.5)
    net.train()(torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 3)
    average.steps = 1000
    average.update()
    theirs, mine = (dict(n.named_buffers()) for n in (net, average.average))
    name = next(n for n in theirs if n.endswith("running_mean"))
    assert torch.allclose(mine[name], theirs[name] / 2)
    counter = name.replace("running_mean", "num_batches_tracked")
    assert mine[counter] == theirs[counter] == 1


def test_a_network_adopts_its_average_and_is_followed_on():
    net = network()
    average = WeightAverage(net, 0.9)
    start = net.classifier.weight.detach().clone()
    with torch.no_grad():
        net.classifier.weight += 1
    average.update()
    average.adopt()
    assert torch.allclose(net.classifier.weight, start + 0.9)
    assert average.steps == 1
    with torch.no_grad():
        net.classifier.weight += 1
    assert torch.allclose(average.average.classifier.weight, start + 0.9)


def test_decay_zero_is_the_network_itself():
    net = network()
    average = WeightAverage(net, 0.0)
    assert average.average is net
    weight = net.classifier.weight.detach().clone()
    average.adopt()
    assert torch.equal(net.classifier.weight, weight)


def test_the_average_is_a_network_of_its_own_in_evaluation_mode():
    net = network().train()
    average = WeightAverage(net, 0.9).average
    assert not average.training
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert net.training
    assert any(parameter.requires_grad for parameter in net.parameters())


def test_restarted_it_forgets_all():
    net = network()
    average = WeightAverage(net, 0.9)
    with torch.no_grad():
        net.classifier.weight += 1
    average.update()
    with torch.no_grad():
        net.classifier.weight += 1
    average.restart()
    assert average.steps == 0
    assert torch.equal(average.average.classifier.weight, net.classifier.weight)
    with torch.no_grad():
        net.classifier.weight += 1
    average.update()
    assert torch.allclose(average.average.classifier.weight, net.classifier.weight - 0.1)
