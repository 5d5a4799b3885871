import shutil

import numpy as np
import pytest

from labelmend.errors import DataError, RunError
from labelmend.review.session import Conflict, Session
from labelmend.verdicts.decisions import Decisions

ONE, OTHER = "0" * 16, "1" * 16


def decided(session):
    return {id: decision.action for id, decision in session.decisions.current().items()}


def rows_of(session, view, given=None):
    rows, row = [], None
    item = session.item(view, given, None, 1)
    while item is not None and item["row"] != row:
        row = item["row"]
        rows.append(row)
        item = session.item(view, given, row, 1)
    return rows


def test_views_hold_their_images_in_the_order_of_the_queue(session):
    assert rows_of(session, "suggestions") == list(range(20))
    assert rows_of(session, "uncertain") == list(range(20, 30))
    assert rows_of(session, "all") == list(range(48))
    assert rows_of(session, "suggestions", given=1) == list(range(1, 20, 3))
    assert rows_of(session, "skipped") == []
    assert len(rows_of(session, "audit")) == 30


def test_an_item_says_what_a_person_needs(session):
    item = session.item("suggestions", None, 2, 0)
    assert (item["position"], item["total"], item["row"]) == (2, 20, 2)
    assert (item["given"], item["suggested"], item["votes"], item["confidence"]) == (2, 0, 9, 0.97)
    assert item["evidence"] == [{"row": 30, "given": 0}, {"row": 31, "given": 1}, {"row": 32, "given": 2}]
    assert item["decision"] is None


def test_where_no_anchor_voted_the_nearest_easy_images_are_asked_for(session, monkeypatch):
    assert session.item("uncertain", None, 20, 0)["evidence"] == []
    monkeypatch.setattr("labelmend.review.session.PATIENCE", 60)
    found = session.nearest(20)
    assert found["ready"]
    assert len(found["evidence"]) == 3
    assert all(
        near["row"] in range(30, 48) and near["given"] == near["row"] % 3 for near in found["evidence"]
    )
    with pytest.raises(DataError):
        session.nearest(48)


def test_next_is_the_next_that_nothing_is_decided_about(session):
    session.decide(0, "accept", None, None, ONE)
    session.decide(2, "skip", None, None, ONE)
    assert session.item("suggestions", None, 0, 2)["row"] == 1
    assert session.item("suggestions", None, 1, 2)["row"] == 3
    assert session.item("suggestions", None, 19, 2)["row"] == 1
    assert session.item("skipped", None, None, 2)["row"] == 2
    assert session.item("skipped", None, 2, 2) is None
    assert session.item("suggestions", None, 0, -1) is None
    # Where one stood is no longer in the list: beside it is what stands where it would.
    assert session.item("skipped", None, 1, 1)["row"] == 2
    assert session.item("skipped", None, 3, -1)["row"] == 2


def test_nothing_is_next_when_all_is_decided(session):
    for row in range(20, 30):
        session.decide(row, "keep", None, None, ONE)
    assert session.item("uncertain", None, 25, 2) is None
    assert session.status(None, None)["views"]["uncertain"] == {"total": 10, "decided": 10}


def test_a_decision_against_one_that_was_not_seen_is_refused(session):
    session.decide(0, "accept", None, None, ONE)
    with pytest.raises(Conflict):
        session.decide(0, "keep", None, None, OTHER)
    assert session.item("all", None, 0, 0)["decision"]["action"] == "accept"
    seen = session.item("all", None, 0, 0)["decision"]["time"]
    session.decide(0, "choose", 2, seen, OTHER)
    assert session.item("all", None, 0, 0)["decision"]["label"] == 2


@pytest.mark.parametrize(
    ("row", "action", "label"),
    [
        (-1, "keep", None),
        (48, "keep", None),
        (0, "choose", None),
        (0, "choose", 3),
        (0, "choose", -1),
        (40, "accept", None),
        (0, "burn", None),
    ],
)
def test_what_is_no_decision_is_refused(session, row, action, label):
    with pytest.raises(DataError):
        session.decide(row, action, label, None, ONE)
    assert decided(session) == {}


def test_undo_takes_back_what_the_tab_did_and_nothing_of_others(session):
    session.decide(0, "accept", None, None, ONE)
    session.decide(1, "keep", None, None, OTHER)
    assert session.undo(ONE) == 0
    assert session.undo(ONE) is None
    assert session.status(None, None)["decided"] == 1
    assert session.undo(OTHER) == 1


def test_undo_goes_back_from_the_last_decision(session):
    for row in (4, 1, 7):
        session.decide(row, "keep", None, None, ONE)
    assert [session.undo(ONE) for _ in range(4)] == [7, 1, 4, None]


def test_after_a_restart_undo_takes_back_what_was_decided_before(run):
    first = Session(run)
    first.decide(0, "accept", None, None, ONE)
    first.decisions.close()
    second = Session(run)
    second.decide(1, "keep", None, None, OTHER)
    assert second.status(None, 0)["decision"]["action"] == "accept"
    assert second.undo(ONE) == 0
    assert second.undo(ONE) is None
    second.decisions.close()


def test_bulk_accepts_what_was_previewed_and_is_undone_whole(session):
    session.decide(1, "keep", None, None, OTHER)
    preview = session.preview(0.9, None)
    assert preview["count"] == 9
    assert [shown["row"] for shown in preview["shown"]] == [9, 8, 7, 6, 5, 4, 3, 2, 0]
    session.accept_all(0.9, None, preview["seen"], ONE)
    assert session.status(None, None)["changed"] == 9
    assert session.undo(ONE) == 9
    assert session.status(None, 1)["decided"] == 1


def test_bulk_is_refused_when_others_decided_since_the_preview(session):
    seen = session.preview(0.9, None)["seen"]
    session.decide(0, "keep", None, None, OTHER)
    with pytest.raises(Conflict, match="these are 9 images; look again"):
        session.accept_all(0.9, None, seen, ONE)
    assert session.status(None, None)["decided"] == 1


def test_as_many_others_are_not_what_was_previewed(session):
    session.decide(0, "keep", None, None, OTHER)
    seen = session.preview(0.9, None)["seen"]
    session.undo(OTHER)
    session.decide(1, "keep", None, None, OTHER)
    with pytest.raises(Conflict, match="these are 9 images"):
        session.accept_all(0.9, None, seen, ONE)


@pytest.mark.parametrize("bulk", [False, True])
def test_what_another_process_notes_at_the_last_moment_is_not_overruled(session, run, monkeypatch, bulk):
    """It decides after the page was asked, and before its answer is written."""
    seen, writing = session.preview(0.9, None)["seen"], session.decisions._log.writing

    def too_late():
        monkeypatch.undo()
        with Decisions.open(run) as elsewhere:
            elsewhere.record(session.picture_id(0), "keep")
        return writing()

    monkeypatch.setattr(session.decisions._log, "writing", too_late)
    with pytest.raises(Conflict):
        if bulk:
            session.accept_all(0.9, None, seen, ONE)
        else:
            session.decide(0, "accept", None, None, ONE)
    assert decided(session) == {session.picture_id(0): "keep"}


def test_a_bulk_of_nothing_notes_nothing_and_owns_no_batch_of_others(session, run):
    seen = session.preview(1.0, None)["seen"]
    session.accept_all(1.0, None, seen, ONE)
    with Decisions.open(run) as elsewhere:
        elsewhere.record(session.picture_id(3), "keep")
    assert session.undo(ONE) is None
    assert decided(session) == {session.picture_id(3): "keep"}
    with pytest.raises(Conflict, match="these are 0 images"):
        session.accept_all(1.0, None, "0" * 64, ONE)


def test_bulk_of_one_given_class(session):
    assert session.preview(0.9, 1)["count"] == 3


def test_decisions_of_another_process_show(session, run):
    with Decisions.open(run) as elsewhere:
        elsewhere.record(session.picture_id(3), "keep")
        assert session.status(None, 3)["decision"]["action"] == "keep"
        elsewhere.undo()
        assert session.status(None, 3)["decision"] is None


def test_the_estimate_comes_from_the_audit_sample_alone(session):
    assert session.status(None, None)["audit"] is None
    sample = rows_of(session, "audit")
    outside = next(row for row in range(20) if row not in sample)
    session.decide(outside, "accept", None, None, ONE)
    for row in sample:
        session.decide(row, "accept" if row < 20 else "keep", None, None, ONE)
    found = session.status(None, None)["audit"]
    assert found["rate"] == pytest.approx(20 / 48)
    assert found["low"] < found["rate"] < found["high"]


def test_only_what_was_looked_at_in_the_order_of_the_sample_counts(session):
    """The most suspicious of the sample come first in other lists: they alone would say too much."""
    sample = rows_of(session, "audit")
    strata = session._views.strata
    for stratum in np.unique(strata):
        first, *others = [row for row in sample if strata[row] == stratum]
        for row in others:
            session.decide(row, "accept" if row < 20 else "keep", None, None, ONE)
        assert session.status(None, None)["audit"] is None
    for stratum in np.unique(strata):
        first = next(row for row in sample if strata[row] == stratum)
        session.decide(first, "accept" if first < 20 else "keep", None, None, ONE)
    assert session.status(None, None)["audit"]["rate"] == pytest.approx(20 / 48)


def test_what_is_accepted_many_at_once_is_open_in_the_sample_until_it_is_looked_at(session):
    sample = rows_of(session, "audit")
    seen = session.preview(0.0, None)["seen"]
    session.accept_all(0.0, None, seen, ONE)
    accepted = [row for row in sample if session.item("audit", None, row, 0)["decision"]]
    assert accepted
    assert session.status(None, None)["views"]["audit"]["decided"] == 0
    for row in sample:
        if row not in accepted:
            session.decide(row, "keep", None, None, ONE)
    assert session.status(None, None)["audit"] is None
    assert session.item("audit", None, None, 2)["row"] == accepted[0]
    for row in accepted:
        session.decide(row, "keep", None, session.item("audit", None, row, 0)["decision"]["time"], ONE)
    status = session.status(None, None)
    assert status["views"]["audit"]["decided"] == len(sample)
    assert status["audit"]["rate"] == 0


def test_a_class_that_came_from_elsewhere_is_shown_by_its_name(session):
    session.decisions.record(session.item("all", None, 0, 0)["id"], "choose", "a new class")
    decision = session.item("all", None, 0, 0)["decision"]
    assert (decision["label"], decision["new"]) == (None, "a new class")


def test_the_sample_of_a_run_is_the_same_after_a_restart(session, run):
    again = Session(run, audit=30)
    assert rows_of(again, "audit") == rows_of(session, "audit")
    again.decisions.close()


def test_a_run_whose_images_have_gone_is_one_line(trained, review_data, tmp_path):
    out = shutil.copytree(trained, tmp_path / "run")
    text = (out / "data.json").read_text().replace(str(review_data.parent), str(tmp_path / "gone"))
    (out / "data.json").write_text(text)
    with pytest.raises(RunError):
        Session(out)
    assert Session(out, data=str(review_data)).item("all", None, 0, 0)["row"] == 0


def test_farewell_names_where_the_data_are_now(run, review_data):
    session = Session(run, data=str(review_data))
    where = f"{run} --data {review_data}"
    assert session.farewell() == f"Nothing is decided yet; labelmend review {where} goes on."
    session.decide(0, "accept", None, None, ONE)
    assert f"labelmend apply {run} --decisions --data {review_data} (" in session.farewell()
    assert session.overview()["next"] == f"labelmend apply {run} --decisions --data {review_data}"


def test_farewell_says_what_comes_next(session, run):
    assert "Nothing is decided" in session.farewell()
    session.decide(0, "accept", None, None, ONE)
    with Decisions.open(run) as elsewhere:
        elsewhere.record(session.picture_id(1), "keep")
    assert session.farewell() == (
        f"2 labels decided, 1 of them changed. Next: labelmend apply {run} --decisions (--decisions-only "
        "takes no suggestion beside them)"
    )
