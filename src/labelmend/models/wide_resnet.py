"""Wide residual networks (Zagoruyko & Komodakis, "Wide Residual Networks", BMVC 2016).

For images of up to 64 px: pre-activation networks of three groups, wider instead of deeper. The
dropout of the paper's ablations is left out, as in its results on CIFAR that others compare with.
"""

from __future__ import annotations

from labelmend.models.preact_resnet import PreActResNet

STEM_WIDTH = 16


class WideResNet(PreActResNet):
    """Feature extractor of WRN-``depth``-``factor``.

    Args:
        channels: 1 or 3.
        depth: convolutions, the stem and the three shortcuts that widen counted: 6 n + 4 for n blocks in
            each group.
        factor: k; the groups have 16 k, 32 k and 64 k channels.
    """

    def __init__(self, channels: int, depth: int, factor: int) -> None:
        widths = [STEM_WIDTH * 2**group * factor for group in range(3)]
        super().__init__(channels, STEM_WIDTH, widths, blocks=[(depth - 4) // 6] * 3)
