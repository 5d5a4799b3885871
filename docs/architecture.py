"""Draw the rooms of the house and what imports what, from the code itself.

    python docs/architecture.py            # writes docs/architecture.svg
    python docs/architecture.py --check    # fails if rooms or imports have changed since

The order of the rooms is that of the layers in pyproject.toml, which ``make lint`` checks. Rooms that do not
import one another stand side by side.
"""

from __future__ import annotations

import argparse
import ast
import html
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, PICTURE = ROOT / "src" / "labelmend", ROOT / "docs" / "architecture.svg"
LAYERS = "A room imports only from rooms below it"
BOX_WIDTH, BOX_HEIGHT, COLUMN, ROW = 1.5, 0.56, 2.2, 1.0

Arrow = tuple[str, str]


@dataclass(frozen=True)
class House:
    """The rooms and what imports what.

    Attributes:
        rooms: lines of code of each room, by name, from top to bottom.
        arrows: pairs (importing room, imported room), sorted.
    """

    rooms: dict[str, int]
    arrows: list[Arrow]

    def to_json(self) -> str:
        """The house on one line."""
        return json.dumps({"rooms": self.rooms, "arrows": self.arrows})

    @classmethod
    def from_json(cls, text: str) -> House:
        """The inverse of ``to_json``."""
        values = json.loads(text)
        return cls(values["rooms"], [(importer, imported) for importer, imported in values["arrows"]])


def order_of_rooms() -> list[str]:
    """Names of the rooms from top to bottom."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    return list(next(contract["layers"] for contract in contracts if contract["name"] == LAYERS))


def files_of(room: str) -> list[Path]:
    """Python files of a room, which is a folder or one file."""
    folder = PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def imported_rooms(tree: ast.AST) -> Iterator[str]:
    """Rooms that a file imports from; imports for annotations alone do not count."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            path = str(node.module).split(".")
            yield from [path[1]] if len(path) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from [name[1] for name in names if name[0] == PACKAGE.name and len(name) > 1]
        else:
            yield from imported_rooms(node)


def read_house() -> House:
    """The house as the code is now."""
    rooms, arrows = order_of_rooms(), set()
    lines = dict.fromkeys(rooms, 0)
    for room in rooms:
        for file in files_of(room):
            text = file.read_text(encoding="utf-8")
            lines[room] += text.count("\n")
            imported = set(imported_rooms(ast.parse(text)))
            arrows |= {(room, other) for other in imported & set(rooms) - {room}}
    return House(lines, sorted(arrows))


def bands(house: House) -> list[list[str]]:
    """Rooms from top to bottom, those side by side that do not import one another."""
    found: list[list[str]] = []
    for room in house.rooms:
        if found and not any((other, room) in house.arrows for other in found[-1]):
            found[-1].append(room)
        else:
            found.append([room])
    return found


def below(room: str, arrows: Sequence[Arrow]) -> set[str]:
    """Rooms that a room imports, by way of others or not."""
    direct = {imported for importer, imported in arrows if importer == room}
    return direct.union(*(below(each, arrows) for each in direct))


def essential(arrows: Sequence[Arrow]) -> list[Arrow]:
    """The arrows that no chain of others implies."""
    found = []
    for importer, imported in arrows:
        others = {other for start, other in arrows if start == importer and other != imported}
        if not any(imported in below(other, arrows) for other in others):
            found.append((importer, imported))
    return found


def places(house: House) -> dict[str, tuple[float, float]]:
    """Centre of each box: in its band, near the boxes that its arrows come from."""
    found: dict[str, tuple[float, float]] = {}
    arrows = essential(house.arrows)
    for number, band in enumerate(bands(house)):
        above = {
            room: [found[importer][0] for importer, imported in arrows if imported == room] for room in band
        }
        wanted = {room: sum(x) / len(x) if x else 0.0 for room, x in above.items()}
        for i, room in enumerate(sorted(band, key=lambda room: wanted[room])):
            # Wide bands lie between each other's columns, so that an arrow which skips one finds a gap.
            shift = COLUMN / 5 * (-1) ** number if len(band) > 2 else 0.0
            x = wanted[room] if len(band) == 1 else (i - (len(band) - 1) / 2) * COLUMN + shift
            found[room] = (x, -ROW * number)
    return found


def draw(house: House, picture: Path) -> None:
    """Write the figure as SVG, with the house as its description."""
    centres, rows = places(house), len(bands(house))
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "labelmend"})
    figure = Figure(figsize=(8.6, 0.8 * rows))
    FigureCanvasSVG(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set_xlim(-2.3 * COLUMN, 2.3 * COLUMN)
    axes.set_ylim(-ROW * rows + ROW / 2, ROW / 2)
    for importer, imported in essential(house.arrows):
        (x, y), (to_x, to_y) = centres[importer], centres[imported]
        axes.add_patch(
            FancyArrowPatch(
                (x, y - BOX_HEIGHT / 2),
                (to_x, to_y + BOX_HEIGHT / 2),
                arrowstyle="-|>",
                mutation_scale=9,
                color="0.45",
                linewidth=0.8,
                shrinkA=0,
                shrinkB=0,
                zorder=1,
            )
        )
    for room, (x, y) in centres.items():
        corner = (x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2)
        box = FancyBboxPatch(corner, BOX_WIDTH, BOX_HEIGHT, boxstyle="round,pad=0,rounding_size=0.08")
        box.set(facecolor="#eef3f8", edgecolor="#35577d", linewidth=1, zorder=2)
        axes.add_patch(box)
        axes.text(x, y + 0.09, room, ha="center", va="center", fontsize=10, zorder=3)
        axes.text(x, y - 0.15, f"{house.rooms[room]:,} lines", ha="center", va="center", fontsize=7, zorder=3)
    figure.savefig(
        picture, format="svg", metadata={"Date": None, "Description": house.to_json()}, facecolor="white"
    )


def drawn_house(picture: Path) -> House:
    """The house as it was when the figure was drawn."""
    found = re.search(
        r"<dc:description>(.*?)</dc:description>", picture.read_text(encoding="utf-8"), re.DOTALL
    )
    if found is None:
        raise ValueError(f"{picture} has no description; draw it with python docs/architecture.py")
    return House.from_json(html.unescape(found[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the figure is out of date")
    house = read_house()
    if not parser.parse_args().check:
        draw(house, PICTURE)
        return
    drawn = drawn_house(PICTURE)
    if (list(drawn.rooms), drawn.arrows) != (list(house.rooms), house.arrows):
        sys.exit(f"{PICTURE} is out of date; draw it with python docs/architecture.py")


if __name__ == "__main__":
    main()
