"""Who may talk to the review page: the browser that was given its address, and no other page in it."""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "X-Labelmend-Token"
HTTP_PORT = 80
LARGEST_BODY = 4096
"""Bytes; a decision has a hundred."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Refuses every request that does not come from the page that was opened with the token.

    The Host header keeps out names that somebody else lets point here, the Origin header other pages, and
    the token everybody else on this machine. It comes in the address once, then in a cookie that no script
    reads; what changes anything must carry it in a header too, which no other page can set.

    Args:
        app: what is guarded.
        token: the secret.
        port: that is listened to.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        # Browsers leave out the port that HTTP has by default.
        ends = (f":{port}", "") if port == HTTP_PORT else (f":{port}",)
        self._hosts = {name + end for name in ("127.0.0.1", "localhost") for end in ends}
        # Cookies do not know of ports: two reviews at once must not share one.
        self._cookie = f"labelmend-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse and say why."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        answer = self._refusal(Request(scope))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await (answer or self._app)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        headers = request.headers
        if headers.get("host") not in self._hosts:
            return _refuse("this page answers to 127.0.0.1 only")
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return _refuse("another page asked")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return _refuse("another page asked")
        if request.method == "GET" and request.url.path == "/" and "token" in request.query_params:
            return self._enter(request.query_params["token"])
        in_header = self._is_token(headers.get(TOKEN_HEADER))
        if not in_header and (request.method not in ("GET", "HEAD") or not self._has_cookie(headers)):
            return _refuse("open the address that labelmend review printed last")
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal() or int(length) > LARGEST_BODY:
            return PlainTextResponse("too much", status_code=413)
        return None

    def _enter(self, token: str) -> Response:
        """Put the token into a cookie, and take it out of the address."""
        if not self._is_token(token):
            return _refuse("open the address that labelmend review printed last")
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
        return answer

    def _has_cookie(self, headers: Headers) -> bool:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return found is not None and self._is_token(found.value)

    def _is_token(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(
            given.encode("utf-8", "replace"), self._token.encode()
        )


def _refuse(why: str) -> Response:
    return PlainTextResponse(f"refused: {why}", status_code=403)
