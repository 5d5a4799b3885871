"""How images are prepared for a network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preprocessing:
    """How images are prepared for a network; what is None is taken from the data.

    An image of any size becomes a square of ``size`` pixels in two steps: its shorter side is resized to
    ``round(size / crop)`` (both sides are, without ``keep_aspect``), and the middle ``size`` x ``size``
    pixels are kept. Then each channel, in [0, 1], is less its ``mean`` and divided by its ``std``.

    Attributes:
        mean: of each channel, where black is 0 and white is 1.
        std: of each channel, in the unit of the mean.
        size: side in pixels of the square that the network sees.
        crop: share of the resized side that is kept, in (0, 1].
        interpolation: of the resizing: ``bilinear``, ``bicubic``, ``nearest``, ``lanczos``, with antialias.
        keep_aspect: whether proportions are kept, and what is beyond the square is cut off.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: int | None = None
    crop: float = 1.0
    interpolation: str = "bilinear"
    keep_aspect: bool = True
