"""JSON documents: layouts of pandas, keys that repeat, COCO and Label Studio with faults."""

from __future__ import annotations

import json

from corpus.build import write
from corpus.cases_tables import PETS, ROWS, pets
from corpus.registry import Source, case


def document(folder, content, name="t.json", **settings):
    pets(folder)
    text = content if isinstance(content, str) else json.dumps(content)
    return Source(write(folder / name, text), settings)


@case(**PETS)
def columns_whose_rows_are_in_another_order(folder):
    files = {"0": "1.png", "1": "2.png", "2": "3.png"}
    return document(folder, {"file": files, "label": {"2": "cat", "1": "dog", "0": "cat"}})


@case(**PETS)
def columns_of_unusual_names_in_another_order(folder):
    files = {"0": "1.png", "1": "2.png", "2": "3.png"}
    content = {"photo": files, "breed": {"2": "cat", "1": "dog", "0": "cat"}}
    return document(folder, content, image_column="photo", label_column="breed")


@case(error="t.json: row '0' is not in all columns, see column 'label'")
def columns_of_different_rows(folder):
    return document(folder, {"file": {"0": "1.png", "1": "2.png"}, "label": {"1": "cat", "2": "dog"}})


@case(**PETS)
def rows_by_number(folder):
    return document(folder, {str(i): {"file": file, "label": label} for i, (file, label) in enumerate(ROWS)})


@case(**PETS)
def rows_by_file(folder):
    return document(folder, {file: {"label": label, "width": 6} for file, label in ROWS})


@case(**PETS)
def rows_beside_the_names_of_columns(folder):
    return document(folder, {"columns": ["file", "label"], "index": [0, 1, 2], "data": ROWS})


@case(error=r"key 'label' is there twice")
def an_object_with_two_labels(folder):
    return document(folder, '[{"file": "1.png", "label": "cat", "label": "dog"}]')


@case(error=r"key '1.png' is there twice")
def a_file_with_two_labels(folder):
    return document(folder, '{"1.png": "cat", "2.png": "dog", "1.png": "dog"}')


@case(error=r"line 2: not valid JSON \(key 'label' is there twice")
def a_line_with_two_labels(folder):
    lines = '{"file": "1.png", "label": "cat"}\n{"file": "2.png", "label": "a", "label": "b"}\n'
    return document(folder, lines, "t.jsonl")


@case(**PETS, notes=["t.json is read as JSON lines"])
def lines_in_a_json_file(folder):
    return document(folder, "\n".join(json.dumps({"file": file, "label": label}) for file, label in ROWS))


@case(error="line 1: not valid JSON .*a list of objects goes into a .json file")
def a_list_in_a_file_of_lines(folder):
    return document(folder, json.dumps([{"file": "1.png", "label": "cat"}], indent=1), "t.jsonl")


def coco(**other):
    content = {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in (1, 2, 3)],
        "annotations": [{"image_id": n, "category_id": 4 + (n == 2)} for n in (1, 2, 3)],
        "categories": [{"id": 4, "name": "cat"}, {"id": 5, "name": "dog"}],
    }
    return {**content, **other}


@case(**PETS)
def coco_with_ids_as_numbers_and_as_text(folder):
    annotations = [{"image_id": str(n), "category_id": 4.0 + (n == 2)} for n in (1, 2, 3)]
    return document(folder, coco(annotations=annotations))


@case(error="t.json: images.1 has the id '1' of an earlier one; make ids distinct")
def coco_with_an_id_for_two_images(folder):
    images = [{"id": n, "file_name": file} for n, file in ((1, "1.png"), ("1", "2.png"), (3, "3.png"))]
    return document(folder, coco(images=images))


@case(error="t.json: categories.1 has the id '4' of an earlier one")
def coco_with_an_id_for_two_categories(folder):
    return document(folder, coco(categories=[{"id": 4, "name": "cat"}, {"id": 4, "name": "dog"}]))


@case(**PETS, skipped=["image 9: annotated, but not among 'images'"])
def coco_with_an_annotation_of_no_image(folder):
    annotations = [{"image_id": n, "category_id": 4 + (n == 2)} for n in (1, 2, 3, 9, 9)]
    return document(folder, coco(annotations=annotations))


@case(error="COCO without 'annotations', so that its images have no labels")
def coco_without_annotations(folder):
    content = coco()
    del content["annotations"]
    return document(folder, content)


def task(file, **answers):
    result = [
        {"type": "choices", "from_name": question, "value": {"choices": [answer]}}
        for question, answer in answers.items()
    ]
    return {"data": {"image": file}, "annotations": [{"result": result}]}


QUESTIONS = [task(file, animal=label, quality="good") for file, label in ROWS]


@case(error="there is no column 'label'; it has file_name, animal, quality; choose with --label-column")
def label_studio_with_two_questions(folder):
    return document(folder, QUESTIONS)


@case(**PETS)
def label_studio_with_a_question_chosen(folder):
    return document(folder, QUESTIONS, label_column="animal")
