"""The one record of what a method believes of each training sample."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

SHOWN_SOURCES = 3


@dataclass(frozen=True, kw_only=True)
class SampleRecord:
    """What a method believes of each of the N training samples; tensors over the samples.

    Attributes:
        probabilities: float32 (N, C), class probabilities of each image; rows sum to 1.
        easiness: float32 (N,), in [0, 1], high = easy.
        easy: bool (N,), S_e; of a finished model those of them that ``verdicts.evidence`` agrees with.
        label_quality: float32 (N,), in [0, 1], low = the given label is suspicious.
        corrected: int64 (N,), label voted for each sample of S_h^c; -1 elsewhere.
        votes: int32 (N,), anchors that voted on each sample; 0 where none did.
        vote_share: float32 (N,), in [0, 1], share of them for the winning class; 0 where none voted.
        sources: int64 (N, 3), easy samples behind the nearest anchors, best first, filled with -1.
        neighbour_label: int64 (N,), what most of the nearest samples were given; -1 where nobody was asked.
        neighbour_support: float32 (N,), in [0, 1], how many of the nearest samples were given the same label,
            of these and those of the most frequent other label; 0.5 where nobody was asked.
    """

    probabilities: Tensor
    easiness: Tensor
    easy: Tensor
    label_quality: Tensor
    corrected: Tensor
    votes: Tensor
    vote_share: Tensor
    sources: Tensor
    neighbour_label: Tensor
    neighbour_support: Tensor

    @property
    def labelled(self) -> Tensor:
        """Bool (N,): easy samples, and hard ones with a voted label."""
        return self.easy | (self.corrected >= 0)

    @property
    def num_classes(self) -> int:
        """C."""
        return self.probabilities.shape[1]

    @classmethod
    def without_votes(
        cls, *, probabilities: Tensor, easiness: Tensor, easy: Tensor, label_quality: Tensor
    ) -> SampleRecord:
        """A record of a method that corrects no label; arguments as the attributes."""
        return cls(
            probabilities=probabilities,
            easiness=easiness,
            easy=easy,
            label_quality=label_quality,
            **_no_votes(len(easy)),
        )

    @classmethod
    def empty(cls, count: int, num_classes: int) -> SampleRecord:
        """A record of ``count`` samples of which nothing is known yet."""
        return cls.without_votes(
            probabilities=torch.full((count, num_classes), 1 / num_classes),
            easiness=torch.zeros(count),
            easy=torch.zeros(count, dtype=torch.bool),
            label_quality=torch.zeros(count),
        )

    def tensors(self) -> dict[str, Tensor]:
        """The attributes by name."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


def _no_votes(count: int) -> dict[str, Tensor]:
    return {
        "corrected": torch.full((count,), -1),
        "votes": torch.zeros(count, dtype=torch.int32),
        "vote_share": torch.zeros(count),
        "sources": torch.full((count, SHOWN_SOURCES), -1),
        "neighbour_label": torch.full((count,), -1),
        "neighbour_support": torch.full((count,), 0.5),
    }
