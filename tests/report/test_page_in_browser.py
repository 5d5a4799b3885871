"""The page as a person meets it: in a browser, by mouse and by keyboard."""

import json
import shutil

import pytest

from labelmend.report.write import write_report

SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}


@pytest.fixture
def opened(chromium, page):
    """Function that opens the report; what the browser complains of and asks for fails the test."""
    complaints = []
    pages = []

    def open_page(path=page, **options):
        tab = chromium.new_page(**{"viewport": SIZES["desktop"], **options})
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on(
            "request",
            lambda request: request.url.startswith(("file:", "data:")) or complaints.append(request.url),
        )
        tab.goto(path.as_uri())
        pages.append(tab)
        return tab

    yield open_page
    for tab in pages:
        assert tab.evaluate("window.hacked") is None
        tab.close()
    assert complaints == []


def ids(tab):
    return tab.locator(".card").evaluate_all("(cards) => cards.map((card) => DATA.rows.id[card.dataset.row])")


def see_all(tab):
    for name in ("flow-plot", "quality-plot", "map-plot", "loss-plot"):
        tab.locator(f"#{name}").scroll_into_view_if_needed()
        tab.wait_for_selector(f"#{name} .main-svg, #{name}.empty")


def test_it_opens_with_a_sentence_and_the_suggestions(opened):
    tab = opened()
    assert "another label is suggested for 1 of 62 images" in tab.locator("h1").inner_text()
    assert tab.locator("[role=tab][aria-selected=true]").inner_text().startswith("Suggested corrections")
    assert tab.locator(".card").count() == 1
    assert "<img src=x onerror=hacked=1>" in tab.locator(".card").inner_text()
    assert tab.locator(".card .frame img").evaluate("(image) => image.naturalWidth") == 8


def test_tabs_search_and_classes_filter(opened):
    tab = opened()
    tab.get_by_role("tab", name="All").click()
    assert tab.locator("#status").inner_text() == "62 images."
    tab.locator("#search").fill("AGAIN1")
    assert ids(tab) == ["again1.png"]
    tab.locator("#search").fill("=cmd")
    assert len(ids(tab)) > 10
    tab.get_by_role("button", name="Clear").click()
    tab.locator("#given").select_option(label="=cmd()")
    tab.locator("#sort").select_option("id")
    found = ids(tab)
    assert found == sorted(found)
    assert 10 < len(found) < 30
    tab.locator("#search").fill("nothing like it")
    assert tab.locator("#status").inner_text() == "Nothing matches; Clear shows all."


def test_duplicates_stand_in_groups(opened):
    tab = opened()
    tab.get_by_role("tab", name="Duplicates").click()
    assert tab.locator(".copies").count() == 2
    assert tab.locator(".copies").first.locator(".card").count() == 2


def test_a_card_opens_by_key_and_closes_by_key(opened):
    tab = opened()
    tab.get_by_role("tab", name="Uncertain").click()
    first, second = ids(tab)[:2]
    tab.locator(".card").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    assert tab.locator("#detail-title").inner_text() == second
    assert tab.locator("#detail-evidence li").count() == 3
    tab.keyboard.press("ArrowLeft")
    assert tab.locator("#detail-title").inner_text() == first
    tab.keyboard.press("Escape")
    assert not tab.locator("#detail").is_visible()
    # The browser tells the page later that its dialog has closed.
    tab.wait_for_function("id => DATA.rows.id[document.activeElement.dataset.row] === id", arg=first)


def test_cards_say_what_is_predicted_and_what_their_evidence_is(opened):
    tab = opened()
    assert "Easy images behind the nearest anchors" in tab.locator(".card").first.inner_text()
    tab.get_by_role("tab", name="Uncertain").click()
    cards = tab.locator(".card")
    predicts = cards.evaluate_all(
        """(cards) => cards.map((card) => card.dataset.row).map((row) =>
          DATA.rows.predicted[row] === DATA.rows.given[row] ? "" : className(DATA.rows.predicted[row]))"""
    )
    texts = cards.all_inner_texts()
    assert any(predicts)
    for text, name in zip(texts, predicts, strict=True):
        assert (f"predicted {name}" in text) if name else ("predicted" not in text)
    assert "Nearest easy images" in texts[0]


def test_keys_reach_search_and_tabs(opened):
    tab = opened()
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "search"
    tab.locator("[role=tab][aria-selected=true]").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.id") == "tab-hard_clean"
    assert tab.locator("#tab-hard_clean").get_attribute("aria-selected") == "true"


def test_pointing_at_the_map_shows_the_image(opened):
    tab = opened()
    see_all(tab)
    tab.locator("#map-plot").scroll_into_view_if_needed()
    box = tab.locator("#map-plot .scatterlayer .point").first.bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.wait_for_selector("#tip:not([hidden])")
    assert tab.locator("#tip img").count() == 1
    assert "given" in tab.locator("#tip").inner_text()
    tab.locator("#map-choice").get_by_label("verdict").check()
    assert "Uncertain" in tab.locator("#map-plot .legend").text_content()


def at_cursor(tab):
    """Place on the map and text of the image that the keys are at."""
    return tab.evaluate("DATA.map.points[cursor]"), tab.locator("#map-said").inner_text()


def test_keys_move_among_the_images_of_the_map_and_open_one(opened, faults_of_access):
    tab = opened()
    see_all(tab)
    tab.locator("#map-choice input").first.focus()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "map-plot"
    assert tab.locator("#map-cursor").is_visible() and tab.locator("#tip img").is_visible()
    (x, y), said = at_cursor(tab)
    # The image in the middle may have none on one of its sides.
    key, side = next(
        (key, side)
        for key, side in (("ArrowRight", 1), ("ArrowLeft", -1))
        if tab.evaluate("way => neighbour(cursor, ARROWS[way]) !== cursor", key)
    )
    tab.keyboard.press(key)
    (right, up), then = at_cursor(tab)
    assert side * (right - x) >= abs(up - y) and then != said
    ring, area = (tab.locator(name).bounding_box() for name in ("#map-cursor", "#map-plot .nsewdrag"))
    ends = tab.evaluate("document.getElementById('map-plot').layout.xaxis.range")
    expected = area["x"] + (right - ends[0]) / (ends[1] - ends[0]) * area["width"]
    assert abs(ring["x"] + ring["width"] / 2 - expected) < 1
    assert faults_of_access(tab) == []
    tab.keyboard.press("Enter")
    assert tab.locator("#detail-title").inner_text() == then.partition(", ")[0]
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.id") == "map-plot"
    tab.keyboard.press("Shift+Tab")
    assert not tab.locator("#map-cursor").is_visible() and not tab.locator("#tip").is_visible()


def test_every_image_of_the_map_is_reached_by_keys_those_on_one_spot_too(opened):
    tab = opened()
    see_all(tab)
    reached = """() => {
      for (const at of [3, 9, 11]) DATA.map.points[at] = [...DATA.map.points[5]];
      const seen = new Set([0]);
      for (const at of seen) for (const way of Object.values(ARROWS)) seen.add(neighbour(at, way));
      return [seen.size, DATA.map.points.length, inView().length];
    }"""
    seen, points, in_view = tab.evaluate(reached)
    assert seen == points == in_view == 62


def test_keys_stay_among_the_images_in_view(opened):
    tab = opened()
    see_all(tab)
    ends = tab.evaluate("""() => {
      const [x, y] = DATA.map.points[0];
      const near = DATA.map.points.map(([a, b]) => Math.hypot(a - x, b - y)).sort((a, b) => a - b)[6];
      return [[x - near, x + near], [y - near, y + near]];
    }""")
    tab.locator("#map-plot").focus()
    tab.evaluate("([x, y]) => Plotly.relayout('map-plot', { 'xaxis.range': x, 'yaxis.range': y })", ends)
    (left, right), (low, high) = tab.evaluate("viewOf()")
    for key in ["ArrowRight"] * 4 + ["ArrowDown"] * 4 + ["ArrowLeft"] * 8 + ["ArrowUp"] * 8:
        tab.keyboard.press(key)
        (x, y), _ = at_cursor(tab)
        assert left <= x <= right and low <= y <= high


def test_a_cell_of_the_heat_map_shows_its_images(opened):
    tab = opened()
    see_all(tab)
    tab.locator("#flow-plot").scroll_into_view_if_needed()
    tab.locator("#flow-plot").get_by_text("1", exact=True).first.click(force=True)
    tab.wait_for_function("document.getElementById('suggested').value !== ''")
    assert len(ids(tab)) == 1


def test_classes_sort_by_a_column(opened):
    tab = opened()
    head = tab.locator("th").filter(has_text="images")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    counts = [int(text) for text in tab.locator("tbody tr td:nth-child(2)").all_inner_texts()]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_keeps_anyone_out(opened, faults_of_access, size, scheme):
    tab = opened(viewport=SIZES[size], color_scheme=scheme)
    see_all(tab)
    assert faults_of_access(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    tab.locator(".card").first.click()
    assert faults_of_access(tab) == []


def test_the_switch_goes_from_light_to_dark(opened):
    tab = opened(color_scheme="light")
    light = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.get_by_role("button", name="Switch between dark and light").click()
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (light, dark) == ("rgb(246, 247, 249)", "rgb(15, 20, 26)")


def test_a_page_without_pictures_says_so_and_works(opened, run, tmp_path, faults_of_access):
    copy = shutil.copytree(run, tmp_path / "run")
    record = json.loads((copy / "data.json").read_text())
    (copy / "data.json").write_text(json.dumps(record | {"source": str(tmp_path / "gone.csv")}))
    tab = opened(write_report(copy))
    see_all(tab)
    assert "This report has no pictures" in tab.locator("[role=note]").inner_text()
    assert tab.locator("#map-plot").inner_text().startswith("There is no map")
    assert not tab.locator("#map-choice").is_visible()
    assert tab.locator(".card").count() == 1
    tab.locator(".card").first.click()
    assert tab.locator("#detail-picture").inner_text() == "no picture in this page"
    assert faults_of_access(tab) == []
