import pytest

from labelmend.errors import SettingsError
from labelmend.methods.plan import Stage
from labelmend.training.course import Course, within


def test_stages_are_spans_of_the_budget():
    course = Course([Stage(0.25), Stage(0.5), Stage(0.25)])
    assert [course.span(i) for i in range(3)] == [(0.0, 0.25), (0.25, 0.75), (0.75, 1.0)]
    found = [course.stage_at(share) for share in (0.0, 0.2499, 0.25, 0.7, 0.75, 0.9999, 1.0)]
    assert found == [0, 0, 1, 1, 2, 2, 2]


def test_a_stage_is_over_where_rounding_leaves_it_a_little_short():
    tenths = Course([Stage(0.1) for _ in range(10)])
    assert tenths.stage_at(sum([0.1] * 3)) == 3
    assert tenths.stage_at(sum([0.1] * 8)) == 8
    assert tenths.span(9)[1] == 1.0


def test_schedules_span_the_stages_between_restarts():
    course = Course([Stage(0.2), Stage(0.2), Stage(0.2, restart=True), Stage(0.2), Stage(0.2, fresh=True)])
    spans = [course.schedule_span(i) for i in range(5)]
    for found, expected in zip(spans, [(0, 0.4), (0, 0.4), (0.4, 0.8), (0.4, 0.8), (0.8, 1)], strict=True):
        assert found == pytest.approx(expected)


def test_one_stage_is_all_of_it():
    course = Course([Stage()])
    assert course.span(0) == course.schedule_span(0) == (0.0, 1.0)


def test_where_in_a_span():
    found = [within(share, (0.25, 0.75)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert found == [0, 0, 0.5, 1, 1]


@pytest.mark.parametrize("shares", [(0.5, 0.4), (1.0, 0.0), (1.5, -0.5), (0.6, 0.5), ()])
def test_shares_that_do_not_add_up_are_refused(shares):
    with pytest.raises(SettingsError, match="add up to 1") as caught:
        Course([Stage(share) for share in shares])
    assert "\n" not in str(caught.value)
