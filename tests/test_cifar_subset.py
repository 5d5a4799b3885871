"""The whole product on real images with real label noise, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import labelmend

DATA = Path(os.environ.get("LABELMEND_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.mark.skipif(
    not (DATA / "cifar10n").is_dir(), reason=f"no CIFAR-10 and CIFAR-10N in {DATA} (or $LABELMEND_DATA)"
)
def test_fit_on_a_part_of_cifar10_with_human_noise(tmp_path):
    run = labelmend.fit(
        "cifar10",
        root=str(DATA),
        noise="cifar10n:worse",
        limit=600,
        epochs=6,
        test_every=6,
        widths=[16, 32],
        out=tmp_path / "run",
    )
    assert run.summary["samples"] == 600
    # 40.2 % of all 50,000 are wrong; of the 600 that are trained on, these
    table = labelmend.load_run(tmp_path / "run").verdicts.table
    wrong = (table["given_label"] != table["true_label"]).mean()
    assert run.summary["realised_noise_rate"] == pytest.approx(wrong)
    assert wrong == pytest.approx(260 / 600)
    assert run.summary["test_accuracy_last"] > 0.15
    assert len(table) == 600
    assert (table["verdict"] == "easy").sum() >= 30
