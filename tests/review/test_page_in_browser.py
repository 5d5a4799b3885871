"""The review page as a person meets it: in a browser, by keyboard, with a server that may be killed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from labelmend.review.server import address, listen, new_token, serve
from labelmend.review.session import Session
from labelmend.verdicts.decisions import Decisions

from .conftest import HOSTILE

SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}


def review(run, pipe):
    """Serve a run until somebody ends this process."""
    listener, token = listen(0), new_token()
    session = Session(run, audit=30)
    pipe.send(address(listener, token))
    serve(session, listener, token)


@pytest.fixture
def served(run, processes):
    """Function that starts a review of the run; gives its process and address."""
    started = []

    def start():
        reading, writing = processes.Pipe(duplex=False)
        process = processes.Process(target=review, args=(run, writing))
        process.start()
        started.append(process)
        assert reading.poll(60)
        return process, reading.recv()

    yield start
    for process in started:
        process.kill()
        process.join()


@contextmanager
def opened(chromium, url, complaints=(), **options):
    """A tab in a context of its own; what the browser complains of fails the test, but for ``complaints``."""
    heard = []
    context = chromium.new_context(**{"viewport": SIZES["desktop"], **options})
    tab = context.new_page()
    tab.on("console", lambda message: heard.append(message.text))
    tab.on("pageerror", lambda error: heard.append(str(error)))
    tab.on("dialog", lambda dialog: heard.append(dialog.message) or dialog.dismiss())
    tab.on(
        "request", lambda request: request.url.startswith("http://127.0.0.1:") or heard.append(request.url)
    )
    tab.goto(url)
    tab.wait_for_selector("body[data-ready]")
    yield tab
    context.close()
    assert [text for text in heard if not any(known in text for known in complaints)] == []


def row_of(tab):
    return tab.evaluate("document.body.dataset.row")


def press(tab, key):
    """Press a key, and wait until the page shows another image for it."""
    row = row_of(tab)
    tab.keyboard.press(key)
    tab.wait_for_function("row => document.body.dataset.row !== row", arg=row)


def below_labels(tab, what):
    labels, box = (tab.locator(name).bounding_box() for name in (".labels", what))
    return box["y"] - labels["y"] - labels["height"]


def decided(run):
    with Decisions.open(run) as decisions:
        return {int(id.split()[0]): (d.action, d.label) for id, d in decisions.current().items()}


def test_a_person_decides_by_keyboard_and_finds_it_again(chromium, served, run):
    _, url = served()
    with opened(chromium, url) as tab:
        assert tab.url == url.partition("?")[0]
        assert tab.locator("#label-given").inner_text() == HOSTILE[0]
        assert tab.locator("#label-suggested").inner_text() == HOSTILE[1]
        assert tab.locator("#confidence-text").inner_text() == "99 % sure, 100 % of 9 votes"
        assert tab.locator("#evidence figure").count() == 3
        assert tab.locator("#evidence-text").inner_text().startswith("Easy images behind the nearest anchors")
        assert (
            tab.locator("#picture").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 12
        )
        press(tab, "a")
        press(tab, "k")
        tab.keyboard.press("c")
        assert tab.locator("#matches li").all_inner_texts() == [
            f"{HOSTILE[0]}\nsuggested",
            f"{HOSTILE[2]}\ngiven",
            HOSTILE[1],
        ]
        tab.locator("#search").fill("CMD")
        assert tab.locator("#matches li").all_inner_texts() == [f"{HOSTILE[2]}\ngiven"]
        tab.locator("#search").fill("script")
        press(tab, "Enter")
        press(tab, "s")
        assert row_of(tab) == "4"
        assert decided(run) == {
            0: ("accept", HOSTILE[1]),
            1: ("keep", HOSTILE[1]),
            2: ("choose", HOSTILE[0]),
            3: ("skip", None),
        }
        tab.reload()
        tab.wait_for_selector("body[data-ready]")
        assert row_of(tab) == "4"
        assert tab.locator("[data-view=suggestions]").inner_text() == "Suggestions 3/20"
        press(tab, "u")
        assert (row_of(tab), tab.locator("#decision").inner_text()) == ("3", "")
        press(tab, "Control+z")
        assert row_of(tab) == "2"
        assert set(decided(run)) == {0, 1}
        press(tab, "ArrowLeft")
        assert tab.locator("#decision").inner_text() == f"Kept: {HOSTILE[1]}"


def test_names_that_are_markup_do_nothing(chromium, served):
    _, url = served()
    with opened(chromium, url) as tab:
        tab.keyboard.press("c")
        tab.wait_for_selector("#matches li")
        tab.keyboard.press("Escape")
        tab.locator("#bulk-button").click()
        tab.wait_for_selector("#bulk-shown figure")
        assert tab.locator("#bulk-shown figcaption").first.inner_text() == f"{HOSTILE[1]} \u2192 {HOSTILE[2]}"
        assert tab.locator("img[onerror], bdi *, script:not([src])").count() == 0


def test_many_are_accepted_after_a_preview_and_undone_at_once(chromium, served, run):
    _, url = served()
    with opened(chromium, url) as tab:
        tab.keyboard.press("b")
        tab.wait_for_selector("#bulk-shown figure")
        assert tab.locator("#bulk-count").inner_text() == "5 labels would change, the least sure first."
        tab.locator("#threshold").fill("0.9")
        tab.get_by_role("button", name="Accept 10").click()
        tab.wait_for_selector("#bulk", state="hidden")
        tab.wait_for_function("() => document.body.dataset.row === '10'")
        assert (
            tab.locator("#banner").inner_text()
            == "10 suggestions of 90 % and more accepted; U undoes them all."
        )
        assert len(decided(run)) == 10
        press(tab, "u")
        assert decided(run) == {}


def test_two_people_decide_at_once_and_hear_of_each_other(chromium, served, run):
    _, url = served()
    with opened(chromium, url) as one, opened(chromium, url, complaints=["409"]) as other:
        press(one, "a")
        other.wait_for_function("() => document.querySelector('#decision').textContent !== ''")
        assert other.locator("#decision").inner_text() == f"Accepted: {HOSTILE[1]}"
        assert "Another tab" in other.locator("#banner").inner_text()
        press(other, "n")
        press(other, "k")
        one.wait_for_function("() => document.querySelector('#decision').textContent !== ''")
        press(one, "u")
        assert decided(run) == {1: ("keep", HOSTILE[1])}
        # Before the other has heard of it: its decision would replace one that it never saw.
        other.evaluate("() => { Object.defineProperty(document, 'hidden', { value: true }) }")
        press(one, "n")
        assert row_of(one) == row_of(other) == "2"
        press(one, "a")
        other.keyboard.press("k")
        other.wait_for_function(
            "() => document.querySelector('#banner').textContent.includes('decided elsewhere')"
        )
        other.wait_for_function("() => document.querySelector('#decision').textContent !== ''")
        assert decided(run)[2] == ("accept", HOSTILE[0])
        assert other.locator("#decision").inner_text() == f"Accepted: {HOSTILE[0]}"
        press(other, "k")
        assert decided(run)[2] == ("keep", HOSTILE[2])


def test_a_killed_server_loses_nothing_and_the_page_says_so(chromium, served, run):
    process, url = served()
    # Whichever picture or answer was under way at the kill is missed under one of many error codes.
    with opened(chromium, url, complaints=["Failed to load resource: net::ERR_"]) as tab:
        for key in ("a", "k", "a"):
            press(tab, key)
        process.kill()
        process.join()
        tab.keyboard.press("a")
        tab.wait_for_function(
            "() => document.querySelector('#banner').textContent.includes('does not answer')"
        )
        assert row_of(tab) == "3"
    _, url = served()
    with opened(chromium, url) as tab:
        assert row_of(tab) == "3"
        assert tab.locator("[data-view=suggestions]").inner_text() == "Suggestions 3/20"
        press(tab, "u")
        assert row_of(tab) == "2"
    assert set(decided(run)) == {0, 1}


def test_an_answer_that_cannot_be_read_is_said_and_shows_nothing(chromium, served, run):
    _, url = served()
    with opened(chromium, url) as tab:
        row = row_of(tab)
        tab.route("**/api/item*", lambda route: route.fulfill(status=200, body='{"row": 1'))
        tab.keyboard.press("n")
        tab.wait_for_function(
            "() => document.querySelector('#banner').textContent.includes('unexpected answer 200')"
        )
        assert row_of(tab) == row
        tab.unroute("**/api/item*")
        press(tab, "n")


def test_the_end_of_a_list_says_how_to_write_the_labels(chromium, served, run):
    _, url = served()
    with opened(chromium, url) as tab:
        tab.locator("[data-view=uncertain]").click()
        tab.wait_for_function("() => document.body.dataset.row === '20'")
        assert tab.locator("#accept").is_disabled()
        press(tab, "s")
        for _ in range(9):
            press(tab, "k")
        assert tab.locator("#done-command").inner_text() == f"labelmend apply {run} --decisions"
        tab.locator("#done-skipped").click()
        tab.wait_for_function("() => document.body.dataset.row === '20'")
        press(tab, "k")
        assert tab.locator("#done-title").inner_text() == "Nothing in this list"


def test_where_nothing_is_suggested_one_key_takes_what_is_predicted(chromium, served, run):
    _, url = served()
    with opened(chromium, url) as tab:
        gap = below_labels(tab, "#accept")
        tab.locator("[data-view=uncertain]").click()
        tab.wait_for_function("() => document.body.dataset.row === '20'")
        assert tab.locator("#confidence-text").inner_text() == "nothing is suggested"
        tab.wait_for_selector("#evidence figure")
        said = tab.locator("#evidence-text").inner_text()
        assert said == "No anchor was near enough to vote. The nearest easy images:"
        assert below_labels(tab, "#accept") == gap
        tab.keyboard.press("a")
        for _ in range(9):
            press(tab, "ArrowRight")
        assert tab.locator("#accept").inner_text() == "Take predicted A"
        assert decided(run) == {}
        press(tab, "a")
        assert decided(run) == {29: ("choose", HOSTILE[0])}


def test_the_audit_sample_tells_how_many_labels_are_wrong(chromium, served):
    _, url = served()
    with opened(chromium, url) as tab:
        assert "0 of 30" in tab.locator("#audit").inner_text()
        tab.locator("[data-view=audit]").click()
        tab.wait_for_function("() => document.querySelector('#place').textContent === '1 of 30'")
        for _ in range(4):
            press(tab, "k" if tab.locator("#accept").is_disabled() else "a")
        assert re.fullmatch(
            r"Wrong labels: about \d+ % \(.+ % to \d+ %\)", tab.locator("#audit").inner_text()
        )


def test_a_class_filter_narrows_the_lists(chromium, served):
    _, url = served()
    with opened(chromium, url) as tab:
        tab.locator("#given").select_option(label=HOSTILE[1])
        tab.wait_for_function("() => document.body.dataset.row === '1'")
        assert tab.locator("#place").inner_text() == "1 of 7"
        assert tab.locator("[data-view=all]").inner_text() == "All images 0/16"
        press(tab, "a")
        assert (row_of(tab), tab.locator("[data-view=all]").inner_text()) == ("4", "All images 1/16")


def test_a_class_is_found_among_a_thousand(chromium, served):
    _, url = served()

    def with_more_classes(route):
        overview = route.fetch().json()
        overview["classes"] += [f"species {number}" for number in range(997)]
        route.fulfill(json=overview)

    with opened(chromium, url) as tab:
        tab.route("**/api/overview*", with_more_classes)
        tab.reload()
        tab.wait_for_selector("body[data-ready]")
        tab.keyboard.press("c")
        assert tab.locator("#matches li").count() == 50
        assert tab.locator("#matches-more").inner_text() == "and 950 more: type to narrow them down"
        tab.locator("#search").fill("SPECIES 77")
        assert tab.locator("#matches li").all_inner_texts() == [
            "species 77",
            *(f"species 77{n}" for n in range(10)),
        ]
        tab.keyboard.press("ArrowDown")
        assert tab.locator("#matches [aria-selected=true]").inner_text() == "species 770"
        tab.locator("#search").fill("nowhere")
        assert tab.locator("#matches-more").inner_text() == "no class of this name"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(chromium, served, faults_of_access, scheme, size):
    _, url = served()
    with opened(chromium, url, color_scheme=scheme, viewport=SIZES[size], bypass_csp=True) as tab:
        assert faults_of_access(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
        for key, shown in (("c", "#matches li"), ("b", "#bulk-shown figure"), ("?", "#help td")):
            tab.keyboard.press(key)
            tab.wait_for_selector(shown)
            assert faults_of_access(tab) == []
            tab.keyboard.press("Escape")
            tab.wait_for_function("() => document.querySelector('dialog[open]') === null")


def test_the_command_prints_the_address_and_at_the_end_what_comes_next(chromium, run):
    command = [sys.executable, "-m", "labelmend", "review", str(run), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with opened(chromium, re.search(r"http\S+", process.stdout.readline())[0]) as tab:
        press(tab, "a")
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"1 label decided, 1 of them changed. Next: labelmend apply {run} --decisions" in printed
