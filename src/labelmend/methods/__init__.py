"""Methods by name. To add one: docs/ADDING_A_METHOD.md."""

from labelmend.methods.anchor_hallucination import AnchorHallucination
from labelmend.methods.base import Method
from labelmend.methods.cal import Cal
from labelmend.methods.cleanlab import Cleanlab
from labelmend.methods.co_teaching import CoTeaching
from labelmend.methods.co_teaching_plus import CoTeachingPlus
from labelmend.methods.cross_entropy import CrossEntropy
from labelmend.methods.dac import Dac
from labelmend.methods.dividemix import DivideMix
from labelmend.methods.elr import Elr
from labelmend.methods.elr_plus import ElrPlus
from labelmend.methods.forward import Forward
from labelmend.methods.gce import Gce
from labelmend.methods.jocor import Jocor
from labelmend.methods.label_smoothing import LabelSmoothing
from labelmend.methods.mend import Mend
from labelmend.methods.mixup import Mixup
from labelmend.methods.negative_label_smoothing import NegativeLabelSmoothing
from labelmend.methods.pes import Pes
from labelmend.methods.promix import ProMix
from labelmend.methods.sce import Sce
from labelmend.methods.seal import Seal
from labelmend.methods.sop import Sop
from labelmend.methods.tscsi import Tscsi
from labelmend.methods.volminnet import VolMinNet

METHODS: dict[str, type[Method]] = {
    method.Settings.name: method
    for method in (
        Mend,
        AnchorHallucination,
        CrossEntropy,
        Mixup,
        LabelSmoothing,
        NegativeLabelSmoothing,
        Gce,
        Sce,
        Forward,
        CoTeaching,
        CoTeachingPlus,
        Jocor,
        VolMinNet,
        Dac,
        Cal,
        Seal,
        Pes,
        DivideMix,
        Tscsi,
        Elr,
        ElrPlus,
        Sop,
        ProMix,
        Cleanlab,
    )
}
