import json

import pytest

from labelmend.bench.published import SOURCES
from labelmend.bench.results import read_results
from labelmend.bench.tables import (
    mean_and_spread,
    render_absent,
    render_choice,
    render_detection,
    render_mixture,
    render_page,
    render_suite,
    render_table,
    suite_tables,
    tables_of,
    update_document,
)
from labelmend.errors import LabelmendWarning, RunError


def write(folder, row, seed, accuracy, data="digits", found=None, **selection):
    record = {
        "suite": folder.name,
        "data": data,
        "row": row,
        "noise": "cifar10n:worse",
        "seed": seed,
        "summary": {
            "test_accuracy_last": accuracy,
            "test_accuracy_mean_of_last_10": accuracy,
            "test_accuracy_best": accuracy + 0.01,
            "flops": 2e13,
            "seconds": 9.0,
            "processor": "P",
            **(found or {}),
        },
        "selection": selection,
    }
    (folder / f"{row}-{seed}.json").write_text(json.dumps(record))


def labels(given, images="i", names="c"):
    return {"class names": names, "ids": "i", "given labels": given, "images": images}


def tried(folder, row, seed, accuracy, test="trusted", images=400, noise=None, test_set="a", train_set="a"):
    record = {
        "suite": folder.name,
        "data": "digits",
        "row": row,
        "noise": noise,
        "seed": seed,
        "settings": {"data": {"test": test, "root": row}},
        # Features of rows with other networks are others.
        "train_set": labels(train_set, images=row),
        "test_set": labels(test_set, images=row),
        "summary": {
            "test_accuracy_last": accuracy,
            "test_accuracy_mean_of_last_10": accuracy,
            "test_accuracy_best": 1.0,
            "test_images": images,
            "flops": 1e9,
            "seconds": 9.0,
            "processor": "P",
        },
        "selection": {},
    }
    (folder / f"{row}-{seed}-{noise}.json").write_text(json.dumps(record))


def test_the_row_that_trusted_labels_choose_is_named_and_what_cannot_be_told_from_it(tmp_path):
    for row, accuracies in {"P 40": (0.7, 0.9), "P 50": (0.95, 0.6), "P 60": (0.79, 0.79)}.items():
        for seed, accuracy in enumerate(accuracies):
            tried(tmp_path, row, seed, accuracy)
    tried(tmp_path, "P 60", 0, 0.5, noise="symmetric:0.2")
    of_noise = "Best by 400 trusted labels, symmetric:0.2: P 60, 50.00, with a standard error of 2.5; "
    assert render_choice(read_results(tmp_path)) == (
        "Best by 400 trusted labels, as given: P 40, 80.00, with a standard error of 2.0; "
        f"within that: P 60.\n\n{of_noise}within that: no other row.\n"
    )
    assert render_choice(read_results(tmp_path)) in render_page(read_results(tmp_path))


def test_rows_that_are_equally_good_are_all_named(tmp_path):
    for row, accuracy in {"P 40": 1.0, "P 50": 1.0, "P 60": 0.5}.items():
        tried(tmp_path, row, 0, accuracy, images=8)
    assert render_choice(read_results(tmp_path)).startswith(
        "Best by 8 trusted labels, as given: P 40 and P 50, 100.00, "
    )
    # Of 9 right and 1 wrong.
    assert "standard error of 9.5; " in render_choice(read_results(tmp_path))


def test_rows_that_different_labels_scored_are_not_compared(tmp_path):
    tried(tmp_path, "P 40", 0, 0.7)
    tried(tmp_path, "P 50", 0, 0.9, test_set="b")
    assert render_choice(read_results(tmp_path)) == (
        "No row is chosen for as given: they were scored by different trusted labels; remove the older "
        "results and run them again.\n"
    )


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def mixed(noise, told):
    return (
        f"Not all cells of {noise} had the labels of most, though the suite asks for the same: {told}. "
        "Remove the older results and run them again.\n"
    )


def test_cells_that_ask_for_the_same_labels_and_had_others_are_named(tmp_path):
    tried(tmp_path, "P 40", 0, 0.7, test="my/test")
    tried(tmp_path, "P 50", 0, 0.9, test="its/test")
    tried(tmp_path, "P 60", 0, 0.9, test="another", train_set="b", test_set="b")
    assert render_mixture(read_results(tmp_path)) is None
    tried(tmp_path, "P 70", 2, 0.9, test="test", train_set="c")
    expected = mixed("as given", "trained on others: seed 2 of P 70")
    assert render_mixture(read_results(tmp_path)) == expected
    assert render_table(read_results(tmp_path)) == f"{render_suite(read_results(tmp_path))}\n{expected}"
    assert render_page(read_results(tmp_path)) == render_table(read_results(tmp_path))
    folder = tmp_path / "known"
    folder.mkdir()
    for path in tmp_path.glob("*.json"):
        path.rename(folder / path.name)
    assert suite_tables(tmp_path)("known") == render_table(read_results(folder))


def test_other_test_sets_are_told_and_each_noise_has_one_sentence(tmp_path):
    for row in "ABC":
        for seed in range(3):
            other = "b" if seed == 2 or row == "C" else "a"
            tried(tmp_path, row, seed, 0.7, test="here", test_set="b" if seed == 1 else "a")
            tried(tmp_path, row, seed, 0.7, test="here", noise="symmetric:0.2", train_set=other)
    assert render_mixture(read_results(tmp_path)) == "\n".join(
        (
            mixed("as given", "scored by others: seed 1 of A, B, C"),
            # Five of nine: those are most.
            mixed("symmetric:0.2", "trained on others: seeds 0, 1 of A, B"),
        )
    )


def test_many_rows_of_other_labels_are_counted(tmp_path):
    for number in range(27):
        for seed in range(3):
            tried(tmp_path, f"R{number:02}", seed, 0.7, test="here", train_set="b" if seed == 2 else "a")
    rows = ", ".join(f"R{number:02}" for number in range(8))
    told = mixed("as given", f"trained on others: seed 2 of {rows} and 19 more")
    assert render_mixture(read_results(tmp_path)) == told


def test_noise_that_came_out_otherwise_is_other_labels_too(tmp_path):
    for row, made in (("P 40", "1"), ("P 50", "1"), ("P 60", "2")):
        tried(tmp_path, row, 0, 0.7, noise="classifier:0.4")
        change(tmp_path / f"{row}-0-classifier:0.4.json", noise_record={"sha256": made})
    told = mixed("classifier:0.4", "trained on others: seed 0 of P 60")
    assert render_mixture(read_results(tmp_path)) == told
    # What noise did to the training images has nothing to do with the trusted ones.
    assert "Best by" in render_choice(read_results(tmp_path))


def test_the_hash_of_the_noise_tells_where_older_results_tell_no_more(tmp_path):
    for row, made in (("P 40", "1"), ("P 50", "1"), ("P 60", "2"), ("P 70", "1")):
        tried(tmp_path, row, 0, 0.7, test="here", noise="classifier:0.4")
        path = tmp_path / f"{row}-0-classifier:0.4.json"
        change(path, noise_record={"sha256": made}, train_set=None if row != "P 70" else labels("a"))
    told = mixed("classifier:0.4", "trained on others: seed 0 of P 60")
    assert render_mixture(read_results(tmp_path)) == told


def test_a_result_that_tells_little_does_not_hide_that_others_differ(tmp_path):
    for row, given in (("P 40", None), ("P 50", "a"), ("P 60", "a"), ("P 70", "b")):
        tried(tmp_path, row, 0, 0.7, test="here", noise="n")
        found = given and labels(given)
        change(tmp_path / f"{row}-0-n.json", noise_record={"sha256": "1"}, train_set=found)
    assert render_mixture(read_results(tmp_path)) == mixed("n", "trained on others: seed 0 of P 70")


def test_other_names_of_the_classes_are_other_labels_and_those_of_other_data_may_differ(tmp_path):
    tried(tmp_path, "P 40", 0, 0.7)
    tried(tmp_path, "P 50", 0, 0.9)
    change(tmp_path / "P 50-0-None.json", train_set=labels("a", names="d"))
    told = mixed("as given", "trained on others: seed 0 of P 50")
    assert render_mixture(read_results(tmp_path)) == told
    change(tmp_path / "P 50-0-None.json", data="letters")
    assert render_mixture(read_results(tmp_path)) is None


def test_results_that_do_not_tell_their_labels_are_not_compared(tmp_path):
    tried(tmp_path, "P 40", 0, 0.7)
    tried(tmp_path, "P 50", 0, 0.7)
    change(tmp_path / "P 50-0-None.json", train_set=None, test_set=None)
    assert render_mixture(read_results(tmp_path)) is None


@pytest.mark.parametrize(
    "key",
    ["seed", "selection", "summary.flops", "summary.seconds", "summary.processor", "summary.test_images"],
)
def test_what_a_result_lacks_is_named_with_its_file(tmp_path, key):
    tried(tmp_path, "P 40", 0, 0.7)
    path = tmp_path / "P 40-0-None.json"
    record = json.loads(path.read_text())
    *section, name = key.split(".")
    del (record[section[0]] if section else record)[name]
    path.write_text(json.dumps(record))
    with pytest.raises(RunError, match=f"P 40-0-None.json.*'{key}' is missing"):
        read_results(tmp_path)


def test_cells_without_a_result_are_listed_by_why(tmp_path):
    absent = {"CE__seed1": "not run yet", "Mend__seed1": "failed: o\nh", "Mend__seed2": "not run yet"}
    listed = "- `CE__seed1`, `Mend__seed2`: not run yet\n- `Mend__seed1`: failed: o\\nh\n"
    told = f"3 of 6 cells are not there:\n\n{listed}"
    assert render_absent(absent, 6) == told
    assert render_absent({"CE": "x"}, 1) == "1 of 1 cell is not there:\n\n- `CE`: x\n"
    assert render_absent({}, 6) is None
    write(tmp_path, "CE", 1, 0.6)
    records = read_results(tmp_path)
    assert render_page(records, told) == f"{render_suite(records)}\n{told}"
    assert render_page([], told) == told


def test_a_record_without_an_accuracy_is_passed_over(tmp_path):
    tried(tmp_path, "P 40", 0, 0.7)
    tried(tmp_path, "P 50", 0, 0.9)
    path = tmp_path / "P 50-0-None.json"
    record = json.loads(path.read_text())
    del record["summary"]["test_accuracy_last"]
    path.write_text(json.dumps(record))
    assert "P 40, 70.00" in render_choice(read_results(tmp_path))


@pytest.mark.parametrize("test", [None, "elsewhere"])
def test_nothing_is_chosen_by_test_images(tmp_path, test):
    tried(tmp_path, "P 40", 0, 0.7, test)
    assert render_choice(read_results(tmp_path)) is None
    assert "Best" not in render_page(read_results(tmp_path))


def test_mean_and_sample_deviation_by_hand():
    assert mean_and_spread([0.5]) == "50.00"
    assert mean_and_spread([0.6, 0.7, 0.8]) == "70.00 ± 10.00"


def test_one_line_a_method_best_last(tmp_path):
    write(tmp_path, "Anchors", 1, 0.7, easy_purity=0.9)
    write(tmp_path, "Anchors", 2, 0.8, easy_purity=0.9)
    write(tmp_path, "CE", 1, 0.6)
    lines = render_suite(read_results(tmp_path)).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| cifar10n:worse | CE | 1 | 60.00 | 60.00 | 61.00 |  |")
    assert lines[3].startswith("| cifar10n:worse | Anchors | 2 | 75.00 ± 7.07 |")
    assert "| 90.00 ± 0.00 |" in lines[3]
    assert len({line.count("|") for line in lines}) == 1


def test_published_figures_stand_beside_ours_with_their_scale(tmp_path):
    write(tmp_path, "CE", 1, 0.6, data="cifar10")
    write(tmp_path, "Mend", 1, 0.7, data="cifar10")
    write(tmp_path, "Negative label smoothing", 1, 0.8, data="cifar10")
    text = render_suite(read_results(tmp_path))
    head, _, *rows = [line.split(" | ") for line in text.splitlines() if line.startswith("|")]
    paper, again = head.index("paper"), head.index("re-run")
    assert [(row[1], row[paper], row[again]) for row in rows] == [
        ("CE", "77.69 ± 1.55 (Table 3)", "68.26 (100 epochs)"),
        ("Mend", "", ""),
        ("Negative label smoothing", "82.99 ± 0.36 (Table 3)", ""),
    ]
    assert text.endswith(f"|\n\n{SOURCES['paper']}\n\n{SOURCES['re-run']}\n")


def test_a_source_without_a_figure_has_no_column(tmp_path):
    write(tmp_path, "JoCoR", 1, 0.6)
    assert "paper" not in render_suite(read_results(tmp_path))
    assert SOURCES["paper"] not in render_suite(read_results(tmp_path))


def found(ap):
    names = ("auroc", "precision", "recall")
    values = {f"detection_{name}": ap + i / 10 for i, name in enumerate(names, 1)}
    return {"detection_ap": ap, **values, "neighbour_ap": ap + 0.4, "neighbour_auroc": ap + 0.5}


def test_detection_stands_best_last_and_leaves_out_rows_that_do_not_tell(tmp_path):
    write(tmp_path, "A good one", 1, 0.1, found=found(0.3))
    write(tmp_path, "Bad", 1, 0.9, found=found(0.1))
    write(tmp_path, "Bad", 2, 0.9, found=found(0.2))
    write(tmp_path, "Old", 1, 0.5, found={"detection_ap": 0.9})
    _, _, *rows = render_detection(read_results(tmp_path)).splitlines()
    assert [row.split(" | ")[:4] for row in rows] == [
        ["| cifar10n:worse", "Bad", "2", "15.00 ± 7.07"],
        ["| cifar10n:worse", "A good one", "1", "30.00"],
    ]
    assert rows[1].endswith("| 30.00 | 40.00 | 50.00 | 60.00 | 70.00 | 80.00 |")
    page = render_page(read_results(tmp_path))
    assert page.startswith(render_suite(read_results(tmp_path)))
    assert page.endswith(render_detection(read_results(tmp_path)))


def test_no_table_of_detection_where_no_row_tells(tmp_path):
    write(tmp_path, "Old", 1, 0.5)
    assert render_detection(read_results(tmp_path)) is None
    assert render_page(read_results(tmp_path)) == render_suite(read_results(tmp_path))


def test_no_results(tmp_path):
    with pytest.raises(RunError, match="holds no results"):
        render_suite(read_results(tmp_path))


def test_document_keeps_all_but_its_tables(tmp_path):
    document, results = tmp_path / "page.md", tmp_path / "results"
    (results / "known").mkdir(parents=True)
    write(results / "known", "CE", 1, 0.6)
    marks = "<!-- table: {} -->\nold\n<!-- end of table -->\n"
    known, unknown = marks.format("known"), marks.format("unknown")
    document.write_text(f"before\n{known}between\n{unknown}after\n")
    update_document(document, suite_tables(results))
    text = document.read_text()
    assert text.startswith("before\n<!-- table: known -->\n\n| noise |")
    assert text.endswith("between\n" + unknown + "after\n")
    assert "| CE | 1 | 60.00 |" in text
    update_document(document, suite_tables(results))
    assert document.read_text() == text


def test_a_document_may_have_the_table_of_detection(tmp_path):
    (tmp_path / "known").mkdir()
    write(tmp_path / "known", "CE", 1, 0.6, found=found(0.3))
    assert suite_tables(tmp_path)("known-detection") == render_detection(read_results(tmp_path / "known"))
    (tmp_path / "other-detection").mkdir()
    write(tmp_path / "other-detection", "CE", 1, 0.6)
    assert suite_tables(tmp_path)("other-detection") == render_suite(
        read_results(tmp_path / "other-detection")
    )


def test_results_that_are_of_no_suite_leave_a_document_as_it_is(tmp_path):
    document, results = tmp_path / "page.md", tmp_path / "results"
    (results / "other").mkdir(parents=True)
    (results / "other" / "seconds.json").write_text(json.dumps({"seconds": [1, 2]}))
    text = "<!-- table: other -->\nold\n<!-- end of table -->\n"
    document.write_text(text)
    update_document(document, suite_tables(results))
    assert document.read_text() == text


def test_tables_whose_results_are_not_there_or_damaged_stay_as_they_are(tmp_path):
    document, results = tmp_path / "page.md", tmp_path / "results"
    for name in ("known", "damaged"):
        (results / name).mkdir(parents=True)
        write(results / name, "CE", 1, 0.6)
    (results / "damaged" / "CE-1.json").write_text("{")
    mark = "<!-- table: {} -->\nold\n<!-- end of table -->\n"
    stays = mark.format("none-detection") + mark.format("damaged")
    document.write_text(stays + mark.format("known"))
    with pytest.warns(LabelmendWarning, match="the table damaged stays as it is: .*CE-1.json is damaged"):
        update_document(document, suite_tables(results))
    assert document.read_text().startswith(f"{stays}<!-- table: known -->\n\n| noise")


def test_the_name_of_a_table_may_have_spaces(tmp_path):
    document = tmp_path / "page.md"
    document.write_text("<!-- table: my suite (2) -->\n<!-- end of table -->\n<!-- a > b -->\n")
    assert tables_of(document) == ["my suite (2)"]


def test_line_ends_of_a_document_stay(tmp_path):
    document, results = tmp_path / "page.md", tmp_path / "results"
    (results / "known").mkdir(parents=True)
    write(results / "known", "CE", 1, 0.6)
    document.write_bytes("é\r\n<!-- table: known -->\r\nold\r\n<!-- end of table -->\r\n".encode())
    update_document(document, suite_tables(results))
    content = document.read_bytes()
    assert content.startswith("é\r\n<!-- table: known -->\r\n\r\n| noise".encode())
    assert content.count(b"\r\n") == content.count(b"\n") > 6
    document.write_bytes(content + b"mixed\n")
    update_document(document, suite_tables(results))
    assert document.read_bytes() == content.replace(b"\r\n", b"\n") + b"mixed\n"


def test_what_a_row_is_called_breaks_no_table(tmp_path):
    write(tmp_path, "mix|up", 1, 0.6)
    write(tmp_path, "CE\n# head", 1, 0.5)
    lines = render_suite(read_results(tmp_path)).splitlines()
    assert [line.split(" | ")[1] for line in lines[2:]] == ["CE\\n# head", "mix\\|up"]


def test_rows_without_an_accuracy_stand_before_those_that_have_one(tmp_path):
    for row, accuracy in {"A": 0.1, "B": 0.0, "C": None}.items():
        write(tmp_path, row, 1, 0.0)
        path = tmp_path / f"{row}-1.json"
        record = json.loads(path.read_text())
        record["summary"]["test_accuracy_last"] = accuracy
        path.write_text(json.dumps(record))
    lines = render_suite(read_results(tmp_path)).splitlines()
    assert [line.split(" | ")[1] for line in lines[2:]] == ["C", "B", "A"]
