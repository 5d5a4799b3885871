import json
import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.data.image_set import Images
from labelmend.errors import DataError, RunError
from labelmend.methods import METHODS, mend
from labelmend.training import state
from labelmend.training.trainer import Trainer, train

SMALL = NetworkSettings(widths=[8, 16])
FIXED = {"precision": "float32", "memory_format": "channels_last"}


def settings(method="mend", epochs=4.0, **changes):
    return Settings(
        METHODS[method].Settings(**changes.pop("method_settings", {})),
        network=SMALL,
        budget=changes.pop("budget", BudgetSettings(epochs=epochs)),
        training=TrainingSettings(batch_size=50, lr=0.1, **FIXED, **changes),
    )


class Killed(Exception):
    pass


class KillAfter:
    """Stops the process at a step of the given epoch, as a signal would."""

    def __init__(self, epoch):
        self.epoch, self.done = epoch, 0

    def on_start(self, info):
        self.info = info

    def on_step(self, share):
        if self.done >= self.epoch:
            raise Killed

    def on_epoch(self, row):
        self.done = row["epoch"]


def equal(first, second):
    pairs = zip(first.tensors().values(), second.tensors().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def without_clocks(rows):
    clocks = ("seconds", "preparation_seconds", "selection_seconds")
    return [{k: v for k, v in row.items() if k not in clocks} for row in rows]


FEW = {"hallucinator_first_steps": 20, "hallucinator_steps": 5}
LEARNED = {"hallucinator": "learned", "refresh": 3}


@pytest.mark.parametrize("killed_after", [1, 3])
@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("ce", {}),
        ("mixup", {}),
        ("anchor_hallucination", {"method_settings": FEW}),
        ("anchor_hallucination", {"method_settings": FEW, "ema_decay": 0.0}),
        ("mend", {"method_settings": LEARNED}),
    ],
)
def test_same_seed_same_verdicts_and_a_killed_run_resumes_to_them(
    method, changes, killed_after, noisy_digits, digits_test, tmp_path, monkeypatch
):
    monkeypatch.setattr(mend, "FIRST_STEPS", 20)
    monkeypatch.setattr(mend, "LATER_STEPS", 5)

    def run(**kwargs):
        return train(settings(method, **changes), noisy_digits, digits_test, **kwargs)

    whole = run()
    with pytest.raises(Killed):
        run(folder=tmp_path, listener=KillAfter(killed_after))
    resumed = run(folder=tmp_path, resume=True)
    assert equal(whole.record, resumed.record)
    assert without_clocks(whole.rows) == without_clocks(resumed.rows)
    weights = whole.network.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in resumed.network.state_dict().items())
    assert len((tmp_path / state.METRICS).read_text().splitlines()) == 4


def test_another_seed_gives_another_result(noisy_digits):
    first, second = settings("ce", epochs=1), settings("ce", epochs=1)
    second.seed = 1
    runs = [train(s, noisy_digits) for s in (first, second)]
    assert not torch.equal(runs[0].record.probabilities, runs[1].record.probabilities)


def test_the_global_generators_are_left_alone(noisy_digits):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train(settings(epochs=2.0), noisy_digits)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_a_flop_budget_is_kept(noisy_digits):
    budget = 2e9
    trained = train(settings("ce", budget=BudgetSettings(flops=budget)), noisy_digits)
    step = trained.rows[0]["flops"] / len(noisy_digits) * 50
    assert budget <= trained.rows[-1]["flops"] < budget + 2 * step
    assert trained.rows[-1]["share"] == 1


def test_a_budget_in_minutes_goes_on_where_it_was(noisy_digits, tmp_path):
    """What a run has used before it was stopped counts: with all of it used, no epoch follows."""
    wanted = settings("ce", budget=BudgetSettings(minutes=10))
    first = Trainer(wanted, noisy_digits, folder=tmp_path)
    row = first.run_epoch()
    first.rows.append(row)
    first.spent.seconds = 240.0
    state.keep(first, row, tmp_path)
    resumed = Trainer(wanted, noisy_digits, folder=tmp_path, resume=True)
    assert resumed.share == pytest.approx(0.4, abs=0.01)
    assert 240 < resumed.run_epoch()["seconds"] < 600
    first.spent.seconds = 600.0
    state.keep(first, row, tmp_path)
    assert len(train(wanted, noisy_digits, folder=tmp_path, resume=True).rows) == 1


def test_part_of_an_epoch_is_trained(noisy_digits):
    trained = train(settings("ce", epochs=1.5), noisy_digits)
    assert [row["epoch"] for row in trained.rows] == [1, 2]
    assert trained.summary["epochs"] == pytest.approx(1.5)


def test_metrics_say_what_is_known_only(noisy_digits, digits_test):
    row = train(settings("mixup", epochs=1), noisy_digits, digits_test).rows[0]
    assert "test_accuracy" in row
    unknown = replace(noisy_digits, true_labels=None)
    for method, changes in (("mend", {}), ("anchor_hallucination", FEW)):
        row = train(settings(method, epochs=2.0, method_settings=changes), unknown).rows[-1]
        assert "test_accuracy" not in row
        assert "easy_purity" not in row
        assert "easy" in row
        assert json.loads(json.dumps(row)) == row


def test_test_labels_change_nothing_that_is_learned(noisy_digits, digits_test):
    wrong = digits_test.with_labels((digits_test.given_labels + 1) % 10)
    runs = [train(settings(epochs=2.0), noisy_digits, test) for test in (None, digits_test, wrong)]
    assert equal(runs[0].record, runs[1].record)
    assert equal(runs[0].record, runs[2].record)


@dataclass(frozen=True)
class Decoded:
    """Images that have to be fetched ahead of time."""

    images: Images
    in_memory = False

    @property
    def shape(self):
        return self.images.shape

    def gather(self, index):
        return self.images.gather(index)


@pytest.mark.parametrize("method", ["ce", "mend"])
def test_images_decoded_ahead_train_like_images_in_memory(method, noisy_digits):
    streamed = replace(noisy_digits, images=Decoded(noisy_digits.images))
    whole, decoded = (train(settings(method, epochs=2), data) for data in (noisy_digits, streamed))
    assert equal(whole.record, decoded.record)


def test_divergence_is_noticed_at_once(noisy_digits):
    diverging = settings("ce", epochs=3)
    diverging.training.lr = 1e12
    diverging.training.weight_decay = 0.25
    words = r"training diverged; lower --lr \(it is 1e\+12\), or take back what was set: --weight-decay 0\.25"
    with pytest.raises(RunError, match=words):
        train(diverging, noisy_digits)


def test_one_class_cannot_be_told_apart(noisy_digits):
    one = replace(noisy_digits.with_labels(np.zeros(600, dtype=np.int64)), class_names=["zero"])
    with pytest.raises(DataError, match="only one class"):
        train(settings("ce"), replace(one, true_labels=None))


def test_a_finished_network_is_free_of_hooks(noisy_digits):
    network = train(settings("ce", epochs=1), noisy_digits).network
    assert len(pickle.loads(pickle.dumps(network)).state_dict()) == len(network.state_dict())


def probabilities_of(run, network, images):
    """Of a network in evaluation mode, straight from normalised pixels."""
    network.eval()
    with torch.no_grad():
        return network(run.setup.normalisation(images.gather(torch.arange(images.shape[0])))).softmax(1)


def test_the_final_model_is_the_average_and_makes_the_probabilities_of_the_record(noisy_digits, digits_test):
    """Which is what is tested after each epoch, not the raw network."""
    run = Trainer(settings("mend", ema_decay=0.95, test_every=1), noisy_digits, digits_test)
    trained = run.run()
    raw, average = run.setup.networks[0], run.averages[0].average
    assert trained.network is average
    assert not trained.network.training
    weights = average.state_dict()
    assert not torch.equal(weights["classifier.weight"], raw.state_dict()["classifier.weight"])
    found = probabilities_of(run, trained.network, noisy_digits.images)
    assert torch.allclose(found, trained.record.probabilities, atol=1e-5)
    assert not torch.allclose(
        probabilities_of(run, raw, noisy_digits.images), trained.record.probabilities, atol=1e-2
    )
    labels = torch.from_numpy(digits_test.given_labels)
    hits = {
        name: float((probabilities_of(run, network, digits_test.images).argmax(1) == labels).double().mean())
        for name, network in (("average", average), ("raw", raw))
    }
    assert hits["average"] != hits["raw"]
    assert trained.rows[-1]["test_accuracy"] == trained.summary["test_accuracy_last"] == hits["average"]


def test_without_an_average_the_network_itself_is_final(noisy_digits):
    run = Trainer(settings("ce", epochs=1, ema_decay=0.0), noisy_digits)
    assert run.run().network is run.setup.networks[0]


def test_gradients_do_not_add_up_from_step_to_step(noisy_digits):
    """One step of plain SGD moves each weight by rate times gradient of that step alone."""
    run = Trainer(settings("ce", momentum=0.0, weight_decay=0.0, lr_warmup=0.0, nesterov=False), noisy_digits)
    run.stages.train_mode()
    weight, moves = run.setup.networks[0].classifier.bias, []
    step = run.method.start_epoch(run.progress())[0]
    for _ in range(2):
        before = weight.detach().clone()
        run.train_step(step, noisy_digits.images.gather(step.index), run.progress())
        moves.append((before - weight.detach(), weight.grad.clone()))
    for moved, gradient in moves:
        assert torch.allclose(moved, 0.1 * gradient, atol=1e-6)
        # The gradient of a bias is a mean of p - q over the step, which is never large.
        assert float(gradient.abs().sum()) <= 2
    assert not torch.allclose(moves[1][1], moves[0][1] * 2, rtol=0.1)


def test_the_numbers_of_a_run_say_what_was_done(noisy_digits):
    run = Trainer(settings("co_teaching", epochs=1), noisy_digits)
    told = run.description
    assert (told["networks"], told["members"], told["images"]) == (2, 1, 600)
    assert (told["batch_size"], told["lr"]) == (50, 0.1)
    assert json.loads(json.dumps(told)) == told
    summary = run.run().summary
    assert sum(summary["verdicts"].values()) == summary["samples"] == 600
    assert summary["epochs"] == 1
    assert summary["flops"] > 0


def test_nothing_to_resume(noisy_digits, tmp_path):
    with pytest.raises(RunError, match=f"{state.CHECKPOINT} does not exist"):
        train(settings(), noisy_digits, folder=tmp_path, resume=True)
    with pytest.raises(RunError, match="only be resumed from its folder"):
        train(settings(), noisy_digits, resume=True)


@pytest.mark.parametrize("method", ["jocor", "co_teaching_plus", "co_teaching", "dividemix", "mend"])
def test_the_neighbours_that_are_asked_are_those_of_the_finished_model(method, noisy_digits, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "labelmend.training.trainer.confirm",
        lambda record, features, *known: asked.append((features, known[-1])) or record,
    )
    groups = [str(number // 2) for number in range(len(noisy_digits))]
    trainer = Trainer(settings(method, epochs=2), replace(noisy_digits, groups=groups))
    trainer.run()
    ((features, together),) = asked
    assert together is trainer.task.together is not None
    assert torch.equal(features.cpu(), trainer.score(trainer.method.final_model()).features)
    others = [trainer.score(average.average).features for average in trainer.averages[1:]]
    assert not any(torch.equal(features.cpu(), other) for other in others)
