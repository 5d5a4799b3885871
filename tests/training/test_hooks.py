"""Each hook of ``Method``, by a method written for the test and added from outside the package."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import labelmend
from labelmend.config import BudgetSettings, MethodSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import LabelmendWarning, SettingsError
from labelmend.methods import METHODS
from labelmend.methods.base import Method
from labelmend.methods.plan import OptimizerPlan, ParameterGroup, Schedule, Stage, Step, Update
from labelmend.models.ensemble import Ensemble
from labelmend.training import state
from labelmend.training.trainer import Trainer, train

EPOCHS = 4


@dataclass
class Named(MethodSettings):
    name: ClassVar[str] = "of_the_test"

    networks: int = 1
    """How many networks."""


class Plain(Method):
    """Cross-entropy, and a diary of what the loop told it."""

    Settings = Named

    def __init__(self, settings, task):
        super().__init__(settings, task)
        self.diary = []

    def loss(self, batch, progress):
        self.diary.append(("loss", progress, batch))
        labels = self.task.given_labels[batch.index]
        return sum(functional.cross_entropy(n(batch.view()).float(), labels) for n in self.task.networks)

    def end_epoch(self, progress):
        self.diary.append(("end_epoch", progress, None))

    def end_stage(self, progress):
        self.diary.append(("end_stage", progress, None))

    def told(self, name):
        return [progress for what, progress, _ in self.diary if what == name]


def settings(method_settings=None, epochs=EPOCHS, **training):
    training = {"batch_size": 50, "lr": 0.1, "precision": "float32", "ema_decay": 0.9, **training}
    return Settings(
        method_settings or Named(),
        network=NetworkSettings(widths=[8, 16]),
        budget=BudgetSettings(epochs=epochs),
        training=TrainingSettings(**training),
    )


@pytest.fixture
def trainer(monkeypatch, noisy_digits):
    def make(method, *args, folder=None, resume=False, **kwargs):
        monkeypatch.setitem(METHODS, "of_the_test", method)
        return Trainer(settings(*args, **kwargs), noisy_digits, None, folder, resume=resume)

    return make


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_progress_counts_epochs_steps_and_stages(trainer):
    class Staged(Plain):
        def stages(self):
            return Stage(0.25), Stage(0.75)

    run = trainer(Staged)
    run.run()
    seen = run.method.told("loss")
    steps = 600 // 50
    assert [p.epoch for p in seen] == [e for e in range(1, EPOCHS + 1) for _ in range(steps)]
    assert [p.step for p in seen] == list(range(steps)) * EPOCHS
    assert {p.steps for p in seen} == {steps}
    assert [p.stage for p in seen] == [0] * steps + [1] * 3 * steps
    assert [p.stage_epoch for p in seen[::steps]] == [1, 1, 2, 3]
    assert [p.stage_share for p in seen[::steps]] == pytest.approx([0, 0, 1 / 3, 2 / 3])
    assert [p.share for p in seen[::steps]] == pytest.approx([0, 0.25, 0.5, 0.75])
    assert [p.epoch for p in run.method.told("end_epoch")] == [1, 2, 3, 4]
    assert [(p.stage, p.epoch) for p in run.method.told("end_stage")] == [(0, 1), (1, 4)]


def test_a_stage_ends_within_an_epoch_where_its_share_does(trainer):
    class Staged(Plain):
        def stages(self):
            return Stage(0.375), Stage(0.625)

    run = trainer(Staged)
    run.run()
    steps = [p.stage for p in run.method.told("loss")]
    assert steps.count(0) == 18
    assert len(steps) == 48


@pytest.mark.parametrize("shares", [(0.5, 0.4), (1.0, 0.0), ()])
def test_shares_of_stages_must_add_up(trainer, shares):
    class Staged(Plain):
        def stages(self):
            return tuple(Stage(share) for share in shares)

    with pytest.raises(SettingsError, match="add up to 1"):
        trainer(Staged)


def test_a_fresh_stage_starts_with_new_networks_optimisers_and_averages(trainer):
    class Fresh(Plain):
        def stages(self):
            return Stage(0.5), Stage(0.5, fresh=True)

    run = trainer(Fresh)
    network, average = run.setup.networks[0], run.averages[0]
    first = weights(network)
    for _ in range(2):
        run.run_epoch()
    trained = weights(network)
    assert run.task.optimizers["networks"].state
    run.enter(1)
    drawn = weights(network)
    assert equal(weights(average.average), drawn)
    assert average.steps == 0
    assert not run.task.optimizers["networks"].state
    whitening = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert whitening
    for name in first:
        if name in whitening:
            assert torch.equal(drawn[name], first[name])
        elif name.endswith("running_mean"):
            assert not torch.equal(trained[name], first[name])
            assert torch.equal(drawn[name], first[name])
    name = "classifier.weight"
    assert not torch.equal(drawn[name], first[name])
    assert not torch.equal(drawn[name], trained[name])
    row = run.run_epoch()
    assert row["stage"] == 1


def test_the_average_of_a_network_that_rests_stays_as_it_is(trainer):
    class InTurn(Plain):
        """Trains the second network in all steps of an epoch but the first, which is of both."""

        @classmethod
        def num_networks(cls, settings):
            return 2

        def updates(self, batch, progress):
            labels = self.task.given_labels[batch.index]
            for network in self.task.networks[progress.step > 0 :]:
                yield Update(functional.cross_entropy(network(batch.view()).float(), labels))

    run = trainer(InTurn)
    run.run_epoch()
    first, second = run.averages
    assert (first.steps, second.steps) == (1, 12)
    assert not equal(weights(first.average), weights(first.network))
    assert run.averages[0].has_gradient is False
    assert run.averages[1].has_gradient is True


def test_redrawn_and_frozen_parts(trainer):
    class LastLayer(Plain):
        def stages(self):
            return Stage(0.5), Stage(0.25, redrawn=("classifier",), frozen=("extractor",)), Stage(0.25)

    run = trainer(LastLayer, lr_schedule="cosine", ema_decay=0.9)
    network, average = run.setup.networks[0], run.averages[0].average
    for _ in range(2):
        run.run_epoch()
    # What stays is that of the average.
    before = weights(average)
    assert not equal(before, weights(network))
    run.run_epoch()
    after = weights(network)
    for name in before:
        moved = not torch.equal(before[name], after[name])
        assert moved == name.startswith("classifier."), name
    assert run.stages.number == 1
    run.run_epoch()
    last = weights(network)
    assert any(not torch.equal(last[n], after[n]) for n in last if n.startswith("extractor"))
    assert any(not torch.equal(last[n], after[n]) for n in last if n.endswith("running_mean"))


def test_frozen_parts_cost_fewer_operations(trainer):
    class Frozen(Plain):
        def stages(self):
            return Stage(0.5), Stage(0.5, frozen=("extractor",))

    run = trainer(Frozen, epochs=2)
    rows = [run.run_epoch() for _ in range(2)]
    assert rows[1]["flops"] - rows[0]["flops"] < 0.5 * rows[0]["flops"]


class TwoOptimisers(Plain):
    """An extractor by SGD, a head by Adam with a rate that drops at milestones, in two groups."""

    def optimizers(self, stage):
        network = self.task.networks[0]
        groups = (
            ParameterGroup((network.classifier.weight,), weight_decay=0.25),
            ParameterGroup((network.classifier.bias,), lr=0.5),
        )
        steps = Schedule("step", milestones=(0.25, 0.5), drop=4)
        return {
            "extractor": OptimizerPlan.over(network.extractor, momentum=0.5),
            "head": OptimizerPlan(groups, kind="adam", lr=0.01, schedule=steps),
        }

    def before_step(self, progress):
        optimizers = self.task.optimizers
        self.diary.append(
            ("rates", {n: [g["lr"] for g in o.param_groups] for n, o in optimizers.items()}, None)
        )


def test_optimisers_of_its_own(trainer):
    run = trainer(TwoOptimisers, lr_schedule="linear", lr_warmup=0.0)
    run.run()
    head, extractor = run.task.optimizers["head"], run.task.optimizers["extractor"]
    assert isinstance(head, torch.optim.Adam)
    assert isinstance(extractor, torch.optim.SGD)
    assert extractor.param_groups[0]["momentum"] == 0.5
    decays = [group["weight_decay"] for group in head.param_groups if group["params"]]
    assert decays == [0.25, 0.0]
    rates = run.method.told("rates")[::12]
    assert [r["head"][0] for r in rates] == pytest.approx([0.01, 0.0025, 0.000625, 0.000625])
    assert [r["head"][-1] for r in rates] == pytest.approx([0.5, 0.125, 0.03125, 0.03125])
    assert [r["extractor"][0] for r in rates] == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_schedules_restart_with_a_stage_and_span_those_that_do_not(trainer):
    class Staged(TwoOptimisers):
        def stages(self):
            return Stage(0.25), Stage(0.25), Stage(0.5, restart=True)

        def optimizers(self, stage):
            return Plain.optimizers(self, stage)

    run = trainer(Staged, lr_schedule="linear", lr_warmup=0.0)
    run.run()
    rates = [r["networks"][0] for r in run.method.told("rates")[::12]]
    assert rates == pytest.approx([0.1, 0.05, 0.1, 0.05])


def test_an_optimiser_may_forget_its_momentum_each_epoch(trainer):
    class Forgetful(Plain):
        def optimizers(self, stage):
            plan = OptimizerPlan.over(*self.task.networks, renew_each_epoch=True)
            return {"networks": plan}

        def before_step(self, progress):
            self.diary.append(("state", len(self.task.optimizers["networks"].state), None))

    run = trainer(Forgetful, epochs=2)
    run.run()
    held = run.method.told("state")
    assert held[0] == held[12] == 0
    assert min(held[1:12]) > 0


def test_named_samplers_roles_and_several_updates_in_a_step(trainer):
    class Two(Plain):
        def start_epoch(self, progress):
            return [
                Step({"even": torch.arange(0, 8, 2), "odd": torch.arange(1, 13, 2)}, role="first"),
                Step({"even": torch.arange(2)}, role="second"),
            ]

        def optimizers(self, stage):
            network = self.task.networks[0]
            return {
                "extractor": OptimizerPlan.over(network.extractor),
                "head": OptimizerPlan.over(network.classifier),
            }

        def updates(self, batch, progress):
            network = self.task.networks[0]
            before = weights(network)
            yield Update(self.loss(batch.part("even"), progress), ("head",))
            between = weights(network)
            yield Update(self.loss(batch, progress), ("extractor",))
            after = weights(network)
            self.diary.append(("changes", (before, between, after), batch))

    run = trainer(Two, epochs=1, lr_warmup=0.0)
    run.run()
    steps = [entry for entry in run.method.diary if entry[0] == "changes"]
    assert [batch.role for _, _, batch in steps] == ["first", "second"]
    first = steps[0][2]
    assert first.index.tolist() == [0, 2, 4, 6, 1, 3, 5, 7, 9, 11]
    assert first.part("odd").index.tolist() == [1, 3, 5, 7, 9, 11]
    assert torch.equal(first.part("odd").pixels, first.pixels[4:])
    assert first.part("odd").role == "first"
    with pytest.raises(KeyError, match="no part 'third'"):
        first.part("third")
    parameters = {name for name, p in run.setup.networks[0].named_parameters() if p.requires_grad}
    for _, (before, between, after), _ in steps:
        for name in parameters:
            of_head = name.startswith("classifier")
            assert torch.equal(before[name], between[name]) == (not of_head)
            assert torch.equal(between[name], after[name]) == of_head


class Everything(Plain):
    """Two networks, an extra output, memory, an extra parameter: all that a file must carry."""

    @classmethod
    def num_networks(cls, settings):
        return settings.networks

    @classmethod
    def num_outputs(cls, num_classes):
        return num_classes + 2

    @classmethod
    def probabilities(cls, logits):
        return (logits[:, 2:] * 0.5).softmax(1)

    def __init__(self, settings, task):
        super().__init__(settings, task)
        self.register_buffer("memory", torch.zeros(len(task.given_labels), task.num_classes))
        self.scale = nn.Parameter(torch.ones(3))
        self.extra = nn.Linear(2, 2, bias=False)
        nn.init.ones_(self.extra.weight)

    def optimizers(self, stage):
        own = OptimizerPlan((ParameterGroup((self.scale, self.extra.weight), weight_decay=0.0),), lr=0.01)
        return {**super().optimizers(stage), "own": own}

    def loss(self, batch, progress):
        labels = self.task.given_labels[batch.index]
        logits = [network(batch.view()).float() for network in self.task.networks]
        self.memory[batch.index] = 0.9 * self.memory[batch.index] + self.probabilities(logits[0].detach())
        own = (self.scale**2).sum() + (self.extra.weight**2).sum()
        return sum(functional.cross_entropy(each[:, 2:], labels) for each in logits) + own

    def final_networks(self):
        return self.task.averages


def test_memory_parameters_and_an_ensemble_go_through_a_kill_and_a_file(
    monkeypatch, noisy_digits, digits_test, tmp_path
):
    monkeypatch.setitem(METHODS, "of_the_test", Everything)

    class Stop(Exception):
        pass

    class StopAfter(labelmend.training.listener.Silent):
        def on_epoch(self, row):
            if row["epoch"] == 2:
                raise Stop

    wanted = settings(Named(networks=2))
    whole = train(wanted, noisy_digits, digits_test)
    with pytest.raises(Stop):
        train(wanted, noisy_digits, digits_test, folder=tmp_path, listener=StopAfter())
    halfway = Trainer(wanted, noisy_digits, digits_test, tmp_path, resume=True)
    assert halfway.method.memory.any()
    assert (halfway.method.scale < 1).all()
    assert (halfway.method.extra.weight < 1).all()
    resumed = halfway.run()
    assert equal(weights(whole.network), weights(resumed.network))
    assert isinstance(whole.network, Ensemble)
    assert whole.record.probabilities.shape == (600, 10)

    run = labelmend.fit(
        noisy_digits,
        test=digits_test,
        out=tmp_path / "run",
        method="of_the_test",
        networks=2,
        epochs=2,
        widths=[8, 16],
        batch_size=50,
        precision="float32",
    )
    loaded = labelmend.load_run(tmp_path / "run")
    images = digits_test.images.gather(torch.arange(40)).numpy()
    found = loaded.predict_proba(images)
    assert np.array_equal(found, run.predict_proba(images))
    assert found.shape == (40, 10)
    accuracy = loaded.predict_proba(digits_test.images.pixels.numpy()).argmax(1) == digits_test.given_labels
    assert accuracy.mean() == pytest.approx(run.summary["test_accuracy_last"])
    assert loaded.description["members"] == 2
    members = loaded.network.networks
    inputs = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        assert torch.allclose(loaded.network(inputs), (members[0](inputs) + members[1](inputs)) / 2)
        assert members[0](inputs).shape == (3, 12)


def test_scoring_with_random_views_is_in_evaluation_mode_and_repeats(trainer):
    run = trainer(Plain)
    run.run_epoch()
    network = run.setup.networks[0]
    before, state = weights(network), run.generator.get_state()
    plain, drawn = run.score(network), run.score(network, views=2)
    assert equal(before, weights(network))
    assert network.training
    assert not torch.equal(plain.probabilities, drawn.probabilities)
    assert torch.allclose(drawn.probabilities.sum(1), torch.ones(600), atol=1e-5)
    run.generator.set_state(state)
    assert torch.equal(run.score(network, views=2).probabilities, drawn.probabilities)
    run.generator.set_state(state)
    halves = [run.score(network, views=1).probabilities for _ in range(2)]
    assert torch.allclose((halves[0] + halves[1]) / 2, drawn.probabilities)


def test_held_out_images_are_never_trained_on_and_choose_the_epoch(trainer, tmp_path):
    class Validated(Plain):
        def validation_loss(self, logits, given_labels):
            # The second epoch of four is best, by decree.
            epoch = len(self.told("end_epoch"))
            return torch.full((len(logits),), float(abs(epoch - 2)))

        def end_epoch(self, progress):
            super().end_epoch(progress)
            self.diary.append(("weights", weights(self.task.averages[0]), None))

    run = trainer(Validated, validation=0.1)
    trained = run.run()
    assert int(run.held_out.sum()) == 60
    seen = torch.cat([batch.index for what, _, batch in run.method.diary if what == "loss"])
    assert not run.held_out[seen].any()
    assert len(set(seen.tolist())) == 540
    assert equal(run.method.told("weights")[1], weights(trained.network))
    assert not equal(run.method.told("weights")[3], weights(trained.network))
    assert [row["validation_loss"] for row in trained.rows] == [1, 0, 1, 2]
    assert len(trained.record.easy) == 600


def test_an_epoch_before_a_method_is_at_work_is_not_chosen(trainer):
    class Late(Plain):
        def validation_loss(self, logits, given_labels):
            # The first epoch is best, and the third the best of those that count.
            losses = (0.0, 1.0, 2.0, 3.0)
            return torch.full((len(logits),), losses[len(self.told("end_epoch")) - 1])

        def may_be_best(self, progress):
            return progress.share > 0.6

        def end_epoch(self, progress):
            super().end_epoch(progress)
            self.diary.append(("weights", weights(self.task.averages[0]), None))

    run = trainer(Late, validation=0.1)
    trained = run.run()
    assert equal(run.method.told("weights")[2], weights(trained.network))
    assert [row["validation_loss"] for row in trained.rows] == [0, 1, 2, 3]


@pytest.mark.parametrize("last", [{"fresh": True}, {"restart": True}, {"redrawn": ("classifier",)}])
def test_each_stage_ends_with_the_best_of_its_own_epochs(trainer, last):
    class Staged(Plain):
        def stages(self):
            return Stage(0.5), Stage(0.5, **last)

        def validation_loss(self, logits, given_labels):
            # The first epoch has the smallest loss of the first stage and of all, the third of the second.
            losses = (1.0, 2.0, 3.0, 4.0)
            return torch.full((len(logits),), losses[len(self.told("end_epoch")) - 1])

        def end_epoch(self, progress):
            super().end_epoch(progress)
            self.diary.append(("weights", weights(self.task.averages[0]), None))

        def end_stage(self, progress):
            self.diary.append(("left", weights(self.task.averages[0]), None))

    run = trainer(Staged, validation=0.1)
    trained = run.run()
    first, second, third, fourth = run.method.told("weights")
    assert all(equal(left, best) for left, best in zip(run.method.told("left"), (first, third), strict=True))
    assert equal(third, weights(trained.network))
    assert not equal(first, second)
    assert not equal(third, fourth)


def test_what_the_end_of_an_epoch_costs_may_end_its_stage(trainer):
    """Or the run: no stage is left without being told so."""

    class Costly(Plain):
        def stages(self):
            return Stage(0.5), Stage(0.5)

        def end_epoch(self, progress):
            super().end_epoch(progress)
            self.task.meter.add(0.45 * run.settings.budget.flops)

    run = trainer(Costly)
    run.settings = replace(run.settings, budget=BudgetSettings(flops=4 * epoch_cost(trainer)))
    run.train()
    ends = run.method.told("end_stage")
    assert [(p.stage, p.epoch) for p in ends] == [(0, 1), (1, 2)]
    assert [p.share for p in ends] == [pytest.approx(0.7, abs=0.01), 1]


class Stopped(Exception):
    pass


@pytest.fixture
def asked_at(monkeypatch):
    """A signal in the middle of a step, and what its handler does: raise an error, or go on."""

    def ask(run, step, raises):
        def handler(number, frame):
            if raises:
                raise Stopped

        monkeypatch.setattr(signal, "getsignal", lambda number: handler)
        take, taken = run.train_step, []

        def watched(*arguments):
            taken.append(arguments)
            if len(taken) == step:
                os.kill(os.getpid(), signal.SIGTERM)
            return take(*arguments)

        run.train_step = watched
        return taken

    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    yield ask
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize("step", [1, 11, 12, 24])
def test_a_run_stopped_in_any_step_ends_its_epochs_and_stages_when_it_goes_on(
    trainer, tmp_path, asked_at, step
):
    class Told(Plain):
        def __init__(self, settings, task):
            super().__init__(settings, task)
            self.register_buffer("ends", torch.zeros(2))

        def end_epoch(self, progress):
            self.ends[0] += 1

        def end_stage(self, progress):
            self.ends[1] += 1

    whole = trainer(Told, epochs=2, validation=0.0).run()
    first = trainer(Told, epochs=2, folder=tmp_path)
    asked_at(first, step, raises=True)
    with pytest.raises(Stopped):
        first.run()
    again = trainer(Told, epochs=2, folder=tmp_path, resume=True)
    rows = again.run().rows
    assert again.method.ends.tolist() == [2, 1]
    assert [row["loss"] for row in rows] == [row["loss"] for row in whole.rows]


def test_a_handler_that_goes_on_leaves_the_epoch_whole(trainer, tmp_path, asked_at):
    run = trainer(Plain, epochs=2, folder=tmp_path)
    taken = asked_at(run, 3, raises=False)
    run.run()
    assert len(taken) == 24
    assert [p.epoch for p in run.method.told("end_epoch")] == [1, 2]


def test_layers_draw_by_the_seed_and_leave_the_global_generator_alone(trainer):
    class Dropping(Plain):
        def updates(self, batch, progress):
            self.diary.append(("drawn", torch.rand(2), None))
            yield from super().updates(batch, progress)

    drawn = []
    for seed in (7, 8):
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            run = trainer(Dropping, epochs=2)
            run.train()
            assert torch.equal(torch.get_rng_state(), before)
        drawn.append(torch.stack(run.method.told("drawn")))
    assert torch.equal(*drawn)
    # Two numbers in each of 24 steps.
    assert len(drawn[0].unique()) == 48


def test_a_later_stage_is_never_left_for_an_earlier_one(trainer):
    class Staged(Plain):
        def stages(self):
            return Stage(0.25), Stage(0.75)

    run = trainer(Staged)
    run.run_epoch()
    run.run_epoch()
    assert run.stages.number == 1
    # As where the seconds that judging takes were overestimated.
    run.spent.epochs = 0.5
    run.run_epoch()
    assert run.stages.number == 1


def test_with_held_out_images_every_network_is_that_of_the_best_epoch(trainer):
    class Two(Plain):
        @classmethod
        def num_networks(cls, settings):
            return 2

        def validation_loss(self, logits, given_labels):
            return torch.full((len(logits),), float(abs(len(self.told("end_epoch")) - 2)))

        def end_epoch(self, progress):
            super().end_epoch(progress)
            self.diary.append(("weights", weights(self.task.averages[1]), None))

    run = trainer(Two, validation=0.1)
    run.train()
    second = run.method.told("weights")[1]
    assert equal(second, weights(run.task.averages[1]))
    assert equal(second, weights(run.task.networks[1]))


def epoch_cost(trainer):
    run = trainer(Plain, epochs=1)
    run.train()
    return run.spent.flops


def test_held_out_images_make_fewer_steps_not_smaller_ones(trainer):
    run = trainer(Plain, epochs=1, validation=0.1)
    run.train()
    assert [len(batch.index) for what, _, batch in run.method.diary if what == "loss"] == [50] * 10 + [40]


def test_the_best_epoch_survives_a_stop(monkeypatch, noisy_digits, tmp_path):
    whole = train(settings(METHODS["ce"].Settings(), lr=1.0, validation=0.2), noisy_digits)
    first = Trainer(settings(METHODS["ce"].Settings(), lr=1.0, validation=0.2), noisy_digits, None, tmp_path)
    for _ in range(3):
        row = first.run_epoch()
        first.rows.append(row)
        labelmend.training.state.keep(first, row, tmp_path)
    again = train(
        settings(METHODS["ce"].Settings(), lr=1.0, validation=0.2), noisy_digits, folder=tmp_path, resume=True
    )
    assert equal(weights(whole.network), weights(again.network))


def test_without_held_out_images_the_last_epoch_is_final(trainer):
    run = trainer(Plain)
    trained = run.run()
    assert trained.network is run.averages[0].average
    assert not run.held_out.any()
    assert "validation_loss" not in trained.rows[-1]


def test_an_optimiser_of_the_methods_own_has_the_rate_of_where_the_run_is(trainer, tmp_path):
    """Before the first step of an epoch too, and where the run has just been taken up again."""

    class Own(Plain):
        def optimizers(self, stage):
            own = OptimizerPlan.over(self.task.networks[0].classifier, lr=1.0, every_step=False)
            return super().optimizers(stage) | {"own": own}

        def start_epoch(self, progress):
            self.diary.append(("rate", self.task.optimizers["own"].param_groups[0]["lr"], None))
            return super().start_epoch(progress)

    without_warmup = {"lr_warmup": 0.0}
    whole = trainer(Own, folder=tmp_path, **without_warmup)
    for _ in range(2):
        state.keep(whole, whole.run_epoch(), tmp_path)
    assert whole.method.told("rate") == pytest.approx([1.0, 0.75])
    resumed = trainer(Own, folder=tmp_path, resume=True, **without_warmup)
    resumed.run_epoch()
    assert resumed.method.told("rate") == pytest.approx([0.5])


def test_a_stage_that_the_budget_is_too_short_for_is_missed_aloud(trainer):
    class Short(Plain):
        def stages(self):
            return (Stage(1 - 1e-6), Stage(1e-6))

    with pytest.warns(LabelmendWarning, match="before 1 of the 2 stages of the method began"):
        summary = trainer(Short, epochs=1).run().summary
    assert (summary["stages"], summary["stages_begun"]) == (2, 1)


def test_stages_that_were_all_begun_are_counted(trainer, recwarn):
    class Halves(Plain):
        def stages(self):
            return (Stage(0.5), Stage(0.5))

    summary = trainer(Halves, epochs=1).run().summary
    assert (summary["stages"], summary["stages_begun"]) == (2, 2)
    assert not recwarn.list


@pytest.mark.parametrize("name", ["mend", "anchor_hallucination", "dividemix", "tscsi", "promix"])
def test_a_run_that_never_left_the_warm_up_says_so(name, noisy_digits):
    chosen = METHODS[name].Settings(warmup=0.5)
    with pytest.warns(LabelmendWarning, match="no samples were selected in training"):
        assert not train(settings(chosen, epochs=1), noisy_digits).summary["has_selected"]


@pytest.mark.parametrize("name", ["mend", "anchor_hallucination", "dividemix", "tscsi", "promix"])
def test_a_run_that_left_the_warm_up_has_selected(name, noisy_digits):
    assert train(settings(METHODS[name].Settings(warmup=0.5), epochs=2), noisy_digits).summary["has_selected"]
