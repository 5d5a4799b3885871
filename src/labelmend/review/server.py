"""The review page on a port of this machine."""

from __future__ import annotations

import io
import secrets
import socket
from collections.abc import Callable
from html import escape
from importlib.resources import files
from typing import Annotated, Any, Literal

import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from labelmend.errors import DataError, LabelmendError, RunError
from labelmend.files import reason
from labelmend.review.guard import Guard
from labelmend.review.session import Conflict, Session

HOST = "127.0.0.1"
PAGE = files("labelmend.review") / "page"
STATIC = {
    "icon.svg": "image/svg+xml",
    "style.css": "text/css",
    "app.js": "text/javascript",
    "server.js": "text/javascript",
    "dialogs.js": "text/javascript",
}
LARGE, SMALL = 1024, 160
"""Largest side of a picture in pixels, by itself and among others."""
PIXELS_COUNT = 256
"""Pictures up to this side are sent without loss, unless they were made smaller."""
QUALITY = 90
"""Of JPEG: what is looked at must not be faults of compression."""

Row = Annotated[int, Field(ge=0)]
View = Literal["suggestions", "uncertain", "audit", "skipped", "all"]
Tab = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Item(_Question):
    """Which image to show; see ``Session.item``."""

    view: View
    given: Row | None = None
    row: Row | None = None
    step: Annotated[int, Field(ge=-1, le=2)] = 0


class Status(_Question):
    """Progress, with an image or without."""

    given: Row | None = None
    row: Row | None = None


class Nearest(_Question):
    """Which image to find the nearest easy ones of."""

    row: Row


class Preview(_Question):
    """Which suggestions to accept at once."""

    confidence: Annotated[float, Field(ge=0, le=1)]
    given: Row | None = None


class Bulk(Preview):
    """Accept them, if they are those that were seen."""

    seen: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    tab: Tab


class Decide(_Question):
    """A decision; see ``Session.decide``."""

    row: Row
    action: Literal["accept", "keep", "choose", "skip"]
    label: Row | None = None
    seen: str | None = None
    tab: Tab


class Undo(_Question):
    """Take back what a tab did last."""

    tab: Tab


def make_app(session: Session, token: str, port: int) -> ASGIApp:
    """The guarded application.

    Args:
        session: of the run.
        token: the secret of the address.
        port: that will be listened to.
    """
    page = (PAGE / "index.html").read_text(encoding="utf-8").replace("{token}", escape(token))

    def decide(asked: Decide) -> Any:
        session.decide(asked.row, asked.action, asked.label, asked.seen, asked.tab)
        return {}

    def accept_all(asked: Bulk) -> Any:
        session.accept_all(asked.confidence, asked.given, asked.seen, asked.tab)
        return {}

    return Guard(
        Starlette(
            routes=[
                Route("/", lambda _: Response(page, media_type="text/html")),
                Route("/static/{name}", _static),
                Route("/picture/{size}/{row:int}", _picture_of(session)),
                Route("/api/overview", lambda _: JSONResponse(session.overview())),
                _get("item", Item, lambda a: session.item(a.view, a.given, a.row, a.step)),
                _get("status", Status, lambda a: session.status(a.given, a.row)),
                _get("nearest", Nearest, lambda a: session.nearest(a.row)),
                _get("preview", Preview, lambda a: session.preview(a.confidence, a.given)),
                _post("decide", Decide, decide),
                _post("undo", Undo, lambda a: {"row": session.undo(a.tab)}),
                _post("bulk", Bulk, accept_all),
            ]
        ),
        token,
        port,
    )


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        return PlainTextResponse("there is no such file", status_code=404)
    return Response((PAGE / name).read_bytes(), media_type=STATIC[name])


def _picture_of(session: Session) -> Callable[[Request], Response]:
    def picture(request: Request) -> Response:
        side = {"large": LARGE, "small": SMALL}.get(request.path_params["size"])
        if side is None:
            return PlainTextResponse("there is no such size", status_code=404)
        try:
            image = session.pictures.image(session.picture_id(request.path_params["row"]), side)
        except DataError as error:
            return PlainTextResponse(str(error), status_code=404)
        stream = io.BytesIO()
        kind = "png" if max(image.size) <= PIXELS_COUNT and max(image.size) < side else "jpeg"
        image.save(stream, kind.upper(), quality=QUALITY)
        # The address holds a hash of the run (v=), so that another run on this port is not mixed up with it.
        headers = {"Cache-Control": "private, max-age=600"}
        return Response(stream.getvalue(), media_type=f"image/{kind}", headers=headers)

    return picture


def _get(name: str, model: type[Any], answer: Callable[[Any], Any]) -> Route:
    async def endpoint(request: Request) -> Response:
        return await _answer(lambda: model(**request.query_params), answer)

    return Route(f"/api/{name}", endpoint, methods=["GET"])


def _post(name: str, model: type[Any], answer: Callable[[Any], Any]) -> Route:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        return await _answer(lambda: model.model_validate_json(body), answer)

    return Route(f"/api/{name}", endpoint, methods=["POST"])


async def _answer(ask: Callable[[], Any], answer: Callable[[Any], Any]) -> Response:
    try:
        return JSONResponse(await run_in_threadpool(answer, ask()))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return JSONResponse({"error": f"{where}: {first['msg']}"}, status_code=400)
    except Conflict as error:
        return JSONResponse({"error": str(error)}, status_code=409)
    except RunError as error:
        return JSONResponse({"error": str(error)}, status_code=500)
    except LabelmendError as error:
        return JSONResponse({"error": str(error)}, status_code=400)


def listen(port: int) -> socket.socket:
    """A port of this machine that only this machine reaches; 0 takes any that is free.

    Raises:
        RunError: If the system refuses.
    """
    # Only where the protocol is named does asyncio send answers at once; each would wait 40 ms else.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        # A browser that is quicker than the server waits, and is not refused.
        listener.listen()
    except OSError as error:
        listener.close()
        raise RunError(f"--port {port} cannot be used: {reason(error)}; give another, or 0") from error
    return listener


def new_token() -> str:
    """A secret that nobody guesses."""
    return secrets.token_urlsafe(24)


def address(listener: socket.socket, token: str) -> str:
    """Where the page is."""
    return f"http://{HOST}:{listener.getsockname()[1]}/?token={token}"


def serve(session: Session, listener: socket.socket, token: str) -> None:
    """Answer until Ctrl-C, which is raised again when the last answer is out."""
    app = make_app(session, token, listener.getsockname()[1])
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
    )
    uvicorn.Server(config).run(sockets=[listener])
