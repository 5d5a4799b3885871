"""Whether images may be mirrored: measured on the given labels before training begins."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from labelmend.data.image_set import Images
from labelmend.selection.folds import stratified_folds
from labelmend.training.views import GREY_WEIGHTS

# What is looked at, so that the question costs a second or two: images, their side, patches and their side.
IMAGES, SIDE = 800, 20
PATCHES, PATCH_SIDE = 40, 6
FOLDS = 5
READ_AT_A_TIME = 100

# Smallest cosine of a place and a patch that counts as finding the patch there.
FOUND_ABOVE = 0.25

KEPT_ABOVE = 0.6
"""Mirroring is safe where mirror images keep at least this share of the likeness to their class, with two
standard errors to spare. Photographs kept 0.9 to 1.1, letters and digits 0.2 to 0.5, arrows -1."""

CLASS_KEPT_ABOVE, CLASS_LEVEL = 0.5, 0.001
"""It is unsafe where some class keeps less than this share, at this level of a t-test, Bonferroni's rule
applied: two classes of mirrored letters among many others are lost in the mean of all."""

Outcome = Literal["safe", "unsafe", "unknown", "set", "known", "frozen"]


@dataclass(frozen=True)
class Mirroring:
    """A decision on mirroring, and what it rests on.

    Attributes:
        on: whether images are mirrored.
        outcome: ``safe`` and ``unsafe`` were measured, ``unknown`` could not be, ``set`` was given as
            ``--flip``, ``known`` came with the data; ``frozen`` features are of the images as they are.
        images: how many were looked at; 0 where nothing was measured.
        kept: share of the likeness to their class that mirror images keep; 1 for perfect symmetry,
            negative where they look like another class.
        error: its standard error.
        worst: the class that mirroring harms for certain, or None.
    """

    on: bool
    outcome: Outcome
    images: int = 0
    kept: float = 0.0
    error: float = 0.0
    worst: str | None = None

    def __str__(self) -> str:
        """What was decided, why, and the flag that changes it."""
        state = f"mirroring is {'on' if self.on else 'off'}"
        other = f"--flip {str(not self.on).lower()} turns it {'off' if self.on else 'on'}"
        if self.outcome == "set":
            return f"{state}, as set by --flip"
        if self.outcome == "known":
            return f"{state}: known of this data ({other})"
        if self.outcome == "frozen":
            return "no random views: each image is embedded once, as it is"
        if self.outcome == "unknown":
            told = f"{self.images} images do not tell" if self.images else "nothing tells"
            return f"{state}: {told} whether a mirror image keeps its class ({other})"
        why, most = f"mirror images keep {self.kept:.0%} of the likeness to their class", "least"
        if self.kept <= 0:
            why, most = "mirror images look like other classes", "most"
        where = "" if self.worst is None else f", {most} in {self.worst!r}"
        return f"{state}: {why}{where} ({other})"


def decide_mirroring(
    flip: bool | None,
    mirror_safe: bool | None,
    images: Images,
    given_labels: Tensor,
    class_names: Sequence[str],
    generator: torch.Generator,
) -> Mirroring:
    """Whether to mirror: as set, as known of the data, or as measured.

    Where nothing can be told it is off. What it would have been worth is a little accuracy; where mirroring
    changes the class of an image, right labels are called wrong.

    Args:
        flip: the setting.
        mirror_safe: what is known of the data.
        images: N images.
        given_labels: int64 (N,), partly wrong.
        class_names: names of the C classes.
        generator: source of the sample.
    """
    if flip is not None:
        return Mirroring(flip, "set")
    if mirror_safe is not None:
        return Mirroring(mirror_safe, "known")
    chosen = torch.randperm(len(given_labels), generator=generator)[:IMAGES]
    labels = given_labels[chosen]
    if len(chosen) < 2 * FOLDS or min(images.shape[1:3]) < 4 or len(labels.unique()) < 2:
        return Mirroring(False, "unknown", len(chosen))
    small = torch.cat([shrink(images.gather(some)) for some in chosen.split(READ_AT_A_TIME)])
    plain, mirrored = patch_features(small, generator)
    fold = stratified_folds(labels, FOLDS, generator)
    own, own_mirrored = likeness(plain, mirrored, labels, len(class_names), fold)
    return judge_mirroring(own, own_mirrored, labels, class_names)


def shrink(images: Tensor) -> Tensor:
    """Small grey versions of uint8 images (B, H, W, channels): float32 (B, 1, h, w), of sides up to 20."""
    pixels = images.float()
    weights = torch.tensor(GREY_WEIGHTS if pixels.shape[3] == 3 else (1.0,), device=pixels.device)
    grey = (pixels * weights).sum(3)[:, None].cpu()
    height, width = (min(SIDE, side) for side in grey.shape[2:])
    grey = functional.interpolate(grey, (height, width), mode="area")
    centred = grey - grey.mean((2, 3), keepdim=True)
    # 10 grey levels: what is all but flat stays so.
    return centred / (grey.std((2, 3), keepdim=True) + 10)


def patch_features(small: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Where in each image some patches of the images are found (Coates, Lee & Ng, AISTATS 2011, simplified).

    Cosines of every place with each patch and with its mirror image, those above ``FOUND_ABOVE``, averaged
    over each quarter of the image, and the largest anywhere. Of a mirrored image these are the same numbers
    in another order, so that nothing tells the two apart but what the labels say.

    Args:
        small: (N, 1, h, w).
        generator: source of the patches.

    Returns:
        float32 (N, 10 P) for P patches, of the images and of their mirror images.
    """
    patches = draw_patches(small, generator)
    filters = torch.cat([patches, patches.flip(3)])
    window = torch.ones_like(filters[:1])
    area = window.numel()
    square = functional.conv2d(small**2, window) - functional.conv2d(small, window) ** 2 / area
    # 1 is added to the length, so that flat places resemble nothing.
    found = functional.conv2d(small, filters) / (square.clamp(min=0).sqrt() + 1)
    found = (found - FOUND_ABOVE).clamp_(min=0)
    quarters, largest = functional.adaptive_avg_pool2d(found, 2), found.amax((2, 3))
    half = len(patches)
    swapped = torch.cat([torch.arange(half, 2 * half), torch.arange(half)])
    plain = torch.cat([quarters.flatten(1), largest], 1)
    return plain, torch.cat([quarters[:, swapped].flip(3).flatten(1), largest[:, swapped]], 1)


def draw_patches(small: Tensor, generator: torch.Generator) -> Tensor:
    """The ``PATCHES`` of most contrast of four times as many, of mean 0 and length 1, (P, 1, k, k)."""
    count, _, height, width = small.shape
    side = min(PATCH_SIDE, max(2, min(height, width) // 2 - 1))
    number = 4 * PATCHES
    image = torch.randint(count, (number,), generator=generator)[:, None, None]
    row = torch.randint(height - side + 1, (number,), generator=generator)[:, None, None]
    column = torch.randint(width - side + 1, (number,), generator=generator)[:, None, None]
    offset = torch.arange(side)
    patches = small[image, 0, row + offset[:, None], column + offset]
    patches = patches - patches.mean((1, 2), keepdim=True)
    length = patches.flatten(1).norm(dim=1)
    most = length.argsort(descending=True, stable=True)[:PATCHES]
    scaled: Tensor = patches[most] / (length[most, None, None] + 1e-6)
    return scaled[:, None]


def likeness(
    plain: Tensor, mirrored: Tensor, labels: Tensor, num_classes: int, fold: Tensor
) -> tuple[Tensor, Tensor]:
    """How much each image, and its mirror image, looks like the other images given its label.

    The score of the given class in a ridge regression on the images of the other folds: 0 is no more than
    any image. Wrong labels lower both numbers alike, so that their ratio stays.

    Args:
        plain: (N, D), features of the images.
        mirrored: (N, D), of their mirror images.
        labels: int64 (N,), given.
        num_classes: C.
        fold: int64 (N,), each in turn is left out.

    Returns:
        Both float64 (N,).
    """
    targets = functional.one_hot(labels, num_classes).double()
    own, own_mirrored = torch.zeros(2, len(labels), dtype=torch.float64)
    for number in fold.unique().tolist():
        left_out = fold == number
        known = plain[~left_out].double()
        centre = known.mean(0)
        spread = known.std(0) + 1e-3 * known.std() + 1e-12
        standard = (known - centre) / spread
        wanted = targets[~left_out] - targets[~left_out].mean(0)
        features = standard.shape[1]
        gram = standard.T @ standard + features * torch.eye(features, dtype=torch.float64)
        weights = torch.linalg.solve(gram, standard.T @ wanted)[:, labels[left_out]]
        for some, scores in ((plain, own), (mirrored, own_mirrored)):
            scores[left_out] = (((some[left_out] - centre) / spread) * weights.T).sum(1)
    return own, own_mirrored


def judge_mirroring(
    own: Tensor, own_mirrored: Tensor, labels: Tensor, class_names: Sequence[str]
) -> Mirroring:
    """Decide, from what each image and its mirror image say for the given label.

    The share kept is the ratio of the two means, its error that of a ratio of paired means.

    Args:
        own: float64 (N,), likeness of each image to its class.
        own_mirrored: float64 (N,), of its mirror image.
        labels: int64 (N,), given.
        class_names: names of the C classes.
    """
    count, mean = len(own), float(own.mean())
    if mean <= 0:
        return Mirroring(False, "unknown", count)
    kept = float(own_mirrored.mean()) / mean
    error = float((own_mirrored - kept * own).std()) / math.sqrt(count) / mean
    worst = min(_harms(own, own_mirrored, labels), default=(1.0, -1))
    harmed = class_names[worst[1]] if worst[0] < CLASS_LEVEL else None
    if harmed is not None or kept + 2 * error < KEPT_ABOVE:
        return Mirroring(False, "unsafe", count, kept, error, harmed)
    if kept - 2 * error > KEPT_ABOVE:
        return Mirroring(True, "safe", count, kept, error)
    return Mirroring(False, "unknown", count, kept, error)


def _harms(own: Tensor, own_mirrored: Tensor, labels: Tensor) -> Iterator[tuple[float, int]]:
    """Level at which each class keeps less than ``CLASS_KEPT_ABOVE``, times the number of classes; class."""
    present = labels.unique().tolist()
    for label in present:
        lost = (CLASS_KEPT_ABOVE * own - own_mirrored)[labels == label]
        if len(lost) > 2:
            error = float(lost.std()) / math.sqrt(len(lost))
            level = float(stats.t.sf(float(lost.mean()) / max(error, 1e-12), len(lost) - 1))
            yield min(level * len(present), 1.0), label
