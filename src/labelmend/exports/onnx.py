"""ONNX: the classifier of a run, from pixels to class probabilities, in one file."""

from __future__ import annotations

import json
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from labelmend.errors import RunError
from labelmend.files import replacing
from labelmend.methods import METHODS
from labelmend.models.preprocessing import Preprocessing
from labelmend.runs.run import Run, load_run

OPSET = 17


class PixelsToProbabilities(nn.Module):
    """All that ``Run.predict_proba`` does of decoded pixels, as one module.

    Args:
        run: a finished run; its networks are moved to the CPU.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.network = run.network.cpu().float().eval()
        self.probabilities = METHODS[run.settings.method.name].probabilities
        frozen = run.backbone
        self.backbone = None if frozen is None else frozen.backbone.cpu().float().eval()
        self.flips = bool(run.description["flip_average"]) and frozen is None
        if frozen is None:
            mean, std = run.description["mean"], run.description["std"]
        else:
            preparation: Preprocessing = frozen.backbone.preprocessing
            assert preparation.mean and preparation.std  # every library says them
            mean = [255 * value for value in preparation.mean]
            std = [255 * value for value in preparation.std]
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 (B, H, W, channels) to probabilities (B, C)."""
        images = ((pixels.float() - self.mean) / self.std).permute(0, 3, 1, 2)
        if self.backbone is not None:
            images = self.backbone(images)
        found: Tensor = self.probabilities(self.network(images))
        if self.flips:
            found = (found + self.probabilities(self.network(images.flip(3)))) / 2
        return found


def export_onnx(folder: Path, out: Path) -> list[Path]:
    """``model.onnx``: ``pixels``, uint8 (B, size, size, channels), to ``probabilities``, float32 (B, C).

    How pixels become a square of that size, and the classes, are in the metadata of the file. Computed in
    float32, also where the run computed the features of a frozen backbone in bfloat16.

    Raises:
        RunError: If the package ``onnx`` is missing, or the network has a part that ONNX does not have.
    """
    if find_spec("onnx") is None:
        raise RunError("--format onnx needs the package onnx: pip install 'labelmend[exports]'")
    import onnx

    run = load_run(folder)
    size, channels = run.description["image_size"], run.description["channels"]
    crop = {"crop": 1.0, "interpolation": "bilinear", "keep_aspect": True}
    if run.backbone is not None:
        frozen = run.backbone
        size, channels = frozen.size, 3
        crop = {"crop": frozen.crop, "interpolation": frozen.interpolation, "keep_aspect": frozen.keep_aspect}
    module = PixelsToProbabilities(run)
    pixels = torch.randint(0, 256, (2, size, size, channels), generator=torch.Generator().manual_seed(0))
    path = out / "model.onnx"
    with replacing(path) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                torch.onnx.export(
                    module,
                    (pixels.to(torch.uint8),),
                    str(temporary),
                    input_names=["pixels"],
                    output_names=["probabilities"],
                    dynamic_axes={"pixels": {0: "images"}, "probabilities": {0: "images"}},
                    opset_version=OPSET,
                    dynamo=False,
                )
            except torch.onnx.errors.OnnxExporterError as error:
                reason = " ".join(str(error).split())
                raise RunError(f"{run.description['network']} cannot be written as ONNX: {reason}") from None
        model = onnx.load(str(temporary))
        described = {
            "classes": run.classes,
            "pixel_range": run.description.get("pixel_range"),
            "preparation": {"size": size, "channels": channels, **crop},
        }
        onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in described.items()})
        onnx.save(model, str(temporary))
    return [path]
