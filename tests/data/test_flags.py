import numpy as np
import pytest

from labelmend.data.flags import read_flag
from labelmend.errors import DataError


@pytest.mark.parametrize(
    "value", [True, np.True_, 1, 1.0, "1", "1.0", "Yes", " y ", "TRUE", "t", np.float32(1)]
)
def test_yes(value):
    assert read_flag(value, "x")


@pytest.mark.parametrize(
    "value",
    [False, np.False_, 0, 0.0, "0", "0.0", "No", "n", "false", "F", "", None, "NaN", np.nan, "NA", "<NA>"],
)
def test_no_and_nothing(value):
    assert not read_flag(value, "x")


@pytest.mark.parametrize("value", ["maybe", 2, 0.5, "truee"])
def test_what_is_neither_is_named_with_its_place(value):
    with pytest.raises(DataError, match=rf"^a.csv, row 3: trusted is {value!r}, expected true or false"):
        read_flag(value, "a.csv, row 3")
