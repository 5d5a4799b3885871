import torch

from labelmend.ssl.posterior import estimate_transition, label_posterior


def test_posterior_by_hand():
    transition = torch.tensor([[0.8, 0.2], [0.4, 0.6]])
    guess = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    found = label_posterior(guess, torch.tensor([0, 1]), transition)
    assert torch.allclose(found, torch.tensor([[2 / 3, 1 / 3], [0.18 / 0.24, 0.06 / 0.24]]))


def test_labels_that_say_nothing_change_nothing():
    guess = torch.tensor([[0.7, 0.2, 0.1]])
    assert torch.allclose(label_posterior(guess, torch.tensor([2]), torch.full((3, 3), 1 / 3)), guess)


def test_sure_guesses_give_the_confusion_matrix():
    true = torch.tensor([0] * 70 + [0] * 30 + [1] * 100)
    given = torch.tensor([0] * 70 + [1] * 30 + [1] * 100)
    guess = torch.nn.functional.one_hot(true, 2).double()
    found = estimate_transition(guess, given)
    expected = torch.tensor([[71 / 102, 31 / 102], [1 / 102, 101 / 102]], dtype=torch.float64)
    assert torch.allclose(found, expected)
