"""Features that the network of a run makes of some of its training images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelmend.data.assemble import Form, decode_listing
from labelmend.runs.backbone import cache_to_read, embedding
from labelmend.runs.pictures import RunPictures
from labelmend.runs.run import Run
from labelmend.training.predict import network_features


def features_of(
    run: Run, pictures: RunPictures, ids: Sequence[str], *, kept: bool = True
) -> tuple[list[str], np.ndarray]:
    """Features of images by id, computed anew from their pictures as they are now.

    Args:
        run: whose network is asked.
        pictures: of the run.
        ids: of the images; those without a readable picture are left out.
        kept: whether those of a frozen backbone that are kept beside the run are used, which are all read
            first: for a few images it is faster to compute them.

    Returns:
        The ids of the M images that could be read, in the order given, and a float32 array of shape (M, d).
    """
    there = [image_id for image_id in ids if image_id in pictures]
    if not there:
        return [], np.empty((0, run.network.feature_dim), dtype=np.float32)
    listing = pictures.listing.take([pictures.rows[image_id] for image_id in there])
    cache = cache_to_read(run.folder) if kept and run.folder is not None else None
    form = Form(
        size=run.description["image_size"],
        channels=run.description["channels"] if run.backbone is None else 3,
        pixel_range=pictures.pixel_range,
        for_training=False,
        embed=None if run.backbone is None else embedding(run.backbone, cache),
    )
    decoded = decode_listing(listing, form)
    found = network_features(run.network, run.description, decoded.images, run.device)
    return [there[row] for row in decoded.rows], found


def nearest(asked: np.ndarray, among: np.ndarray, most: int) -> np.ndarray:
    """The nearest of some features to others, by cosine about the mean of those that are chosen from.

    Args:
        asked: float32 (M, d).
        among: float32 (N, d).
        most: how many of them for each.

    Returns:
        int64 (M, min(most, N)), rows of ``among``, the nearest first.
    """
    centre = among.mean(0)

    def unit(features: np.ndarray) -> np.ndarray:
        centred = features - centre
        return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12))

    similarity = unit(asked) @ unit(among).T
    return np.argsort(-similarity, axis=1, kind="stable")[:, :most]
