"""The page and the figure on the architecture are those of the code."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "labelmend"
PAGE = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def figure():
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "docs" / "architecture.py")
    module = importlib.util.module_from_spec(spec)
    # Its dataclass looks itself up among the modules.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(importlib.sys.modules, "architecture", module)
        spec.loader.exec_module(module)
        yield module


def test_the_figure_shows_the_rooms_and_imports_of_the_code(figure):
    drawn, house = figure.drawn_house(figure.PICTURE), figure.read_house()
    assert list(drawn.rooms) == list(house.rooms), "draw it again: python docs/architecture.py"
    assert drawn.arrows == house.arrows, "draw it again: python docs/architecture.py"
    assert drawn.rooms == pytest.approx(house.rooms, rel=0.2, abs=50), "python docs/architecture.py"


def test_every_room_has_a_place(figure):
    rooms = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert rooms - {"__init__"} == set(figure.order_of_rooms())


def test_every_folder_of_code_is_a_package():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_imports_go_down_only(figure):
    order = figure.order_of_rooms()
    for importer, imported in figure.read_house().arrows:
        assert order.index(importer) < order.index(imported), f"{importer} imports {imported}"


def test_arrows_left_out_follow_from_those_drawn(figure):
    arrows = figure.read_house().arrows
    drawn = figure.essential(arrows)
    assert len(drawn) < len(arrows)
    for importer, imported in arrows:
        assert imported in figure.below(importer, drawn)


def test_the_contracts_are_checked_by_make_lint():
    assert "lint-imports" in (ROOT / "Makefile").read_text()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    names = {contract["name"] for contract in settings["contracts"]}
    assert {"Methods never import training", "Nothing below imports the command line"} <= names


SOURCES = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
OTHER_CODE = ("labelmend.fit", "src/labelmend", "nn.Module", "pyproject.toml")


def defines(text, name):
    """Whether a file has a function, class or constant of this name, or a class with such a method."""
    *cls, last = name.split(".")
    found = re.search(rf"\b(?:def|class) {last}\b|^{last}\b.* = ", text, re.MULTILINE)
    return found is not None and all(re.search(rf"^class {each}\b", text, re.MULTILINE) for each in cls)


def test_the_page_names_files_and_functions_that_exist():
    names = [name for name in re.findall(r"`([^`]+)`", PAGE) if re.fullmatch(r"[\w./]+", name)]
    names = [name for name in names if name not in OTHER_CODE]
    files = {name for name in names if name.endswith(".py")}
    assert [name for name in files if PACKAGE / name not in SOURCES] == []
    functions = set(names) - files
    assert len(files) > 20 and len(functions) > 30
    assert [name for name in functions if not any(defines(text, name) for text in SOURCES.values())] == []


def test_functions_named_behind_a_file_are_in_it():
    pairs = re.findall(r"`([\w/]+\.py)`,\s+((?:`[\w.]+`(?:,\s+(?=`))?)+)", PAGE)
    assert len(pairs) > 20
    for path, names in pairs:
        for name in re.findall(r"`([\w.]+)`", names):
            assert name.endswith(".py") or defines(SOURCES[PACKAGE / path], name), f"{path} has no {name}"
