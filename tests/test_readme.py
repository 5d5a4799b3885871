import re
import shlex
from pathlib import Path

import pytest

from labelmend.cli import apply, bench, data, decide, doctor, export, noise, revert
from labelmend.cli.fit import parse_fit
from labelmend.cli.main import COMMANDS
from labelmend.cli.parsing import hyphenate, parse, parser_for
from labelmend.cli.predict import predict
from labelmend.cli.report import report
from labelmend.cli.resume import resume
from labelmend.cli.review import review
from labelmend.cli.show import show
from labelmend.methods import METHODS
from labelmend.noise.spec import parse as parse_noise
from labelmend.settings.loading import DEFAULT_METHOD, DEFAULT_RECIPE, method_of, read_recipe, recipe_names

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
FUNCTIONS = {
    "show": show,
    "apply": apply.apply,
    "decide": decide.decide,
    "export": export.export,
    "revert": revert.revert,
    "predict": predict,
    "report": report,
    "resume": resume,
    "review": review,
    "noise": noise.noise,
    "data": data.data,
    "bench": bench.bench,
    "doctor": doctor.doctor,
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line[2:], comments=True) for line in lines]


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_examples_run(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python")[number], f"README.md, example {number + 1}", "exec"), {})


@pytest.mark.parametrize("command", [c for c in commands() if c[0] == "labelmend"], ids=" ".join)
def test_commands_parse(command):
    name, *argv = command[1:]
    if name in ("fit", "detect"):
        found = parse_fit(argv)
        if "noise" in found.overrides:
            parse_noise(found.overrides["noise"])
    else:
        parse(parser_for(FUNCTIONS[name], name), name, hyphenate(argv))


def test_the_first_two_commands_are_make_targets():
    first = commands()[:2]
    assert first == [["make", "demo"], ["make", "test"]]
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}: " in makefile for _, target in first)


def test_the_demo_of_the_makefile_parses():
    line = re.search(r"labelmend fit (.*)", (ROOT / "Makefile").read_text())
    found = parse_fit(shlex.split(line[1].replace("$(DEMO)", "runs/demo")))
    assert (found.data, found.out, found.overwrite) == ("digits", "runs/demo", True)
    assert parse_noise(found.overrides["noise"]).rate == 0.4


def test_all_commands_are_shown():
    assert {c[1] for c in commands() if c[0] == "labelmend"} == set(COMMANDS)


def test_all_methods_are_in_the_table_the_default_first():
    section = TEXT.split("## Methods and recipes")[1]
    names = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(names) == sorted(METHODS)
    assert names[0] == DEFAULT_METHOD == method_of(read_recipe(DEFAULT_RECIPE))
    assert f"`--recipe {DEFAULT_RECIPE}`" in section
    assert "(docs/METHODS.md)" in section
    named = section + (ROOT / "docs" / "METHODS.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in named for name in recipe_names())


def test_links_lead_to_files():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    prose = {page: re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S) for page in pages}
    found = {page: re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text) for page, text in prose.items()}
    links = [(page, link) for page, of_page in found.items() for link in of_page]
    assert len(links) > 10
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []
