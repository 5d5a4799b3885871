"""Verdicts for people with a training loop of their own."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelmend.correction.correct import correct
from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.errors import DataError, LabelmendWarning, SettingsError
from labelmend.hallucination.anchors import anchor_blocks
from labelmend.hallucination.closed_form import closed_form_anchors
from labelmend.hallucination.partners import sample_partners
from labelmend.methods.mend import MendSettings
from labelmend.selection.easiness import given_label_losses, loss_mixture
from labelmend.selection.easy_set import select_easy
from labelmend.selection.label_quality import label_quality
from labelmend.verdicts.evidence import NO_LABEL, agrees, ask_neighbours, confirm
from labelmend.verdicts.looks import KnownFeatures
from labelmend.verdicts.record import SampleRecord
from labelmend.verdicts.verdicts import Verdicts

VOTING = MendSettings()
"""Anchors and votes are those of the default method."""
_ROUNDING = 1e-5
"""By which sums of probabilities are off one."""
_MAX_SEED = 2**63 - 1


class LabelTracker:
    """Watches a training loop, and says at its end which labels are wrong.

    Each batch of each epoch is handed to ``update`` as the network sees it while it trains. The mean loss of
    a sample over the epochs, in which right labels are learned before wrong ones, says how easy it is; with
    the features of the trained network, anchors between easy samples vote on the others, as in
    ``labelmend.fit``.

    Args:
        labels: the N given labels: names of classes, or indices into ``classes``; where classes are whole
            numbers, these numbers.
        classes: the C classes in order, a list, tuple or array: names, or whole numbers.
        ids: N unique strings or integers by which ``update`` is told which samples a batch holds; by default
            their positions, 0 to N - 1.
        paths: N file paths for the table of verdicts, where there are any.
        seed: of the draw of anchors, a whole number from 0.

    Raises:
        DataError: If classes are not two or more names, a label is of no class, or ids or paths are not N, or
            ids not unique.
        SettingsError: If the seed is no whole number.

    Examples:
        >>> tracker = LabelTracker([0, 1, 1], ["cat", "dog"])
        >>> tracker.update(torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]]), [0, 1, 1], [0, 1, 2])
        >>> tracker.verdicts().table["predicted_label"].tolist()
        ['cat', 'dog', 'cat']
    """

    def __init__(
        self,
        labels: Any,
        classes: Sequence[str] | Sequence[int] | np.ndarray,
        *,
        ids: Sequence[Any] | None = None,
        paths: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.seed = _checked_seed(seed)
        known = _checked_classes(classes)
        self.classes = [str(name) for name in known]
        # Where classes are numbers, the label 1 is the class 1, wherever it stands.
        are_names = isinstance(known[0], str)
        keys = range(len(known)) if are_names else known
        self._place: dict[str | int, int] = dict(
            zip([*self.classes, *keys], [*range(len(known))] * 2, strict=True)
        )
        self._wanted = f"an index below {len(known)} or a name" if are_names else "one of the classes"
        self.labels = torch.tensor(self._indices(labels), dtype=torch.int64)
        count = len(self.labels)
        if not count:
            raise DataError("there are no labels; give that of each sample")
        # 5 and numpy.int64(5), and a tensor of it, are one id.
        self.ids = list(map(str, range(count) if ids is None else _values(ids, "ids")))
        self.paths = [""] * count if paths is None else list(map(str, _values(paths, "paths")))
        for name, values in (("ids", self.ids), ("paths", self.paths)):
            if len(values) != count:
                raise DataError(f"{count} labels, but {len(values)} {name}")
        self._row_of = {image_id: row for row, image_id in enumerate(self.ids)}
        if len(self._row_of) != count:
            raise DataError("ids are not unique; give each sample its own")
        self._seen = torch.zeros(count, dtype=torch.int64)
        self._loss = torch.zeros(count, dtype=torch.float64)
        self._shares = torch.zeros(count, len(self.classes))

    def _indices(self, labels: Any) -> list[int]:
        found = []
        for row, label in enumerate(_values(labels, "labels")):
            index = self._place.get(label) if isinstance(label, str | int) else None
            if index is None:
                raise DataError(f"label {row} is {label!r}, which is no class; give {self._wanted}")
            found.append(index)
        return found

    @torch.no_grad()
    def update(self, logits: Any, labels: Any, ids: Any) -> None:
        """Take the outputs of the network for one batch.

        Args:
            logits: (B, C), before the softmax; tensor or array, on any device, or a list of B of them.
            labels: B given labels of the batch, as in ``labels``: they must be the same, so that ids that do
                not belong to the batch show.
            ids: B ids of its samples.

        Raises:
            DataError: If shapes do not agree, a number is not finite, an id is unknown or a label another.

        Warns:
            LabelmendWarning: If they look like probabilities.
        """
        outputs = _numbers(logits, "logits")
        rows, given = self._rows(ids), torch.tensor(self._indices(labels), dtype=torch.int64)
        wanted = (len(rows), len(self.classes))
        if outputs.shape != wanted:
            raise DataError(
                f"logits have shape {tuple(outputs.shape)}, but those of {wanted[0]} ids and {wanted[1]} "
                f"classes have {wanted}"
            )
        if len(given) != len(rows):
            raise DataError(f"{len(rows)} ids, but {len(given)} labels")
        if not outputs.isfinite().all():
            raise DataError(
                "logits are not all finite numbers: the training has diverged; lower its learning rate"
            )
        if len(other := (given != self.labels[rows]).nonzero()):
            place = int(other[0])
            now, before = (self.classes[int(label[place])] for label in (given, self.labels[rows]))
            raise DataError(
                f"sample {self.ids[int(rows[place])]} has the label {now!r} in this batch, but {before!r} "
                "in the tracker; do ids and labels belong together?"
            )
        if len(rows) > 1 and (outputs >= 0).all() and (outputs.sum(1) - 1).abs().max() < _ROUNDING:
            warnings.warn(
                "the rows of the logits sum to one, as if they were probabilities; update takes what goes "
                "into the softmax",
                LabelmendWarning,
                stacklevel=3,
            )
        shares = outputs.softmax(1)
        self._seen.index_add_(0, rows, torch.ones_like(rows))
        self._loss.index_add_(0, rows, given_label_losses(shares, given).double())
        self._shares.index_add_(0, rows, shares)

    def _rows(self, ids: Any) -> Tensor:
        names = [str(value) for value in _values(ids, "ids")]
        unknown = [name for name in names if name not in self._row_of]
        if unknown:
            raise DataError(f"there is no sample {unknown[0]!r} among the {len(self.ids)} ids of the tracker")
        return torch.tensor([self._row_of[name] for name in names], dtype=torch.int64)

    def verdicts(self, features: Any = None) -> Verdicts:
        """What the loop has shown of every label.

        Args:
            features: (N, d) features of the trained network in the order of the labels, e.g. the input of its
                last layer, in evaluation mode; tensor or array, or a list of N of them. Without them no
                anchor votes and no other label is suggested: samples are easy or uncertain.

        Raises:
            DataError: If a sample was in no batch, or the features have another shape or are not finite.
        """
        missing = (self._seen == 0).nonzero()[:, 0]
        if len(missing):
            raise DataError(
                f"{len(missing)} of {len(self.ids)} samples were in no batch, first "
                f"{self.ids[int(missing[0])]}; update takes every batch of an epoch"
            )
        probabilities = self._shares / self._seen[:, None]
        losses = (self._loss / self._seen).float()
        mixture = loss_mixture(losses)
        trusted = torch.zeros(len(losses), dtype=torch.bool)
        easy = select_easy(
            self.labels, mixture.easiness, losses, len(self.classes), VOTING.easy_percent, trusted
        )
        record = SampleRecord.without_votes(
            probabilities=probabilities,
            easiness=mixture.easiness,
            easy=easy & (probabilities.argmax(1) == self.labels),
            label_quality=probabilities.gather(1, self.labels[:, None])[:, 0],
        )
        looks = None
        if features is not None:
            checked = self._checked(features)
            record = self._voted(record, easy, checked)
            looks = KnownFeatures(self._row_of, checked.numpy())
        return Verdicts.from_record(record, self._image_set(), looks)

    def _checked(self, features: Any) -> Tensor:
        found = _numbers(features, "features")
        if found.ndim != 2 or len(found) != len(self.labels):
            raise DataError(f"features have shape {tuple(found.shape)}, expected ({len(self.labels)}, d)")
        if not found.isfinite().all():
            raise DataError("features are not all finite numbers")
        return found

    def _voted(self, record: SampleRecord, easy: Tensor, features: Tensor) -> SampleRecord:
        """The record with votes of anchors between the easy samples that the evidence agrees with."""
        classes = len(self.classes)
        neighbours = ask_neighbours(features, self.labels, classes)
        agreed = agrees(record.probabilities, neighbours.label, self.labels)
        easy = easy & (agreed | (neighbours.label == NO_LABEL))
        labels, origin = self.labels[easy], features.mean(0)
        generator = torch.Generator().manual_seed(self.seed)
        # Where all are easy there is nothing to vote on.
        per_sample = 0 if easy.all() else VOTING.anchors_per_sample
        partners = sample_partners(labels, per_sample, generator)

        def make(s_u: Tensor, s_v: Tensor) -> Tensor:
            return closed_form_anchors(s_u, s_v, VOTING.lambda_p) - origin

        found = correct(
            anchor_blocks(features[easy], labels, partners, make),
            partners.numel(),
            features - origin,
            easy,
            self.labels,
            classes,
            lambda_conf=0.5,
            surrounding="loose",
            max_votes=VOTING.max_votes,
            min_votes=VOTING.min_votes,
            min_agreement=VOTING.min_agreement,
        )
        voted = replace(
            record,
            easy=easy,
            label_quality=label_quality(
                record.probabilities, self.labels, found.corrected, found.given_share
            ),
            corrected=found.corrected,
            votes=found.votes,
            vote_share=found.vote_share,
            sources=found.sources,
            neighbour_label=neighbours.label,
            neighbour_support=neighbours.support,
        )
        return confirm(voted, features, self.labels, torch.zeros_like(easy))

    def _image_set(self) -> ImageSet:
        """What the table of verdicts is about; there are no pictures."""
        nothing = MemoryImages(torch.empty(len(self.ids), 0, 0, 1, dtype=torch.uint8))
        return ImageSet(
            nothing, self.labels.numpy(), self.classes, self.ids, self.paths, name="tracked samples"
        )


def _plain(value: Any) -> Any:
    """A number or text without a wrapping of NumPy or torch."""
    is_wrapped = isinstance(value, np.generic | np.ndarray | Tensor) and len(value.reshape(-1)) == 1
    return value.item() if is_wrapped else value


def _values(values: Any, name: str) -> list[Any]:
    """A list, array or tensor as plain values; 5.0 stays a float, which is no index.

    Raises:
        DataError: If they have no order, as a dictionary or a set, or are a single value.
    """
    if isinstance(values, Mapping | Set):
        raise DataError(f"{name}: a {type(values).__name__} has no order; give a list, an array or a tensor")
    plain = values.tolist() if isinstance(values, np.ndarray | Tensor) else values
    if isinstance(plain, str | bytes) or not isinstance(plain, Iterable):
        raise DataError(f"{name} is {plain!r}, a single value; give a list, an array or a tensor")
    return [_plain(value) for value in plain]


def _checked_seed(seed: Any) -> int:
    """The seed as an int.

    Raises:
        SettingsError: If it is no whole number, or of more than 63 bits.
    """
    value = _plain(seed)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_SEED:
        raise SettingsError(f"seed is {seed!r}, but must be a whole number from 0 to 2**63 - 1")
    return value


def _checked_classes(classes: Any) -> list[str] | list[int]:
    """The classes as plain names, or as plain whole numbers.

    Raises:
        DataError: If they have no order, are fewer than two, of another type, or the same.
    """
    names = _values(classes, "classes")
    for kind in (str, int):
        if len(names) > 1 and all(isinstance(name, kind) and not isinstance(name, bool) for name in names):
            break
    else:
        raise DataError(
            f"classes are {names[:8]!r}{', ...' if len(names) > 8 else ''}; give two or more names, or "
            "two or more whole numbers"
        )
    if len(set(names)) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise DataError(f"class {twice!r} occurs more than once in classes; give two or more, each once")
    return names


def _numbers(values: Any, name: str) -> Tensor:
    """A tensor, an array, or a list of either, as a float32 tensor on the CPU.

    Raises:
        DataError: If it is no array of numbers.
    """
    try:
        if isinstance(values, list | tuple) and any(isinstance(row, Tensor) for row in values):
            values = torch.stack([torch.as_tensor(row).detach().cpu() for row in values])
        if isinstance(values, Tensor) and not values.is_complex():
            return values.detach().float().cpu()
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{name} make no array of numbers ({reason}); give one tensor or array") from None
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"{name} are a {type(values).__name__}, no array of numbers; give one tensor or array"
        )
    # torch warns of arrays that it cannot write to, as those of a memory-mapped file; such are copied.
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.require(array, np.float32, ["C", "W"]))
