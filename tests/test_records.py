"""The tables of the documentation are those of the committed results, and the suites still ask for these."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from labelmend.bench.contents import Contents
from labelmend.bench.results import read_results
from labelmend.bench.run import check_same_settings
from labelmend.bench.suite import read_suite
from labelmend.bench.tables import render_page, update_document

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SUITES = sorted((ROOT / "benchmarks" / "suites").glob("*.yaml"))

spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tables)


@pytest.mark.parametrize("document", tables.DOCUMENTS, ids=lambda path: path.name)
def test_tables_of_the_documentation_are_rendered_from_the_results(document, tmp_path):
    copy = Path(shutil.copy(document, tmp_path))
    suite = tables.suite_tables(RESULTS)
    update_document(copy, lambda name: tables.TABLES[name]() if name in tables.TABLES else suite(name))
    assert copy.read_text(encoding="utf-8") == document.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", SUITES, ids=lambda path: path.stem)
def test_results_are_of_the_settings_that_their_suite_asks_for(file):
    suite = read_suite(file)
    paths = {RESULTS / suite.name / f"{cell.name}.json": cell for cell in suite.cells}
    found = [path for path in paths if path.is_file()]
    assert sorted(found) == sorted((RESULTS / suite.name).glob("*.json"))
    contents = Contents()
    for path in found:
        check_same_settings(path, paths[path], contents.of(paths[path]))
    if not found:  # not run yet
        return
    rendered = f"# {suite.title}\n\n{render_page(read_results(RESULTS / suite.name))}"
    assert (RESULTS / f"{suite.name}.md").read_text(encoding="utf-8") == rendered
