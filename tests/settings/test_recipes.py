"""Golden values: what a recipe sets, once everything it leaves out has its default."""

from math import ceil
from types import SimpleNamespace

import pytest

from labelmend.methods import METHODS
from labelmend.settings.loading import DEFAULT_METHOD, DEFAULT_RECIPE, read_recipe, recipe_names, resolve
from labelmend.settings.saving import to_dict
from labelmend.training.course import Course

OF_LIBRARIES = {"pretrained": True, "frozen": False, "weights": None, "finetune": 0.0}
DATA = {
    "labels": None,
    "partial": False,
    "min_confidence": 0.9,
    "decisions": None,
    "noise": None,
    "test": None,
    "label_column": "label",
    "image_column": None,
    "image_root": None,
    "group_column": None,
    "skip_missing": False,
    "pixel_range": [],
    "split": None,
    "image_size": None,
    "root": None,
    "limit": None,
}

RECIPES = {
    "fast": {
        "method": {
            "name": "mend",
            "warmup": 0.4,
            "warmup_mixup": 1.0,
            "refresh": 4,
            "selection": "balanced",
            "easy_percent": 60.0,
            "correction": True,
            "hallucinator": "closed_form",
            "lambda_p": 0.8,
            "anchors_per_sample": 4,
            "max_votes": 9,
            "min_votes": 3,
            "min_agreement": 0.8,
            "neighbours": 50,
            "posterior": "auto",
            "strong_views": True,
            "temperature": 1.0,
            "mixup_alpha": 0.2,
        },
        "data": DATA,
        "network": {
            "network": "auto",
            "widths": [64, 256, 256],
            "depth": 2,
            "activation": "gelu",
            **OF_LIBRARIES,
        },
        "augmentation": {"crop": None, "padding": "reflect", "flip": None, "cutout": 0.3, "jitter": 0.5},
        "budget": {"epochs": 40.0, "flops": None, "minutes": None},
        "training": {
            "batch_size": None,
            "lr": None,
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 5e-4,
            "decay_all": False,
            "lr_warmup": 0.1,
            "lr_schedule": "linear",
            "lr_milestones": [0.5],
            "lr_drop": 10.0,
            "label_smoothing": 0.0,
            "ema_decay": 0.99,
            "precision": "auto",
            "memory_format": "auto",
            "device": "auto",
            "flip_average": True,
            "test_every": 1,
            "validation": 0.0,
        },
        "seed": 0,
    },
    "cifar10-paper": {
        "method": {
            "name": "anchor_hallucination",
            "warmup": 0.0333,
            "confidence_penalty": 0.0,
            "selection": "balanced",
            "easy_percent": 60.0,
            "correction": True,
            "hallucinator": "learned",
            "lambda_p": 0.6,
            "anchors_per_sample": 9,
            "hallucinator_first_steps": 1000,
            "hallucinator_steps": 100,
            "lambda_conf": 0.5,
            "surrounding": "strict",
            "max_votes": 5,
            "temperature": 0.5,
            "mixup_alpha": 4.0,
            "lambda_unlabelled": 5.0,
            "ramp": 0.0533,
            "prior_penalty": 1.0,
        },
        "data": DATA,
        # The widths are of fastnet, and a ResNet has none.
        "network": {
            "network": "resnet34",
            "widths": [64, 256, 256],
            "depth": 2,
            "activation": "relu",
            **OF_LIBRARIES,
        },
        "augmentation": {"crop": 4, "padding": "zero", "flip": True, "cutout": 0.0, "jitter": 0.0},
        "budget": {"epochs": 300.0, "flops": None, "minutes": None},
        "training": {
            "batch_size": 128,
            "lr": 0.02,
            "momentum": 0.9,
            "nesterov": False,
            "weight_decay": 5e-4,
            "decay_all": True,
            "lr_warmup": 0.0,
            "lr_schedule": "step",
            "lr_milestones": [0.5],
            "lr_drop": 10.0,
            "label_smoothing": 0.0,
            "ema_decay": 0.0,
            "precision": "auto",
            "memory_format": "auto",
            "device": "auto",
            "flip_average": False,
            "test_every": 1,
            "validation": 0.0,
        },
        "seed": 0,
    },
}


def changed(recipe, **sections):
    """A recipe with some values of its sections changed."""
    return {
        name: {**values, **sections.get(name, {})} for name, values in recipe.items() if name != "seed"
    } | {"seed": recipe["seed"]}


FAST = RECIPES["fast"]
RECIPES["photos"] = {
    **FAST,
    "method": {
        **FAST["method"],
        "easy_percent": 95.0,
        "min_votes": 7,
        "min_agreement": 1.0,
        "neighbours": 30,
        "strong_views": False,
        "mixup_alpha": 0.0,
        "warmup_mixup": 0.0,
    },
    "network": {**FAST["network"], "activation": "relu", "frozen": True},
    "augmentation": {**FAST["augmentation"], "cutout": 0.0, "jitter": 0.0},
    "training": {**FAST["training"], "lr": 1.0, "test_every": 10},
}
PAPER = RECIPES["cifar10-paper"]
RECIPES |= {
    "cifar10n-worse-paper": changed(PAPER, method={"easy_percent": 50.0}),
    "cifar10-instance-paper": changed(PAPER, method={"confidence_penalty": 1.0, "lambda_unlabelled": 25.0}),
    "cifar10-classifier-paper": changed(
        PAPER, method={"confidence_penalty": 1.0, "easy_percent": 40.0, "lambda_unlabelled": 25.0}
    ),
    "clothing1m-paper": changed(
        PAPER,
        method={
            "warmup": 0.0125,
            "confidence_penalty": 1.0,
            "selection": "gmm",
            "mixup_alpha": 0.5,
            "lambda_unlabelled": 0.0,
            "ramp": 0.2,
        },
        network={"network": "torchvision:resnet50.IMAGENET1K_V1"},
        augmentation={"crop": None, "padding": "reflect"},
        budget={"epochs": 5.0},
        training={"batch_size": 64, "lr": 0.002, "weight_decay": 0.001},
    ),
    "cifar100n-paper": changed(
        PAPER,
        method={"warmup": 0.1, "easy_percent": 50.0, "anchors_per_sample": 5, "lambda_unlabelled": 75.0},
    ),
    "paper-small": changed(
        PAPER,
        method={"warmup": 0.3, "ramp": 0.05},
        network={"network": "auto", "activation": "gelu"},
        augmentation={"crop": None, "flip": None},
        budget={"epochs": 60.0},
        training={"batch_size": None, "lr": 0.1, "flip_average": True},
    ),
}


def published(method, training, epochs=100, network="resnet34"):
    """The recipe of another method as published: views and arithmetic are those of the paper's recipes."""
    base = changed(PAPER, network={"network": network}, budget={"epochs": float(epochs)}, training=training)
    return base | {"method": method}


# The learning rate is divided after 40 and after 80 of 120 epochs.
THIRDS = {"lr_milestones": [0.3333, 0.6667]}
# Table 3 of the paper: 100 epochs, the learning rate is divided at 60.
CIFARN = {"lr": 0.1, "lr_milestones": [0.6]}

RECIPES |= {
    "label_smoothing-paper": published({"name": "label_smoothing", "smoothing": 0.4}, CIFARN),
    "negative_label_smoothing-paper": published(
        {"name": "negative_label_smoothing", "rate": -1.0, "warmup": 0.54545, "tuning_lr": 1e-6},
        {"lr": 0.1, "weight_decay": 1e-4, "nesterov": True, **THIRDS},
        epochs=220,
    ),
    "gce-paper": published({"name": "gce", "q": 0.7}, {"lr": 0.01, "weight_decay": 1e-4, **THIRDS}, 120),
    "sce-paper": published(
        {"name": "sce", "alpha": 0.1, "beta": 1.0, "log_zero": -9.21}, {"lr": 0.01, **THIRDS}, 120
    ),
    "forward-paper": published(
        {"name": "forward", "transition_file": None, "warmup": 0.5, "anchor_percentile": 97.0},
        {"lr": 0.1, "weight_decay": 1e-4, "validation": 0.1, **THIRDS},
        epochs=240,
    ),
    "co_teaching_plus-paper": published(
        {
            "name": "co_teaching_plus",
            "forget_rate": 0.2,
            "forget_ramp": 0.05,
            "warmup": 0.1,
            "double_softmax": False,
        },
        CIFARN,
    ),
    "cal-paper": published(
        {"name": "cal", "sieve_share": 0.5, "sieve_peer": 2.0, "threshold": -8.0}, CIFARN, epochs=200
    ),
    "seal-paper": published(
        {"name": "seal", "iterations": 3, "forget_momentum": False},
        {"lr": 0.1, "lr_milestones": [0.4, 0.8], "lr_drop": 5.0},
        epochs=600,
        network="wrn28_10",
    ),
    "pes-paper": published(
        {
            "name": "pes",
            "warmup": 0.06666,
            "head_share": 0.01667,
            "head_lr": 1e-4,
            "lambda_unlabelled": 5.0,
            "ramp": 0.0533,
        },
        {"lr_schedule": "cosine"},
        epochs=300,
    ),
    "tscsi-paper": published(
        {
            "name": "tscsi",
            "warmup": 0.1,
            "confidence_penalty": 0.0,
            "p_threshold": 0.4,
            "temperature": 0.5,
            "mixup_alpha": 4.0,
            "lambda_unlabelled": 25.0,
            "ramp": 0.0533,
            "prior_penalty": 1.0,
            "d_threshold": 0.0,
            "discrepancy_steps": 100,
            "discrepancy_weight": 0.1,
        },
        {},
        epochs=300,
    ),
    "jocor-paper": published(
        {"name": "jocor", "forget_rate": 0.2, "forget_ramp": 0.1, "agreement": 0.9}, CIFARN
    ),
}


RECIPES |= {
    "co_teaching-paper": published({"name": "co_teaching", "forget_rate": 0.2, "forget_ramp": 0.1}, CIFARN),
    "volminnet-paper": published({"name": "volminnet", "volume_weight": 1e-4, "transition_lr": 0.1}, CIFARN),
    "dac-paper": published(
        {"name": "dac", "learn": 0.1, "retrain": 0.5},
        {"lr": 0.1, "nesterov": True, "lr_milestones": [0.3, 0.6, 0.8], "lr_drop": 5.0},
        epochs=400,
        network="wrn28_10",
    ),
    "dividemix-paper": published(
        {
            "name": "dividemix",
            "warmup": 0.0333,
            "confidence_penalty": 0.0,
            "p_threshold": 0.5,
            "temperature": 0.5,
            "mixup_alpha": 4.0,
            "lambda_unlabelled": 25.0,
            "ramp": 0.0533,
            "prior_penalty": 1.0,
        },
        {"lr": 0.02},
        epochs=300,
        network="preact_resnet18",
    ),
    "elr-paper": published(
        {"name": "elr", "elr_weight": 3.0, "elr_memory": 0.7},
        {"lr": 0.02, "weight_decay": 1e-3, "lr_drop": 100.0, **THIRDS},
        epochs=120,
    ),
    "elr_plus-paper": published(
        {"name": "elr_plus", "elr_weight": 3.0, "elr_memory": 0.7, "mixup_alpha": 1.0},
        {"lr": 0.02, "lr_milestones": [0.75], "ema_decay": 0.997},
        epochs=200,
        network="preact_resnet18",
    ),
    "sop-paper": published({"name": "sop", "lr_u": 10.0, "lr_v": 1000.0}, {"lr": 0.02, **THIRDS}, epochs=120),
    "promix-paper": changed(
        published(
            {
                "name": "promix",
                "warmup": 0.0166,
                "confidence_penalty": 0.0,
                "base_percent": 50.0,
                "confidence": 0.99,
                "expand": 0.5833,
                "debias_loss": 0.8,
                "debias_guess": 0.8,
                "bias_memory": 0.9999,
                "ramp": 0.0833,
            },
            {"lr": 0.05, "batch_size": 256, "lr_schedule": "cosine"},
            epochs=600,
            network="resnet18",
        ),
        augmentation={"cutout": 0.5, "jitter": 0.5},
    ),
}


def test_every_recipe_is_here():
    assert set(recipe_names()) == RECIPES.keys()
    assert DEFAULT_RECIPE == "fast"
    assert RECIPES["fast"]["method"]["name"] == DEFAULT_METHOD


@pytest.mark.parametrize("recipe", RECIPES)
def test_golden_values(recipe):
    assert to_dict(resolve(recipe)) == RECIPES[recipe]


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_list_differences_from_defaults_only(recipe):
    plain = to_dict(resolve({"method": {"name": RECIPES[recipe]["method"]["name"]}}))
    for section, values in read_recipe(recipe).items():
        for name, value in values.items():
            if name != "name":
                assert value != plain[section][name], f"{section}.{name} is {value!r} by default"


# Epochs after which each later stage of a published course begins, and those of a warm-up that is no stage.
STAGES = {
    "forward-paper": [120],
    "cal-paper": [100],
    "dac-paper": [200],
    "seal-paper": [150, 300, 450],
    "pes-paper": [20, 25],
    "negative_label_smoothing-paper": [120],
}
WARMUPS = {
    "cifar10-paper": 10,
    "cifar10n-worse-paper": 10,
    "cifar10-instance-paper": 10,
    "cifar10-classifier-paper": 10,
    "cifar100n-paper": 30,
    "dividemix-paper": 10,
    "tscsi-paper": 30,
    "promix-paper": 10,
}


@pytest.mark.parametrize("recipe", STAGES)
def test_stages_of_published_courses_begin_with_an_epoch(recipe):
    """Not a few steps before or after its first, at the 50,000 images that they are for."""
    settings = resolve(recipe)
    course = Course(METHODS[settings.method.name].stages(SimpleNamespace(settings=settings.method)))
    steps = ceil(50_000 * (1 - settings.training.validation) / settings.training.batch_size)
    total = steps * settings.budget.epochs
    starts = [
        next(k for k in range(int(total)) if course.stage_at(k / total) == stage)
        for stage in range(len(course.stages))
    ]
    assert starts == [0, *(epoch * steps for epoch in STAGES[recipe])]


@pytest.mark.parametrize("recipe", WARMUPS)
def test_warm_ups_have_the_published_epochs(recipe):
    settings = resolve(recipe)
    epochs = int(settings.budget.epochs)
    assert sum(epoch / epochs < settings.method.warmup for epoch in range(epochs)) == WARMUPS[recipe]
