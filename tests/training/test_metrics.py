from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.settings.loading import read_recipe
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.metrics import (
    USUAL_EPOCHS,
    SelectionQuality,
    TestAccuracy,
    by_heart,
    cut_short,
    detection,
    detection_ap,
    selection_quality,
    summarise,
)
from labelmend.training.metrics import test_accuracies as accuracies_of
from labelmend.training.views import Normalisation
from labelmend.verdicts.record import SampleRecord

TRUE = np.array([0, 0, 1, 1, 2, 2])
GIVEN = np.array([0, 1, 1, 0, 2, 0])  # wrong at 1, 3, 5


def record_of(easy, corrected, quality, classes=3):
    return replace(
        SampleRecord.empty(len(easy), classes),
        easy=torch.tensor(easy),
        corrected=torch.tensor(corrected),
        label_quality=torch.tensor(quality),
    )


RECORD = record_of(
    [True, True, False, False, False, False], [-1, -1, 1, 1, -1, 1], [0.9, 0.1, 0.8, 0.2, 0.7, 0.6]
)


def test_by_hand():
    found = selection_quality(RECORD, GIVEN, TRUE)
    assert found["easy_purity"] == 0.5
    assert found["kept_accuracy"] == 1
    assert found["corrected_accuracy"] == 0.5
    assert found["detection_ap"] == 1


def test_undefined_shares_are_left_out():
    labels = np.array([0, 1])
    record = record_of([True, True], [-1, -1], [1.0, 1.0])
    assert selection_quality(record, labels, labels) == pytest.approx({"easy_purity": 1.0})


def test_average_precision_by_hand():
    record = record_of([False] * 4, [-1] * 4, [0.1, 0.2, 0.3, 0.4])
    # Wrong labels at the first and third place of the ranking.
    assert detection_ap(record, np.array([True, False, True, False])) == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(detection_ap(record, np.zeros(4, dtype=bool)))


def test_the_selection_of_a_method_is_asked_for_each_time():
    method = SimpleNamespace(selection=lambda: None)
    quality = SelectionQuality(GIVEN, TRUE)
    assert dict(quality(method, 1, False)) == {}
    method.selection = lambda: RECORD
    assert dict(quality(method, 2, False)) == selection_quality(RECORD, GIVEN, TRUE)


class Corner(nn.Module):
    """Says class 1 where its corner of an image is bright, else class 0."""

    feature_dim, num_outputs = 1, 2

    def __init__(self, row, column):
        super().__init__()
        self.row, self.column = row, column

    def features(self, images):
        return images[:, 0, self.row, self.column][:, None]

    def head(self, features):
        return torch.cat([-features, features], dim=1)

    def forward(self, images):
        return self.head(self.features(images))


def corners():
    """Four images, bright in one corner each; those bright at the top are of class 1."""
    pixels = torch.zeros(4, 2, 2, 1, dtype=torch.uint8)
    for image, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        pixels[image, row, column] = 200
    labels = np.array([1, 1, 0, 0])
    return ImageSet(MemoryImages(pixels), labels, ["low", "top"], list("abcd"), [""] * 4)


def accuracy_of(final, flip_average=False, every=1, epoch=1, last=False, probabilities=None):
    """With a network that is wrong about everything beside the final model."""
    worst = Corner(1, 1)
    method = SimpleNamespace(
        final_model=lambda: final,
        task=SimpleNamespace(networks=[worst], averages=[worst]),
        probabilities=probabilities or (lambda logits: logits.softmax(1)),
    )
    evaluator = TestAccuracy(
        corners(),
        Normalisation((100.0,), (100.0,)),
        Arithmetic(torch.device("cpu"), "float32", "contiguous"),
        flip_average,
        every,
    )
    return dict(evaluator(method, epoch, last))


def test_the_model_that_would_be_final_is_tested():
    assert accuracy_of(Corner(0, 0)) == {"test_accuracy": 0.75}
    assert accuracy_of(Corner(1, 1)) == {"test_accuracy": 0.25}


def test_mirror_images_count_where_they_are_averaged():
    class Sure(Corner):
        """Surer of a bright corner than of a dark one, so that the brighter of two corners decides."""

        def head(self, features):
            return torch.cat([-features, 3 * features.clamp(min=0) - 1e-3], dim=1)

    assert accuracy_of(Sure(0, 0)) == {"test_accuracy": 0.75}
    assert accuracy_of(Sure(0, 0), flip_average=True) == {"test_accuracy": 1.0}


def test_detection_by_hand():
    record = replace(
        record_of([False] * 5, [-1] * 5, [0.1, 0.2, 0.3, 0.4, 0.5]),
        neighbour_support=torch.tensor([0.1, 0.9, 0.3, 0.4, 0.5]),
    )
    wrong = np.array([True, False, True, False, False])
    assert detection(record, wrong, 0.6) == pytest.approx(
        {
            "detection_ap": (1 + 2 / 3) / 2,
            # Of six pairs of a wrong and a right label, one is in the wrong order.
            "detection_auroc": 5 / 6,
            "detection_precision": 2 / 3,
            "detection_recall": 1,
            "neighbour_ap": 1,
            "neighbour_auroc": 1,
        }
    )
    one = detection(record, wrong, 0.29)  # 1.45 samples, so one
    assert (one["detection_precision"], one["detection_recall"]) == (1, 0.5)
    none = detection(record, wrong, 0)
    assert "detection_precision" not in none
    assert none["detection_recall"] == 0
    assert detection(record, np.zeros(5, dtype=bool), 0.5) == {}
    assert detection(record, np.ones(5, dtype=bool), 0.5) == {}


def test_small_qualities_are_told_apart():
    quality = torch.logspace(-30, 0, 31)
    wrong = np.arange(31) < 10
    record = replace(SampleRecord.empty(31, 2), label_quality=quality, neighbour_support=quality)
    found = detection(record, wrong, 0.3)
    ranked = ("detection_ap", "detection_auroc", "neighbour_ap", "neighbour_auroc")
    assert [found[name] for name in ranked] == pytest.approx([1.0] * 4)


def test_probabilities_are_the_methods():
    swapped = accuracy_of(Corner(0, 0), probabilities=lambda logits: logits.softmax(1).flip(1))
    assert swapped == {"test_accuracy": 0.25}


@pytest.mark.parametrize(
    ("epoch", "last", "due"), [(1, False, False), (3, False, True), (4, True, True), (4, False, False)]
)
def test_accuracy_is_due_every_few_epochs_and_at_the_end(epoch, last, due):
    assert bool(accuracy_of(Corner(0, 0), every=3, epoch=epoch, last=last)) == due


def test_summary_by_hand():
    pixels = MemoryImages(torch.zeros(6, 2, 2, 1, dtype=torch.uint8))
    images = ImageSet(pixels, GIVEN, list("abc"), list("uvwxyz"), [""] * 6, true_labels=TRUE)
    accuracies = [0.95, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.7, 0.5]
    rows = [{"epoch": i, "test_accuracy": value} for i, value in enumerate(accuracies)]
    rows.insert(3, {"epoch": 99})
    summary = {**summarise(RECORD, images), **accuracies_of(rows)}
    assert summary["samples"] == 6
    assert summary["verdicts"] == {"easy": 2, "hard_clean": 1, "hard_corrected": 0, "uncertain": 3}
    assert summary["test_accuracy_last"] == 0.5
    assert summary["test_accuracy_mean_of_last_10"] == pytest.approx(0.56)
    assert summary["test_accuracy_best"] == 0.95
    assert summary["detection_ap"] == summary["detection_auroc"] == 1
    given = torch.from_numpy(GIVEN)
    sure = replace(RECORD, probabilities=torch.eye(3)[given], neighbour_label=given)
    found = summarise(sure, images)
    assert found["estimated_noise_rate"] < 1 / 12  # none of six samples
    assert found["detection_recall"] == 0
    assert detection(sure, GIVEN != TRUE, found["estimated_noise_rate"]).items() <= found.items()
    assert "detection_ap" not in summarise(RECORD, replace(images, true_labels=None))
    assert accuracies_of([{"epoch": 1}]) == {}


def test_a_run_that_came_to_every_part_of_its_method_was_not_cut_short():
    assert cut_short({"stages": 3, "stages_begun": 3, "has_selected": True}) is None
    assert cut_short({"epochs": 3}) is None  # of an older version


def test_what_a_budget_was_too_short_for_is_told():
    found = cut_short({"stages": 5, "stages_begun": 2, "has_selected": True})
    assert found is not None and "before 3 of the 5 stages" in found
    found = cut_short({"stages": 1, "stages_begun": 1, "has_selected": False})
    assert found is not None and "no samples were selected" in found and "--warmup" in found


MANY = {"learns_features": True, "epochs": 146.2, "samples": 4_999}


def test_many_epochs_of_few_images_are_told():
    found = by_heart(MANY)
    assert found is not None and found.startswith("146 epochs of 4,999 images: ") and "--epochs 40" in found


@pytest.mark.parametrize("change", [{"learns_features": False}, {"epochs": 100.0}, {"samples": 5_000}])
def test_no_more_epochs_than_usual_more_images_or_frozen_features_are_not(change):
    assert by_heart(MANY | change) is None
    assert by_heart({"epochs": 146.2, "samples": 4_999}) is None  # of an older version


def test_as_many_epochs_as_the_default_recipes_have_are_usual():
    assert [read_recipe(name)["budget"]["epochs"] for name in ("fast", "photos")] == [USUAL_EPOCHS] * 2
