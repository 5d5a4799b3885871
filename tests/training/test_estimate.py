import pytest

from labelmend.config import BudgetSettings
from labelmend.settings.loading import resolve
from labelmend.training.estimate import seconds_left
from labelmend.training.flops import flops_per_image
from labelmend.training.listener import Silent
from labelmend.training.trainer import Trainer


@pytest.mark.parametrize(
    ("budget", "seconds"),
    [
        # 2 networks on 100 images 10 times, 50 a second.
        (BudgetSettings(epochs=10), 40.0),
        # 2,000 operations, 4 an image: 500 images.
        (BudgetSettings(flops=2000), 10.0),
        (BudgetSettings(minutes=3), 180.0),
    ],
)
def test_what_is_left_of_each_budget(budget, seconds):
    known = {"images": 100, "networks": 2, "speed": 50.0, "flops_per_image": 4.0}
    assert seconds_left(budget, 0.0, **known) == pytest.approx(seconds)
    assert seconds_left(budget, 0.75, **known) == pytest.approx(seconds / 4)


class Started(Silent):
    def on_start(self, info):
        self.info = info


def test_a_run_says_it_before_it_begins(noisy_digits):
    listener = Started()
    settings = resolve("fast", overrides={"flops": 1e8, "widths": [8, 8], "precision": "float32"})
    trainer = Trainer(settings, noisy_digits, listener=listener)
    (network,) = trainer.setup.networks
    _, both = flops_per_image(network, trainer.setup.sample.shape[1:])
    # The average of its weights is watched after it, and costs a forward pass alone.
    assert trainer.averages[0].average is not network
    assert trainer.seconds_left() == pytest.approx(1e8 / both / trainer.setup.speed)
    trainer.run()
    assert listener.info["estimated_seconds"] == pytest.approx(1e8 / both / trainer.setup.speed)
