"""``labelmend review``: go through the suggestions of a run in the browser."""

from __future__ import annotations

import webbrowser
from importlib.util import find_spec

from labelmend.cli.messages import plain_warnings, say
from labelmend.config import require
from labelmend.errors import SettingsError

HIGHEST_PORT = 65535


def review(run: str, audit: int = 100, port: int = 0, no_browser: bool = False, data: str = "") -> None:
    """Go through the suggestions of a run in the browser: accept, keep, choose another label.

    The page is on this machine only. Every decision is on the disk when it is answered; Ctrl-C ends.

    Args:
        run: run folder.
        audit: images of the random sample that the share of wrong labels is estimated from.
        port: of the page; 0 takes any that is free.
        no_browser: only print the address.
        data: the training images, if they have moved since the run.
    """
    require(audit >= 0, "audit", audit, "0 or more")
    require(0 <= port <= HIGHEST_PORT, "port", port, f"0 to {HIGHEST_PORT}")
    for package in ("starlette", "uvicorn"):
        if find_spec(package) is None:
            raise SettingsError(
                f"labelmend review needs {package}, which is not installed: pip install 'labelmend[review]'"
            )
    from labelmend.review.server import address, listen, new_token, serve
    from labelmend.review.session import Session

    with plain_warnings():
        session = Session(run, audit, data or None)
    listener, token = listen(port), new_token()
    if session.pictures.notice:
        say(f"note: {session.pictures.notice}")
    say(f"Review {run} at {address(listener, token)}")
    say("Keep the address to yourself; Ctrl-C here ends. Every decision is kept at once.")
    if not no_browser:
        webbrowser.open(address(listener, token))
    try:
        serve(session, listener, token)
    except KeyboardInterrupt as stopped:
        # Ctrl-C is how a review ends; SIGTERM is not, and has a class of its own.
        if type(stopped) is not KeyboardInterrupt:
            raise
    finally:
        say(session.farewell())
        session.decisions.close()
