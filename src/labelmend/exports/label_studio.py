"""Label Studio: tasks with the run's suggestions as predictions, and a person's annotations as decisions."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from labelmend import __version__
from labelmend.data.label_studio import Task, chosen_classes
from labelmend.data.labels import list_classes
from labelmend.errors import DataError, LabelmendWarning
from labelmend.exports.labelled import LabelledRun
from labelmend.files import write_json, write_text
from labelmend.runs.checksums import check_unchanged
from labelmend.runs.folder import MODEL_INFO
from labelmend.runs.records import read_model
from labelmend.schema import check_schema
from labelmend.text import argument, as_text
from labelmend.verdicts.decisions import ACCEPT, CHOOSE, KEEP, Decisions
from labelmend.verdicts.frame import read_parquet
from labelmend.verdicts.verdicts import PARQUET

FROM, TO = "label", "image"
LOCAL_FILES = "/data/local-files/?d="


def export_label_studio(run: LabelledRun, out: Path) -> list[Path]:
    """``tasks.json`` to import, and ``config.xml``, the labelling set-up of the project.

    Images are named as files below the root of the local storage of Label Studio, which is to be ``/``.
    """
    files = run.files("Label Studio shows files; export with --format huggingface instead")
    tasks = [
        {
            "data": {"image": LOCAL_FILES + quote(str(file).lstrip("/"), errors="surrogateescape")}
            | {"id": row.id, "given_label": row.given_label, "verdict": row.verdict},
            "predictions": [
                {
                    "model_version": f"labelmend {__version__}",
                    "score": row.suggestion_confidence,
                    "result": [
                        {
                            "from_name": FROM,
                            "to_name": TO,
                            "type": "choices",
                            "value": {"choices": [row.suggested_label]},
                        }
                    ],
                }
            ],
        }
        for file, row in zip(files, run.table.itertuples(), strict=True)
    ]
    choices = "".join(f"    <Choice value={quoteattr(as_text(name))}/>\n" for name in run.classes)
    config = (
        f'<View>\n  <Image name="{TO}" value="$image"/>\n'
        f'  <Choices name="{FROM}" toName="{TO}" choice="single">\n{choices}  </Choices>\n</View>\n'
    )
    write_json(out / "tasks.json", tasks)
    write_text(out / "config.xml", config)
    return [out / "tasks.json", out / "config.xml"]


def import_annotations(run: Path, file: Path) -> tuple[int, int]:
    """Note the choices that were made in Label Studio as decisions on a run, all or none.

    Args:
        run: folder of the run that the tasks were made of.
        file: its JSON export.

    Returns:
        Images that were decided, and tasks without an annotation.

    Raises:
        DataError: If the file is no export, a task is not of the run, an annotation is no single class, or
            two tasks say different things of one image.
        RunError: If the verdicts of the run are damaged.

    Warns:
        LabelmendWarning: If a class is none of the run.
    """
    check_unchanged(run, (PARQUET, MODEL_INFO))
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} cannot be read as JSON: {' '.join(str(error).split())}") from None
    if not isinstance(content, list):
        raise DataError(f"{file} is no list of tasks; export them from Label Studio as JSON")
    table = read_parquet(run / PARQUET)
    columns = (table[name] for name in ("id", "given_label", "suggested_label"))
    labels = {identity: (given, suggested) for identity, given, suggested in zip(*columns, strict=True)}
    decided: dict[str, tuple[str, int]] = {}
    without = 0
    for number, entry in enumerate(content, start=1):
        where = f"{file}, task {number}"
        task = check_schema(Task, entry, where, DataError)
        identity = task.data.get("id")
        if not isinstance(identity, str) or identity not in labels:
            raise DataError(f"{where}: the run in {run} has no image {identity!r}")
        given = labels[identity][0]
        if (there := task.data.get("given_label", given)) != given:
            raise DataError(
                f"{where} is of another run: image {identity!r} was given as {there!r} there, and as "
                f"{given!r} in {run}; give the run that was exported"
            )
        chosen = {label.strip() for label in chosen_classes(task)}
        if len(chosen) > 1:
            raise DataError(f"{where}: annotated as {' and as '.join(sorted(chosen))}; settle it there first")
        without += not chosen
        for label in chosen:
            before, first = decided.setdefault(identity, (label, number))
            if before != label:
                raise DataError(
                    f"{where}: image {identity!r} is {label!r} here, and {before!r} in task {first}; settle "
                    "it there first"
                )
    known = set(read_model(run / MODEL_INFO)["classes"])
    if new := sorted({label for label, _ in decided.values()} - known):
        warnings.warn(
            f"{file}: no class of {run} is called {list_classes([repr(name) for name in new])}; taken for "
            f"classes that are new (labelmend review {argument(run)} decides again what is mistyped)",
            LabelmendWarning,
            stacklevel=2,
        )
    if decided:
        with Decisions.open(run, create=True) as log:
            log.record_all(_decision(id, label, *labels[id]) for id, (label, _) in decided.items())
    return len(decided), without


def _decision(identity: str, label: str, given: str, suggested: str) -> tuple[str, str, str | None]:
    """What choosing a label means, as ``Decisions.record`` takes it."""
    if label in (given, suggested):
        return identity, KEEP if label == given else ACCEPT, None
    return identity, CHOOSE, label
