"""Methods by name. To add one: write its file and its test, then name it here."""

from labelmend.methods.anchor_hallucination import AnchorHallucination
from labelmend.methods.base import Method
from labelmend.methods.cross_entropy import CrossEntropy
from labelmend.methods.mixup import Mixup

METHODS: dict[str, type[Method]] = {
    method.Settings.name: method for method in (AnchorHallucination, CrossEntropy, Mixup)
}
