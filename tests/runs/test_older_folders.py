"""Run folders as they were written when one method was two algorithms, and networks had no options."""

import json
import warnings

import numpy as np
import pytest

import labelmend
from labelmend.errors import LabelmendWarning

OLD_METHOD = """\
method:
  name: anchor_hallucination
  warmup: 0.4
  warmup_mixup: 1.0
  refresh: 4
  selection: balanced
  easy_percent: 60.0
  rank_by: {rank_by}
  gmm_threshold: 0.5
  correction: true
  hallucinator: closed_form
  lambda_p: 0.8
  anchors_per_sample: 4
  hallucinator_first_epochs: 5
  hallucinator_epochs: 1
  hallucinator_lr: 0.001
  lambda_conf: 0.5
  lambda_conf_mode: quantile
  centre_features: true
  surrounding: loose
  max_votes: 9
  min_votes: 3
  min_agreement: 0.8
  corrected_weight: share
  views: 1
  strong_views: true
  guesses: cached
  guess_momentum: 0.5
  teacher: network
  temperature: 1.0
  mixup_alpha: 0.2
  lambda_unlabelled: 1.0
  ramp: 0.05
  prior_penalty: 0.0
  unlabelled_loss: ce
  posterior: unlabelled
  unlabelled: proportional
network:
  network: fastnet
  widths: [8, 16]
  depth: 2
  activation: gelu
budget:
  epochs: 1
"""


@pytest.fixture
def run(noisy_digits, tmp_path):
    return labelmend.fit(noisy_digits, out=tmp_path / "run", epochs=1, widths=[8, 16], precision="float32")


def age(folder, rank_by="easiness"):
    """Rewrite a run folder as the older version would have written it."""
    path = folder / "model.json"
    description = json.loads(path.read_text())
    options = description.pop("options")
    for name in ("num_outputs", "members"):
        del description[name]
    path.write_text(json.dumps(description | options))
    (folder / "SHA256SUMS").unlink()
    (folder / "settings.yaml").write_text(OLD_METHOD.format(rank_by=rank_by))


def test_a_folder_of_the_older_version_loads_and_predicts(run, digits_test):
    images = digits_test.images.pixels[:50].numpy()
    expected = run.predict_proba(images)
    age(run.folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error", LabelmendWarning)
        loaded = labelmend.load_run(run.folder)
    assert np.array_equal(loaded.predict_proba(images), expected)
    method = loaded.settings.method
    assert method.name == "mend"
    # Settings that it did not have yet are as they were before, not as they are by default now.
    assert (method.neighbours, method.posterior, method.max_votes) == (0, "unlabelled", 9)
    assert loaded.verdicts.summary() == run.verdicts.summary()


def test_what_can_no_longer_be_set_is_said_once(run):
    age(run.folder, rank_by="loss")
    with pytest.warns(LabelmendWarning, match="rank_by .it was 'loss', and is now always 'easiness'"):
        labelmend.load_run(run.folder)
