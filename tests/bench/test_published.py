import csv
from importlib import resources

import pytest

from labelmend.bench.published import SOURCES, Published, published
from labelmend.noise.spec import parse


def test_figures_are_those_of_the_paper_and_the_re_run():
    paper = published("paper", "cifar10", "cifar10n:worse", "Anchor hallucination")
    assert paper == Published(93.52, 0.49, "Table 3")
    assert str(paper) == "93.52 ± 0.49 (Table 3)"
    assert str(published("re-run", "cifar10", "cifar10n:worse", "DivideMix")) == "92.49 (300 epochs)"
    assert published("paper", "cifar10", "classifier:0.4:seed=0", "SEAL").accuracy == 82.98
    assert published("paper", "cifar10", "instance-shared:0.2:seed=3", "CAL").accuracy == 92.01
    assert published("paper", "cifar10", "classifier:0.4:recipe=full", "SEAL").accuracy == 82.98
    assert published("paper", "cifar100", "cifar100n", "PES").accuracy == 70.36


@pytest.mark.parametrize(
    "key",
    [
        ("paper", "digits", "cifar10n:worse", "CE"),
        ("paper", "cifar10", "cifar10n:worse", "Mend"),
        ("paper", "cifar10", "symmetric:0.4", "CE"),
        ("paper", "cifar10", None, "CE"),
        ("re-run", "cifar10", "classifier:0.4", "CE"),
    ],
)
def test_nothing_is_published_for_other_rows_data_and_noises(key):
    assert published(*key) is None


def test_every_line_has_a_source_a_noise_that_exists_and_an_accuracy():
    text = (resources.files("labelmend.bench") / "published.csv").read_text()
    lines = list(csv.DictReader(text.splitlines()))
    assert len(lines) == 145
    assert len({(line["source"], line["data"], line["noise"], line["row"]) for line in lines}) == 145
    for line in lines:
        parse(line["noise"])
        assert line["source"] in SOURCES
        assert 40 < float(line["accuracy"]) < 97
        assert line["scale"]
