import base64
import io

import numpy as np
import pytest
from PIL import Image

from labelmend.config import DataSettings
from labelmend.report.thumbnails import SIDES, fitting_side, thumbnails
from labelmend.runs.pictures import pictures_of


@pytest.fixture(scope="module")
def photos():
    pixels = np.random.default_rng(0).integers(0, 255, (6, 300, 200, 3), dtype=np.uint8)
    return pictures_of((pixels, ["a", "b"] * 3), DataSettings())


def sizes(photos, ids, side):
    return [Image.open(io.BytesIO(base64.b64decode(text))).size for text in thumbnails(photos, ids, side)]


def test_photographs_are_as_large_as_there_is_room_for(photos):
    ids = list(photos.rows)
    assert fitting_side(photos, ids, 10**8) == SIDES[0] == 256
    fitting = [sum(map(len, thumbnails(photos, ids, side))) for side in SIDES]
    assert fitting == sorted(fitting, reverse=True)
    assert fitting_side(photos, ids, fitting[2]) == SIDES[2]
    assert fitting_side(photos, ids, fitting[2] - 1) == SIDES[3]
    assert fitting_side(photos, ids, 0) == SIDES[-1]
    assert fitting_side(photos, ids, 10**8, most=48) == 48


def test_no_side_is_longer_and_nothing_is_enlarged(photos):
    assert sizes(photos, list(photos.rows)[:1], 256) == [(171, 256)]
    assert sizes(photos, list(photos.rows)[:1], 512) == [(200, 300)]
    assert thumbnails(photos, ["gone"], 64) == [""]
