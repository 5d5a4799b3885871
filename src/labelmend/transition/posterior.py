"""Guesses that take the given label into account, by Bayes' rule, and when that is right."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

# Rows that are worked on at a time: no copy of all N x C probabilities is made.
ROWS = 2**14

# Standard errors by which the labels must fit noise by class and image better than noise by class alone.
MARGIN = 3.0


def estimate_transition(guess: Tensor, given_labels: Tensor) -> Tensor:
    """Transition matrix of the noise, from guessed classes and given labels.

    One sample is added to each row, spread evenly, so that no given label rules out a class. That is as much
    for 1,000 classes as for two: a sample in each cell would drown what a few images of each of many classes
    say.

    Args:
        guess: class probabilities (N, C), rows sum to 1.
        given_labels: int64 (N,).

    Returns:
        T[true, given], (C, C), row-stochastic, of the type of ``guess``.
    """
    if not len(guess):
        return torch.full((guess.shape[1],) * 2, 1 / guess.shape[1], dtype=guess.dtype)
    return _transition((guess[rows], given_labels[rows]) for rows in _blocks(guess))


def _transition(blocks: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """``estimate_transition`` of guesses and given labels that come some at a time."""
    joint = None
    for guess, labels in blocks:
        if joint is None:
            joint = torch.full((guess.shape[1],) * 2, 1 / guess.shape[1], dtype=torch.float64).to(
                guess.device
            )
        joint.T.index_add_(0, labels, guess.double())
    assert joint is not None
    return (joint / joint.sum(1, keepdim=True)).to(guess.dtype)


def _blocks(values: Tensor) -> Iterator[slice]:
    for start in range(0, len(values), ROWS):
        yield slice(start, start + ROWS)


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


def label_log_likelihoods(guess: Tensor, given_labels: Tensor, transition: Tensor) -> tuple[Tensor, Tensor]:
    """Log-likelihood of each given label under two models of noise.

    Both keep a right label with probability ``T[c, c]``, the class c being distributed by ``guess``, q. A
    wrong label g has probability ``T[c, g]`` in the first one: it depends on the class alone. In the second
    it depends on the image too, ``(1 - T[c, c]) T[c, g] q_g / sum_{k != c} T[c, k] q_k``.

    Args:
        guess: class probabilities given the image, (B, C), all above 0.
        given_labels: int64 (B,).
        transition: T[true, given], (C, C), row-stochastic, all above 0.

    Returns:
        Of the first and of the second model, both (B,), in nats. They are equal for two classes.
    """
    kept = transition.diagonal()
    wrong = transition - torch.diag(kept)
    by_class = (guess @ transition).gather(1, given_labels[:, None])[:, 0]
    own = guess.gather(1, given_labels[:, None])[:, 0]
    scaled = guess * (1 - kept) / (guess @ wrong.T)
    by_image = own * (kept[given_labels] + (scaled * wrong[:, given_labels].T).sum(1))
    return by_class.log(), by_image.log()


def labels_follow_classes(shares: Tensor, given_labels: Tensor, count: int) -> bool:
    """Whether the given labels look drawn by the true class alone, which ``label_posterior`` assumes.

    Where wrong labels suit the image, that a label suits it is no evidence that it is right, and Bayes'
    rule is misled. It is given up only where the second model of ``label_log_likelihoods`` is more likely by
    ``MARGIN`` standard errors of the mean difference, so that rounding or a few samples decide nothing. With
    two classes there is only one wrong label, the models are the same, and the answer is yes.

    Args:
        shares: (N, C), labels of the ``count`` nearest easy samples of each sample, rows sum to 1. They
            leave out the sample's own label: to a guess that has seen it, every label suits its image.
        given_labels: int64 (N,).
        count: neighbours behind each row; one more, of all classes in equal parts, keeps it above 0.
    """
    classes = shares.shape[1]
    if classes < 3 or len(shares) < 2:
        return True

    def guess(rows: slice) -> Tensor:
        return (count * shares[rows] + 1 / classes) / (count + 1)

    transition = _transition((guess(rows), given_labels[rows]) for rows in _blocks(shares))
    gains = []
    for rows in _blocks(shares):
        by_class, by_image = label_log_likelihoods(guess(rows), given_labels[rows], transition)
        gains.append((by_image - by_class).double())
    gain = torch.cat(gains)
    return bool(gain.mean() <= MARGIN * gain.std() / math.sqrt(len(gain)))
