"""FiftyOne: a ``FiftyOneImageClassificationDataset`` of labels that names the images where they are."""

from __future__ import annotations

from pathlib import Path

from labelmend.exports.labelled import LabelledRun
from labelmend.files import write_json

# Each label of FiftyOne has an ``id`` of its own, which takes no other value.
_ATTRIBUTES = {"id": "image_id"} | {
    name: name for name in ("given_label", "suggested_label", "verdict", "label_quality", "is_label_issue")
}


def export_fiftyone(run: LabelledRun, out: Path) -> list[Path]:
    """``labels.json`` and ``data.json``, which says where the image of each entry lies."""
    files = run.files("FiftyOne shows files; export with --format huggingface instead")
    width = len(str(len(files)))
    names = [f"{number:0{width}d}" for number in range(len(files))]
    labels = {
        name: {
            "label": row["label"],
            # It is of the suggested label, and says nothing of another that a person decided on.
            **(
                {"confidence": row["suggestion_confidence"]} if row["label"] == row["suggested_label"] else {}
            ),
            "attributes": {theirs: row[ours] for ours, theirs in _ATTRIBUTES.items()},
        }
        for name, row in zip(names, run.table.to_dict("records"), strict=True)
    }
    write_json(out / "data.json", dict(zip(names, map(str, files), strict=True)))
    write_json(out / "labels.json", {"classes": run.classes, "labels": labels})
    return [out / "labels.json", out / "data.json"]
