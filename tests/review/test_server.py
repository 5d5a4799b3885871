import io
import json
import socket

import pytest
from PIL import Image
from starlette.testclient import TestClient

from labelmend.errors import RunError, WriteError
from labelmend.review.guard import TOKEN_HEADER
from labelmend.review.server import PAGE, STATIC, listen, make_app

from .conftest import HOSTILE

TOKEN, PORT = "the-token", 8123
BASE = f"http://127.0.0.1:{PORT}"
TAB = "0" * 16
KEEP = {"row": 0, "action": "keep", "tab": TAB}


@pytest.fixture
def stranger(session):
    """Somebody who has not been given the address."""
    return TestClient(make_app(session, TOKEN, PORT), base_url=BASE, follow_redirects=False)


@pytest.fixture
def browser(stranger):
    """The browser that opened the address."""
    assert stranger.get(f"/?token={TOKEN}").status_code == 303
    return stranger


def post(client, path, body, **headers):
    return client.post(path, content=json.dumps(body), headers={TOKEN_HEADER: TOKEN, **headers})


def test_the_address_gives_a_cookie_that_no_script_reads_and_the_page(stranger):
    answer = stranger.get(f"/?token={TOKEN}")
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and f"labelmend-{PORT}" in cookie
    page = stranger.get("/")
    assert page.status_code == 200
    assert "labelmend" in page.text


PATHS = ("/", "/api/overview", "/api/status", "/picture/large/0", "/static/app.js", "/nowhere")


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_nothing_is_answered(stranger, path):
    assert stranger.get(path).status_code == 403
    assert stranger.get(path, headers={"Cookie": f"labelmend-{PORT}=wrong"}).status_code == 403
    assert stranger.get(path, headers={"Cookie": f"labelmend-1={TOKEN}"}).status_code == 403
    assert stranger.get(path, headers={TOKEN_HEADER: "wrong"}).status_code == 403


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1], "%C3%A9", "%00"])
def test_a_wrong_token_opens_nothing(stranger, token):
    answer = stranger.get(f"/?token={token}")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:1", "", f"[::1]:{PORT}"]
)
@pytest.mark.parametrize("path", [*PATHS, f"/?token={TOKEN}"])
def test_a_foreign_host_is_refused(browser, path, host):
    assert browser.get(path, headers={"Host": host, TOKEN_HEADER: TOKEN}).status_code == 403


def test_browsers_leave_out_the_port_of_http(session):
    client = TestClient(make_app(session, TOKEN, 80), base_url="http://127.0.0.1", follow_redirects=False)
    assert client.get(f"/?token={TOKEN}").status_code == 303
    assert post(client, "/api/decide", KEEP, Origin="http://127.0.0.1").status_code == 200
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", f"https://127.0.0.1:{PORT}", ""]
)
def test_a_foreign_origin_is_refused(browser, session, origin):
    assert post(browser, "/api/decide", KEEP, Origin=origin).status_code == 403
    assert browser.get("/api/overview", headers={"Origin": origin}).status_code == 403
    assert session.status(None, None)["decided"] == 0


def test_a_request_that_another_page_caused_is_refused(browser):
    for site in ("cross-site", "same-site"):
        assert browser.get("/api/overview", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert browser.get("/api/overview", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_a_cookie_alone_changes_nothing(browser, session):
    for path, body in (("/api/decide", KEEP), ("/api/undo", {"tab": TAB})):
        assert browser.post(path, content=json.dumps(body)).status_code == 403
        assert (
            browser.post(path, content=json.dumps(body), headers={TOKEN_HEADER: "é".encode()}).status_code
            == 403
        )
    assert session.status(None, None)["decided"] == 0


def test_a_decision_is_noted_and_undone(browser, session):
    assert post(browser, "/api/decide", KEEP, Origin=BASE).status_code == 200
    assert session.status(None, 0)["decision"]["action"] == "keep"
    assert browser.get("/api/item?view=suggestions&row=0&step=0").json()["decision"]["action"] == "keep"
    assert post(browser, "/api/decide", KEEP).status_code == 409
    assert post(browser, "/api/undo", {"tab": TAB}).json() == {"row": 0}
    assert session.status(None, 0)["decision"] is None


def test_a_bulk_is_previewed_and_noted(browser, session):
    preview = browser.get("/api/preview?confidence=0.95").json()
    assert preview["count"] == 5
    bulk = {"confidence": 0.95, "seen": preview["seen"], "tab": TAB}
    assert post(browser, "/api/bulk", {**bulk, "seen": "0" * 64}).status_code == 409
    assert post(browser, "/api/bulk", bulk).status_code == 200
    assert session.status(None, None)["changed"] == 5


def test_what_the_disk_refuses_is_said_and_not_noted(browser, session, monkeypatch):
    def refuse(*_):
        raise WriteError("decisions.sqlite cannot be used: database or disk is full")

    monkeypatch.setattr(session.decisions, "record", refuse)
    answer = post(browser, "/api/decide", KEEP)
    assert (answer.status_code, "disk is full" in answer.json()["error"]) == (500, True)
    assert session.status(None, None)["decided"] == 0


TRAVERSALS = (
    "/picture/large/..",
    "/picture/large/../../data.csv",
    "/picture/large/..%2f..%2fdata.csv",
    "/picture/../0",
    "/picture/%2e%2e/0",
    "/picture/large/-1",
    "/picture/large/48",
    "/picture/large/0%00",
    "/picture/huge/0",
    "/static/../server.py",
    "/static/..%2fserver.py",
    "/static/%2e%2e%2fsession.py",
    "/static/index.html",
    "/static//etc/hosts",
    "/picture/large/99999999999999999999",
)


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leaves_the_data_set_or_the_page(browser, path):
    answer = browser.get(path)
    assert answer.status_code in (400, 404)
    assert len(answer.text) < 200


@pytest.mark.parametrize(
    "change",
    [
        {"row": "../x"},
        {"row": -1},
        {"row": 48},
        {"row": 1.5},
        {"row": None},
        {"action": "../accept"},
        {"label": ".."},
        {"action": "choose"},
        {"action": "choose", "label": 3},
        {"tab": "../.."},
        {"tab": ""},
        {"more": 1},
        {"row": 10**30},
    ],
)
def test_what_is_no_decision_is_refused_in_one_line(browser, session, change):
    answer = post(browser, "/api/decide", {**KEEP, **change})
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]
    assert session.status(None, None)["decided"] == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 4000])
def test_what_is_no_json_is_refused(browser, body):
    assert browser.post("/api/decide", content=body, headers={TOKEN_HEADER: TOKEN}).status_code == 400


def test_bodies_have_an_end(browser):
    assert post(browser, "/api/decide", {**KEEP, "tab": "0" * 10_000}).status_code == 413
    chunks = iter([b"{", b"}"])
    assert browser.post("/api/decide", content=chunks, headers={TOKEN_HEADER: TOKEN}).status_code == 413


@pytest.mark.parametrize(
    "query",
    [
        "view=..",
        "view=all&row=../0",
        "view=all&step=7",
        "view=all&row=99999",
        "view=all&row=-1",
        "view=all&given=x",
        "",
        "view=all&x=1",
    ],
)
def test_a_question_that_is_none_is_refused(browser, query):
    assert browser.get(f"/api/item?{query}").status_code == 400


def test_every_answer_forbids_what_the_page_does_not_need(browser):
    for path in (*PATHS, "/api/item?view=.."):
        headers = browser.get(path).headers
        assert dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; ")) == {
            **dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'"),
            **dict.fromkeys(("script-src", "style-src", "img-src", "connect-src"), "'self'"),
        }
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert (
            headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
        )
        assert "access-control-allow-origin" not in headers
    assert browser.get("/api/overview").headers["cache-control"] == "no-store"


def test_the_page_has_no_inline_script_style_or_request_to_elsewhere():
    page = (PAGE / "index.html").read_text()
    assert " style=" not in page and "<style" not in page and " onclick" not in page
    for name in ("index.html", *STATIC):
        text = (PAGE / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text and "//cdn" not in text
        assert "innerHTML" not in text and "insertAdjacentHTML" not in text and "document.write" not in text


def test_class_names_are_answered_as_they_are_in_json_alone(browser):
    assert browser.get("/api/overview").json()["classes"] == list(HOSTILE)
    assert browser.get("/api/overview").headers["content-type"] == "application/json"
    assert "alert(" not in browser.get("/").text


def test_pictures_are_sent_by_row(browser):
    answer = browser.get("/picture/large/4")
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (12, 12)
    assert answer.headers["cache-control"].startswith("private, ")
    assert browser.get("/picture/small/4").headers["content-type"] == "image/png"


def test_photographs_are_sent_small_and_fast(browser, review_data):
    photo = Image.effect_noise((2000, 1500), 64).convert("RGB")
    name = review_data.parent / '5 "quoted".png'
    before = name.read_bytes()
    photo.save(name)
    for size, side in (("large", 1024), ("small", 160)):
        answer = browser.get(f"/picture/{size}/5")
        assert answer.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).size == (side, side * 3 // 4)
    name.write_bytes(before)


def test_a_port_in_use_is_one_line():
    with listen(0) as taken, pytest.raises(RunError, match="--port"):
        port = taken.getsockname()[1]
        socket.create_connection(taken.getsockname(), timeout=5).close()
        assert taken.getsockname()[0] == "127.0.0.1"
        assert (taken.family, taken.proto) == (socket.AF_INET, socket.IPPROTO_TCP)
        listen(port)
