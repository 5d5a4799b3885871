"""Guesses that take the given label into account, by Bayes' rule, and when that is right."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def estimate_transition(guess: Tensor, given_labels: Tensor) -> Tensor:
    """Transition matrix of the noise, from guessed classes and given labels.

    One sample is added to each cell, so that no given label rules out a class.

    Args:
        guess: class probabilities (N, C), rows sum to 1.
        given_labels: int64 (N,).

    Returns:
        T[true, given], (C, C), row-stochastic.
    """
    onehot = functional.one_hot(given_labels, guess.shape[1]).to(guess.dtype)
    joint = guess.T @ onehot + 1
    transition: Tensor = joint / joint.sum(1, keepdim=True)
    return transition


def label_posterior(guess: Tensor, given_labels: Tensor, transition: Tensor) -> Tensor:
    """Class probabilities given the image and its label: ``q_c ~ p_c T[c, given]``.

    This is the expectation step of a model in which the label depends on the true class alone.

    Args:
        guess: class probabilities given the image, (B, C), rows sum to 1.
        given_labels: int64 (B,).
        transition: T[true, given], (C, C), row-stochastic.

    Returns:
        (B, C), rows sum to 1.
    """
    joint = guess * transition[:, given_labels].T
    return joint / joint.sum(1, keepdim=True).clamp(min=torch.finfo(joint.dtype).tiny)


def label_log_likelihoods(guess: Tensor, given_labels: Tensor, transition: Tensor) -> tuple[float, float]:
    """Mean log-likelihood of the given labels under two models of noise.

    Both keep a right label with probability ``T[c, c]``, the class c being distributed by ``guess``, q. A
    wrong label g has probability ``T[c, g]`` in the first one: it depends on the class alone. In the second
    it depends on the image too, ``(1 - T[c, c]) T[c, g] q_g / sum_{k != c} T[c, k] q_k``.

    Args:
        guess: class probabilities given the image, (N, C), all above 0.
        given_labels: int64 (N,).
        transition: T[true, given], (C, C), row-stochastic, all above 0.

    Returns:
        Of the first and of the second model, in nats a sample.
    """
    kept = transition.diagonal()
    wrong = transition - torch.diag(kept)
    by_class = (guess @ transition).gather(1, given_labels[:, None])[:, 0]
    own = guess.gather(1, given_labels[:, None])[:, 0]
    scaled = guess * (1 - kept) / (guess @ wrong.T)
    by_image = own * (kept[given_labels] + (scaled * wrong[:, given_labels].T).sum(1))
    return float(by_class.log().mean()), float(by_image.log().mean())


def labels_follow_classes(shares: Tensor, given_labels: Tensor, count: int) -> bool:
    """Whether the given labels look drawn by the true class alone, which ``label_posterior`` assumes.

    Where wrong labels suit the image, that a label suits it is no evidence that it is right, and Bayes'
    rule is misled. The more likely of the two models of ``label_log_likelihoods`` decides.

    Args:
        shares: (N, C), labels of the ``count`` nearest easy samples of each sample, rows sum to 1. They
            leave out the sample's own label: to a guess that has seen it, every label suits its image.
        given_labels: int64 (N,).
        count: neighbours behind each row; one more, of all classes in equal parts, keeps it above 0.
    """
    guess = (count * shares + 1 / shares.shape[1]) / (count + 1)
    by_class, by_image = label_log_likelihoods(guess, given_labels, estimate_transition(guess, given_labels))
    return by_class >= by_image
