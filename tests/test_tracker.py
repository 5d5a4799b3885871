"""Verdicts from loops of one's own: plain PyTorch, Lightning, Hugging Face."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from labelmend import LabelTracker
from labelmend.errors import DataError, LabelmendWarning, SettingsError

CLASSES = list("0123456789")
EPOCHS = 10


@pytest.fixture(scope="module")
def digits():
    """Pixels (N, 64), given labels of which 30 % are wrong, and true labels."""
    found = load_digits()
    rng = np.random.default_rng(0)
    true = found.target[:900]
    wrong = rng.random(900) < 0.3
    given = np.where(wrong, (true + rng.integers(1, 10, 900)) % 10, true)
    return torch.tensor(found.data[:900] / 16, dtype=torch.float32), torch.tensor(given), true


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU())
        self.head = nn.Linear(48, 10)

    def forward(self, pixels):
        return self.head(self.body(pixels))


class Numbered(Dataset):
    """Items that say which samples they are."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return {"pixels": self.images[row], "labels": self.labels[row], "ids": row}


def check(tracker, net, images, true):
    """Suggestions are right, and wrong labels have the lowest quality."""
    net.eval()
    with torch.no_grad():
        verdicts = tracker.verdicts(net.body(images))
    table = verdicts.table
    given = table["given_label"].astype(int).to_numpy()
    moved = (table["suggested_label"] != table["given_label"]).to_numpy()
    assert moved.sum() > 100
    assert (table["suggested_label"].astype(int).to_numpy() == true)[moved].mean() > 0.97
    assert (given != true)[table["label_quality"].to_numpy().argsort()[:150]].mean() > 0.97
    assert table["votes"][moved].min() >= 3
    return verdicts


@pytest.fixture(scope="module")
def plain(digits):
    """A plain PyTorch loop with a tracker, and the network it trained."""
    images, given, _ = digits
    net, tracker = Net(), LabelTracker(given, CLASSES)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        for ids in torch.randperm(900, generator=generator).split(50):
            logits = net(images[ids])
            loss = functional.cross_entropy(logits, given[ids])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            tracker.update(logits, given[ids], ids)
    return tracker, net


def test_a_plain_loop(plain, digits):
    tracker, net = plain
    verdicts = check(tracker, net, digits[0], digits[2])
    assert verdicts.summary()["verdicts"]["hard_clean"] > 0


def test_without_features_nothing_is_suggested_but_quality_ranks(plain, digits):
    table = plain[0].verdicts().table
    wrong = digits[1].numpy() != digits[2]
    assert set(table["verdict"]) == {"easy", "uncertain"}
    assert (table["suggested_label"] == table["given_label"]).all()
    assert wrong[table["label_quality"].to_numpy().argsort()[:150]].mean() > 0.97


def test_the_same_loop_gives_the_same_verdicts(plain, digits):
    tracker, net = plain
    features = net.body(digits[0]).detach()
    assert tracker.verdicts(features).table.equals(tracker.verdicts(features.numpy()).table)


def test_a_lightning_callback(digits):
    lightning = pytest.importorskip("lightning", reason="pip install lightning")
    images, given, true = digits

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def training_step(self, batch, number):
            logits = self.net(batch["pixels"])
            return {"loss": functional.cross_entropy(logits, batch["labels"]), "logits": logits.detach()}

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)

    class Tracking(lightning.Callback):
        def __init__(self, tracker):
            self.tracker = tracker

        def on_train_batch_end(self, trainer, module, outputs, batch, number):
            self.tracker.update(outputs["logits"], batch["labels"], batch["ids"])

    tracker, module = LabelTracker(given, CLASSES), Module()
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Tracking(tracker)],
    )
    torch.manual_seed(0)
    trainer.fit(module, DataLoader(Numbered(images, given), 50, shuffle=True))
    check(tracker, module.net, images, true)


def test_a_hugging_face_callback(digits, tmp_path):
    transformers = pytest.importorskip("transformers", reason="pip install transformers accelerate")
    pytest.importorskip("accelerate", reason="pip install accelerate")
    from transformers.modeling_outputs import SequenceClassifierOutput

    images, given, true = digits

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def forward(self, pixels, labels=None, ids=None):
            logits = self.net(pixels)
            return SequenceClassifierOutput(loss=functional.cross_entropy(logits, labels), logits=logits)

    class Tracking(transformers.TrainerCallback):
        def __init__(self, tracker):
            self.tracker = tracker

        def on_train_begin(self, args, state, control, model=None, **kwargs):
            self.handle = model.register_forward_hook(self.look, with_kwargs=True)

        def on_train_end(self, args, state, control, **kwargs):
            self.handle.remove()

        def look(self, model, inputs, named, output):
            if model.training:
                self.tracker.update(output.logits, named["labels"], named["ids"])

    tracker, model = LabelTracker(given, CLASSES), Model()
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=50,
        learning_rate=0.01,
        use_cpu=True,
        remove_unused_columns=False,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    transformers.Trainer(
        model, arguments, train_dataset=Numbered(images, given), callbacks=[Tracking(tracker)]
    ).train()
    check(tracker, model.net, images, true)


def small(**options):
    return LabelTracker(["cat", "dog", "cat"], ["cat", "dog"], **options)


SURE = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])


def test_means_over_the_epochs_are_by_hand():
    tracker = small(ids=["x", "y", "z"], paths=["x.png", "y.png", "z.png"])
    tracker.update(SURE, ["cat", "dog", "cat"], ["x", "y", "z"])
    tracker.update(-SURE[:1], [0], ["x"])
    table = tracker.verdicts().table
    of_class = 1 / (1 + np.exp(-2.0))
    assert table["label_quality"].tolist() == pytest.approx([0.5, of_class, of_class], abs=1e-6)
    assert (table["id"].tolist(), table["path"].tolist()) == (["x", "y", "z"], ["x.png", "y.png", "z.png"])


@pytest.mark.parametrize("ids", [[0, 1, 2], np.arange(3), torch.arange(3), ["0", "1", "2"]])
def test_ids_may_be_numbers_of_any_kind(ids):
    tracker = small()
    tracker.update(SURE.numpy(), np.array([0, 1, 0]), ids)
    assert tracker.verdicts().table["predicted_label"].tolist() == ["cat", "dog", "cat"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SURE, [0, 1, 0], [0, 1, 3]), "no sample '3' among the 3 ids"),
        ((SURE, [0, 0, 0], [0, 1, 2]), "sample 1 has the label 'cat' in this batch, but 'dog'"),
        ((SURE[:2], [0, 1, 0], [0, 1, 2]), r"logits have shape \(2, 2\)"),
        ((SURE, [0, 1], [0, 1, 2]), "3 ids, but 2 labels"),
        ((SURE * float("nan"), [0, 1, 0], [0, 1, 2]), "not all finite"),
        ((SURE, [0, 1, 2], [0, 1, 2]), "label 2 is 2, which is no class"),
        ((SURE, [0, 1, "owl"], [0, 1, 2]), "label 2 is 'owl', which is no class"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_and_changes_nothing(arguments, message):
    tracker = small()
    with pytest.raises(DataError, match=message):
        tracker.update(*arguments)
    with pytest.raises(DataError, match="3 of 3 samples were in no batch, first 0"):
        tracker.verdicts()


def test_what_cannot_be_tracked_is_refused():
    with pytest.raises(DataError, match="two or more"):
        LabelTracker([0], ["cat"])
    with pytest.raises(DataError, match="label 1 is -1"):
        LabelTracker([0, -1], ["cat", "dog"])
    with pytest.raises(DataError, match="3 labels, but 2 ids"):
        small(ids=["a", "b"])
    with pytest.raises(DataError, match="not unique"):
        small(ids=["a", "b", "a"])


@pytest.mark.parametrize(
    ("features", "message"),
    [(np.ones((2, 4)), r"shape \(2, 4\), expected \(3, d\)"), (np.full((3, 4), np.inf), "not all finite")],
)
def test_features_that_do_not_fit_are_refused(features, message):
    tracker = small()
    tracker.update(SURE, [0, 1, 0], [0, 1, 2])
    with pytest.raises(DataError, match=message):
        tracker.verdicts(features)


def test_few_samples_with_features_are_judged():
    tracker = small()
    tracker.update(SURE, [0, 1, 0], [0, 1, 2])
    assert len(tracker.verdicts(np.eye(3)).table) == 3


@pytest.mark.parametrize("ids", [{0, 1, 2}, {0: 0, 1: 1, 2: 2}])
def test_what_has_no_order_is_refused(ids):
    with pytest.raises(DataError, match="has no order; give a list"):
        small().update(SURE, [0, 1, 0], ids)
    with pytest.raises(DataError, match="has no order; give a list"):
        LabelTracker(ids, ["cat", "dog", "eel"])


def test_probabilities_in_place_of_logits_are_warned_of():
    shares = torch.as_tensor(SURE).float().softmax(1)
    with pytest.warns(LabelmendWarning, match="sum to one, as if they were probabilities"):
        small().update(shares, [0, 1, 0], [0, 1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().update(shares.log(), [0, 1, 0], [0, 1, 2])


@pytest.mark.parametrize("seed", [None, 1.0, "0", True, -1, 2**63, np.arange(2)])
def test_a_seed_that_is_none_is_refused_at_once(seed):
    with pytest.raises(SettingsError, match=r"seed is .* but must be a whole number from 0"):
        small(seed=seed)


@pytest.mark.parametrize("seed", [3, np.int64(3), torch.tensor(3)])
def test_a_seed_may_be_a_number_of_any_kind(seed):
    assert small(seed=seed).seed == 3


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"cat", "dog"}, "classes: a set has no order; give a list"),
        ({"cat": 0, "dog": 1}, "classes: a dict has no order"),
        (None, "classes is None, a single value; give a list"),
        ("catdog", "classes is 'catdog', a single value"),
        (["cat", None], r"classes are \['cat', None\]; give two or more names"),
        (["cat", 1], "give two or more names, or two or more whole numbers"),
        ([False, True], "give two or more names"),
        ([0.0, 1.0], "give two or more names"),
        (["cat", "dog", "cat"], "class 'cat' occurs more than once"),
        ([1, 0, 1], "class 1 occurs more than once"),
        ([], "give two or more names"),
    ],
)
def test_classes_that_are_no_list_of_names_are_refused(classes, message):
    with pytest.raises(DataError, match=message):
        LabelTracker([0, 1, 0], classes)


@pytest.mark.parametrize("classes", [["cat", "dog"], ("cat", "dog"), np.array(["cat", "dog"])])
def test_classes_may_be_a_list_tuple_or_array(classes):
    assert LabelTracker([0, "dog"], classes).classes == ["cat", "dog"]


@pytest.mark.parametrize("classes", [[7, 1, 0], np.array([7, 1, 0])])
def test_labels_of_numbered_classes_are_their_numbers(classes):
    tracker = LabelTracker([1, 0, 7, "7"], classes)
    assert tracker.labels.tolist() == [1, 2, 0, 0]
    with pytest.raises(DataError, match="label 0 is 2, which is no class; give one of the classes"):
        LabelTracker([2], classes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": None}, "labels is None, a single value"),
        ({"labels": "cat"}, "labels is 'cat', a single value"),
        ({"labels": torch.tensor(1)}, "labels is 1, a single value"),
        ({"labels": []}, "there are no labels"),
        ({"labels": ["cat"], "ids": {"a"}}, "ids: a set has no order"),
        ({"labels": ["cat"], "paths": "a"}, "paths is 'a', a single value"),
    ],
)
def test_columns_that_are_no_lists_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        LabelTracker(**{"classes": ["cat", "dog"], **arguments})


@pytest.mark.parametrize(
    "logits",
    [
        list(SURE),
        [row.clone().requires_grad_() for row in SURE],
        list(SURE.numpy()),
        SURE.tolist(),
        SURE.numpy()[::-1][::-1],
        SURE.numpy().astype(">f8"),
    ],
    ids=["tensors", "gradients", "arrays", "lists", "reversed", "big-endian"],
)
def test_logits_in_a_list_are_stacked(logits):
    found, expected = small(), small()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.update(logits, [0, 1, 0], [0, 1, 2])
        verdicts = found.verdicts(logits)
    expected.update(SURE, [0, 1, 0], [0, 1, 2])
    assert verdicts.table.equals(expected.verdicts(SURE).table)


@pytest.mark.parametrize(
    "logits",
    [
        None,
        "logits",
        {"logits": SURE},
        [SURE[0], SURE[1, :1], SURE[2]],
        [[1.0], [1.0, 2.0]],
        [SURE[0], "cat"],
        SURE.to(torch.complex64),
    ],
    ids=["none", "text", "dictionary", "ragged tensors", "ragged lists", "mixed", "complex"],
)
def test_logits_that_are_no_numbers_are_refused(logits):
    with pytest.raises(DataError, match=r"no array of numbers.*give one tensor or array"):
        small().update(logits, [0, 1, 0], [0, 1, 2])


def test_arrays_that_cannot_be_written_to_are_taken_in_silence(tmp_path):
    np.save(tmp_path / "array.npy", np.array([[9, 0], [0, 9], [9, 0]], dtype=np.uint8))
    array = np.load(tmp_path / "array.npy", mmap_mode="r")
    tracker = small()
    # torch says that once in a process: a test before may have heard it.
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tracker.update(array, [0, 1, 0], [0, 1, 2])
            assert len(tracker.verdicts(array)) == 3
    finally:
        torch.set_warn_always(False)
