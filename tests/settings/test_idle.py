"""Each claim that a setting does nothing is tried: with another value a run ends with the same weights."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import labelmend
from labelmend.config import BudgetSettings, NetworkSettings
from labelmend.errors import LabelmendWarning
from labelmend.settings.idle import IDLENESS, idle_lines
from labelmend.settings.loading import resolve
from labelmend.training.trainer import train

IDENTITY = str(Path(__file__).with_name("identity.csv"))
"""A transition matrix of ten classes."""

# A method, what makes settings idle, and two values of each.
TRIED = [
    (
        "ce",
        {},
        {"lr_milestones": ([0.3], [0.6]), "lr_drop": (2.0, 10.0), "cutout": (0.0, 0.5), "jitter": (0.0, 0.9)},
    ),
    ("mixup", {"strong_views": False}, {"cutout": (0.0, 0.5), "jitter": (0.0, 0.9)}),
    (
        "mend",
        {"correction": False},
        {
            "lambda_p": (0.6, 0.9),
            "anchors_per_sample": (2, 8),
            "max_votes": (1, 9),
            "min_votes": (1, 4),
            "min_agreement": (0.0, 1.0),
        },
    ),
    (
        "anchor_hallucination",
        {"correction": False},
        {
            "hallucinator_first_steps": (1, 20),
            "hallucinator_steps": (1, 20),
            "lambda_conf": (0.1, 0.9),
            "surrounding": ("strict", "loose"),
        },
    ),
    (
        "anchor_hallucination",
        {"hallucinator": "closed_form"},
        {"hallucinator_first_steps": (1, 20), "hallucinator_steps": (1, 20)},
    ),
    ("mend", {"selection": "gmm"}, {"easy_percent": (20.0, 90.0)}),
    ("dividemix", {"lambda_unlabelled": 0}, {"ramp": (0.0, 0.5)}),
    ("mend", {"warmup": 0}, {"warmup_mixup": (0.0, 4.0)}),
    ("dividemix", {"warmup": 0}, {"confidence_penalty": (0.0, 2.0)}),
    ("negative_label_smoothing", {"warmup": 0}, {"tuning_lr": (0.001, 0.5)}),
    ("ce", {"crop": 0}, {"padding": ("zero", "reflect")}),
    ("seal", {"momentum": 0}, {"nesterov": (False, True), "forget_momentum": (False, True)}),
    ("ce", {"test": "none"}, {"test_every": (1, 3)}),
    ("ce", {"flip": False}, {"flip_average": (False, True)}),
    ("ce", {"labels": None}, {"partial": (False, True), "min_confidence": (0.2, 0.9)}),
    (
        "mend",
        {"warmup": 1},
        {
            "strong_views": (False, True),
            "mixup_alpha": (0.1, 4.0),
            "temperature": (0.5, 1.0),
            "refresh": (1, 3),
            "cutout": (0.0, 0.9),
        },
    ),
    ("mixup", {"warmup": 1}, {"alpha": (0.1, 3.0), "strong_views": (False, True), "jitter": (0.0, 0.9)}),
    (
        "dividemix",
        {"warmup": 1},
        {"temperature": (0.5, 1.0), "lambda_unlabelled": (1.0, 25.0), "prior_penalty": (0.0, 1.0)},
    ),
    ("promix", {"warmup": 1}, {"ramp": (0.0, 0.9), "cutout": (0.0, 0.9)}),
    (
        "promix",
        {"warmup": 1},
        {
            "expand": (0.1, 0.5),
            "debias_loss": (0.1, 0.8),
            "debias_guess": (0.1, 0.8),
            "bias_memory": (0.5, 0.99),
        },
    ),
    (
        "tscsi",
        {"warmup": 1},
        {"d_threshold": (0.3, 0.6), "discrepancy_steps": (1, 7), "discrepancy_weight": (0.2, 0.7)},
    ),
    ("anchor_hallucination", {"warmup": 1}, {"ramp": (0.0, 0.9), "prior_penalty": (0.0, 1.0)}),
    ("co_teaching_plus", {"warmup": 1}, {"double_softmax": (False, True)}),
    ("dividemix", {"p_threshold": 0}, {"lambda_unlabelled": (1.0, 25.0), "ramp": (0.0, 0.9)}),
    ("co_teaching", {"forget_rate": 0}, {"forget_ramp": (0.0, 0.7)}),
    ("tscsi", {"discrepancy_weight": 0}, {"discrepancy_steps": (1, 3)}),
    ("sce", {"beta": 0}, {"log_zero": (-9.0, -3.0)}),
    ("forward", {"transition_file": IDENTITY}, {"warmup": (0.2, 0.9), "anchor_percentile": (5.0, 97.0)}),
]


def weights(method, values, data):
    settings = replace(
        resolve("fast", method, values),
        network=NetworkSettings(widths=[8, 16]),
        budget=BudgetSettings(epochs=3),
    )
    training = replace(settings.training, batch_size=50, precision="float32", memory_format="channels_last")
    return train(replace(settings, training=training), data).network.state_dict()


@pytest.mark.parametrize(("method", "because", "values"), TRIED)
def test_what_has_no_effect_has_none_and_is_said(method, because, values, noisy_digits):
    ends = []
    for i in (0, 1):
        given = {**because, **{name: pair[i] for name, pair in values.items()}}
        ends.append(weights(method, given, noisy_digits))
        said = [
            line.split(" has no effect: ")[0] for line in idle_lines(resolve("fast", method, given), given)
        ]
        assert said == ["--" + name.replace("_", "-") for name in values]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_every_rule_is_tried_but_those_of_features_and_of_drawing_a_hallucinator():
    tried = {name for _, _, values in TRIED for name in values}
    claimed = {name for rule in IDLENESS for name in rule.names}
    assert claimed - tried == {"crop", "hallucinator", "flip", "memory_format"}


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("ce", {"lr_schedule": "step", "lr_milestones": [0.3], "crop": 1, "padding": "zero"}),
        ("mend", {"cutout": 0.2, "lambda_p": 0.7, "easy_percent": 50, "warmup_mixup": 0.5}),
        ("promix", {"jitter": 0.2, "ramp": 0.2}),
        ("anchor_hallucination", {"hallucinator_steps": 10, "lambda_conf": 0.2, "ramp": 0.1}),
    ],
)
def test_of_what_counts_nothing_is_said(method, values):
    assert idle_lines(resolve("fast", method, values), values) == []


def test_features_of_a_frozen_network_have_no_views_and_its_further_training_has_weak_ones():
    given = {"frozen": True, "crop": 2, "training.lr_drop": 5.0, "cutout": 0.1, "strong_views": True}
    given |= {"flip": True, "flip_average": False, "memory_format": "contiguous"}

    def said():
        return [line.split()[0] for line in idle_lines(resolve("photos", "mend", given), given)]

    assert said() == ["--crop", "--lr-drop", "--cutout", "--flip", "--flip-average", "--memory-format"]
    given["finetune"] = 0.5
    assert said() == ["--lr-drop", "--cutout", "--flip-average"]


def test_fit_says_it_in_one_line():
    with pytest.warns(LabelmendWarning, match=r"^--cutout has no effect: this run learns no strong views$"):
        labelmend.fit("digits", method="ce", cutout=0.5, limit=60, epochs=0.5, widths=[8])
