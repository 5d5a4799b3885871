"""Tables in one JSON document: records, columns, and the exports of annotation tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from labelmend.data import label_studio
from labelmend.data.image_set import Skipped
from labelmend.errors import DataError, UnlabelledError

Columns = dict[str, list[Any]]
Document = TypeVar("Document", bound=BaseModel)
_IMAGE_KEYS = ("image", "img", "url", "file", "file_name", "filename", "path", "image_id")
_COLUMN_KEYS = {*_IMAGE_KEYS, "label", "labels", "class", "category", "target"}


def json_columns(content: Any, path: Path) -> tuple[Columns, list[Skipped]]:
    """Columns of a JSON document.

    Knows a list of objects; an object of columns; an object of file names and labels, or a list of such
    pairs; COCO (images, annotations, categories); and the JSON export of Label Studio.

    Returns:
        Columns of equal length, and images without a label.

    Raises:
        DataError: If it is none of these.
    """
    if isinstance(content, Mapping):
        return _of_object(content, path)
    if isinstance(content, list) and all(isinstance(entry, Mapping) for entry in content):
        if content and all(isinstance(entry.get("data"), Mapping) for entry in content):
            return _label_studio(content, path)
        return _records(content), []
    if _are_pairs(content):
        return {"file_name": [pair[0] for pair in content], "label": [pair[1] for pair in content]}, []
    raise DataError(
        f"{path}: not a table; expected a list of objects such as "
        '[{"file_name": "a.png", "label": "cat"}], COCO, or an export of Label Studio'
    )


def _are_pairs(content: Any) -> bool:
    return isinstance(content, list) and all(
        isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str) for entry in content
    )


def _records(records: Sequence[Mapping[str, Any]]) -> Columns:
    names = list(dict.fromkeys(name for record in records for name in record))
    return {name: [record.get(name) for record in records] for name in names}


def _of_object(content: Mapping[str, Any], path: Path) -> tuple[Columns, list[Skipped]]:
    if isinstance(content.get("images"), list) and isinstance(content.get("annotations"), list):
        return _coco(content, path)
    if isinstance(content.get("images"), list) and isinstance(content.get("categories"), list):
        raise UnlabelledError(f"{path}: COCO without 'annotations', so that its images have no labels")
    for key in ("labels", "data", "records", "rows"):
        if len(content) == 1 and isinstance(content.get(key), list):
            return json_columns(content[key], path)
    if isinstance(content.get("columns"), list) and isinstance(content.get("data"), list):
        rows = content["data"]
        if all(isinstance(row, list) and len(row) == len(content["columns"]) for row in rows):
            return {str(name): [row[i] for row in rows] for i, name in enumerate(content["columns"])}, []
    if content and all(isinstance(column, list) for column in content.values()):
        columns = {str(name): list(column) for name, column in content.items()}
    elif content and all(isinstance(column, Mapping) for column in content.values()):
        return _of_mappings(content, path), []
    elif content and all(isinstance(label, str | int | float) for label in content.values()):
        return {"file_name": list(content), "label": list(content.values())}, []
    else:
        raise DataError(
            f"{path}: not a table; it has the keys {', '.join(map(str, list(content)[:8])) or 'none'}"
        )
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise DataError(f"{path}: its columns have different lengths: {', '.join(map(str, sorted(lengths)))}")
    return columns, []


def _of_mappings(content: Mapping[str, Mapping[str, Any]], path: Path) -> Columns:
    """Columns by row, or rows by name, as pandas writes both; a name that is no number is that of the image.

    Raises:
        DataError: If the columns have different rows.
    """
    first = next(iter(content.values()))
    if not _COLUMN_KEYS.intersection(map(str.lower, content)) and not all(map(str.isdigit, first)):
        columns = _records(list(content.values()))
        named = all(map(str.isdigit, content)) or not set(_IMAGE_KEYS).isdisjoint(map(str.lower, columns))
        return columns if named else {"file_name": list(content), **columns}
    for name, column in content.items():
        if column.keys() != first.keys():
            odd = min(column.keys() ^ first.keys())
            raise DataError(f"{path}: row {odd!r} is not in all columns, see column {name!r}")
    return {str(name): [column[row] for row in first] for name, column in content.items()}


# Tools write ids as numbers or as text, some in both ways in one file.
Key = Annotated[str, BeforeValidator(lambda value: value if not _is_whole(value) else str(int(value)))]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1


class _CocoImage(BaseModel):
    id: Key
    file_name: str


class _CocoAnnotation(BaseModel):
    image_id: Key
    category_id: Key


class _CocoCategory(BaseModel):
    id: Key
    name: str


class _Coco(BaseModel):
    images: list[_CocoImage]
    annotations: list[_CocoAnnotation]
    categories: list[_CocoCategory] = []


def _checked(schema: type[Document], content: Any, path: Path, what: str) -> Document:
    """A document of a known layout.

    Raises:
        DataError: If it departs from it; the message says where.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise DataError(f"{path}: no {what} file: {place}: {first['msg'].lower()}") from None


def _coco(content: Mapping[str, Any], path: Path) -> tuple[Columns, list[Skipped]]:
    """COCO with one category for each image; several boxes of one category are one label."""
    coco = _checked(_Coco, content, path, "COCO")
    names = {category.id: category.name for category in coco.categories}
    for what, entries in (("images", coco.images), ("categories", coco.categories)):
        _refuse_repeated([entry.id for entry in entries], f"{path}: {what}")
    found: dict[Key, set[Key]] = {}
    for annotation in coco.annotations:
        found.setdefault(annotation.image_id, set()).add(annotation.category_id)
    files: list[Any] = []
    labels: list[Any] = []
    unknown = found.keys() - {image.id for image in coco.images}
    skipped = [Skipped(f"image {key}", "annotated, but not among 'images'") for key in sorted(unknown)]
    for image in coco.images:
        categories = found.get(image.id, set())
        if len(categories) > 1:
            shown = ", ".join(sorted(str(names.get(category, category)) for category in categories))
            raise DataError(
                f"{path}: {image.file_name} is annotated with {len(categories)} categories ({shown}); "
                "labelmend needs one label for each image"
            )
        if not categories:
            skipped.append(Skipped(image.file_name, "without an annotation"))
            continue
        (category,) = categories
        if names and category not in names:
            raise DataError(
                f"{path}: {image.file_name} has category {category!r}, which 'categories' does not list"
            )
        files.append(image.file_name)
        labels.append(names.get(category, category))
    return {"file_name": files, "label": labels}, skipped


def _refuse_repeated(ids: Sequence[Key], where: str) -> None:
    known: set[Key] = set()
    for number, identity in enumerate(ids):
        if identity in known:
            raise DataError(f"{where}.{number} has the id {identity!r} of an earlier one; make ids distinct")
        known.add(identity)


def _label_studio(content: Sequence[Any], path: Path) -> tuple[Columns, list[Skipped]]:
    """Tasks whose annotations choose one class; those without, or with several, are left out.

    Where they answer several questions, each has a column of its own.
    """
    tasks = [
        _checked(label_studio.Task, entry, path, f"Label Studio (task {number})")
        for number, entry in enumerate(content, start=1)
    ]
    answers = [label_studio.answers(task) for task in tasks]
    questions = list(dict.fromkeys(question for of_task in answers for question in of_task))
    files: list[Any] = []
    columns: Columns = {"label": []} if len(questions) < 2 else {question: [] for question in questions}
    skipped = []
    for number, (task, of_task) in enumerate(zip(tasks, answers, strict=True), start=1):
        texts = {key: value for key, value in task.data.items() if isinstance(value, str)}
        file = next((texts[key] for key in _IMAGE_KEYS if key in texts), next(iter(texts.values()), ""))
        several = [choices for choices in of_task.values() if len(choices) > 1]
        if not of_task or several:
            reason = (
                f"annotated as {' and as '.join(sorted(several[0]))}" if several else "without an annotation"
            )
            skipped.append(Skipped(file or f"task {number}", reason))
            continue
        files.append(file)
        for name, column in columns.items():
            choices = next(iter(of_task.values())) if name == "label" else of_task.get(name, {None})
            column.extend(choices)
    return {"file_name": files, **columns}, skipped
