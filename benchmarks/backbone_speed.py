"""Images a second of candidates for the default backbone of photographs, on one core.

Weights do not change the speed, so they are random. Rounds take turns, each candidate's best counts, and
processor seconds are counted instead of wall-clock seconds: on a machine that others use too, both keep the
comparison fair.

    python benchmarks/backbone_speed.py          about 2 minutes on one core; needs labelmend[photos]
"""

from __future__ import annotations

import argparse
import time

import torch

from labelmend.models.pretrained import load_backbone

CANDIDATES = (
    "efficientnet_lite0",
    "timm:mobilenetv3_large_100.miil_in21k_ft_in1k",
    "timm:mobilenetv4_conv_small.e2400_r224_in1k",
    "timm:mobilenetv4_conv_medium.e500_r256_in1k",
    "timm:levit_256.fb_dist_in1k",
    "timm:convnext_nano.in12k_ft_in1k",
    "timm:resnet50.a1_in1k",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    backbones = [load_backbone(name, pretrained=False) for name in CANDIDATES]
    best = dict.fromkeys(CANDIDATES, float("inf"))
    # The first round only warms up.
    for turn in range(args.rounds + 1):
        for name, backbone in zip(CANDIDATES, backbones, strict=True):
            size = backbone.preprocessing.size or 224
            images = torch.randn(args.batch, 3, size, size).to(memory_format=torch.channels_last)
            backbone.to(memory_format=torch.channels_last)
            with torch.inference_mode():
                started = time.process_time()
                backbone(images)
                seconds = time.process_time() - started
            if turn > 0:
                best[name] = min(best[name], seconds)
    print("| backbone | px | features | parameters | images/s |")
    print("| --- | --- | --- | --- | --- |")
    for name, backbone in zip(CANDIDATES, backbones, strict=True):
        parameters = sum(p.numel() for p in backbone.parameters()) / 1e6
        print(
            f"| {name} | {backbone.preprocessing.size} | {backbone.feature_dim} | {parameters:.1f} M | "
            f"{args.batch / best[name]:.0f} |"
        )


if __name__ == "__main__":
    main()
