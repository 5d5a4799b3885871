"""Guesses that take the given label into account, by Bayes' rule."""

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
