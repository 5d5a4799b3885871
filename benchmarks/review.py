"""How long does the review page take to answer a decision, with 50,000 rows?

A finished run is made whose table of verdicts has --rows rows (of pictures of 8 x 8 pixels), and
labelmend review is asked over HTTP as the page asks: a decision, then the next image with its status. Times
are of whole requests, disk included.

    python benchmarks/review.py --out benchmarks/results/review.json
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from labelmend import fit
from labelmend.review.guard import TOKEN_HEADER
from labelmend.review.server import HOST, listen, make_app
from labelmend.review.session import Session
from labelmend.training.machine import machine
from labelmend.verdicts.verdicts import Verdicts

TAB = "0" * 16
CLASSES = 10


def make_run(folder: Path, rows: int) -> Path:
    """A run on ``rows`` small pictures, of which two in five have a suggestion."""
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % CLASSES
    images = rng.integers(0, 60, (rows, 8, 8), dtype=np.uint8)
    images[np.arange(rows), :, labels % 8] = 230
    np.savez(folder / "data.npz", images=images, labels=labels)
    tiny = {"widths": [4], "depth": 1, "epochs": 1, "test": "none", "method": "ce"}
    out = folder / "run"
    fit(folder / "data.npz", out=out, **tiny)
    table = Verdicts.load(out).table
    suggests = rng.random(rows) < 0.4
    names = np.asarray(sorted(set(table["given_label"])), dtype=object)
    table["suggested_label"] = np.where(suggests, names[(labels + 1) % CLASSES], table["given_label"])
    table["verdict"] = np.where(suggests, "hard_corrected", "easy")
    table["suggestion_confidence"] = rng.random(rows)
    Verdicts(table).save(out)
    (out / "SHA256SUMS").unlink()
    return out


class Client:
    """The page, without a browser."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection(HOST, port)
        self._headers = {TOKEN_HEADER: token}
        self._connection.connect()
        # As browsers do.
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer, decoded."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, self._headers)
        answer = self._connection.getresponse()
        decoded = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {decoded}")
        return decoded


def seconds(work: Any) -> tuple[float, Any]:
    """Time of a call, and what it returned."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def measure(client: Client, decisions: int) -> dict[str, list[float]]:
    """Times of decisions, of what the page asks after each, and of one bulk."""
    times: dict[str, list[float]] = {"decide": [], "next": []}
    item = client.request("GET", "/api/item?view=suggestions&step=2")
    for _ in range(decisions):
        row = item["row"]
        body = {"row": row, "action": "accept", "tab": TAB}
        times["decide"].append(seconds(lambda b=body: client.request("POST", "/api/decide", b))[0])
        asked = time.perf_counter()
        item = client.request("GET", f"/api/item?view=suggestions&step=2&row={row}")
        client.request("GET", f"/api/status?row={item['row']}")
        times["next"].append(time.perf_counter() - asked)
    took, preview = seconds(lambda: client.request("GET", "/api/preview?confidence=0.5"))
    times["preview"] = [took]
    bulk = {"confidence": 0.5, "count": preview["count"], "tab": TAB}
    times["bulk"] = [seconds(lambda: client.request("POST", "/api/bulk", bulk))[0]]
    times["undo of the bulk"] = [seconds(lambda: client.request("POST", "/api/undo", {"tab": TAB}))[0]]
    return times


def main() -> None:
    import uvicorn

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--decisions", type=int, default=200)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder), arguments.rows)
        opening, session = seconds(lambda: Session(run))
        listener, token = listen(0), "token"
        port = listener.getsockname()[1]
        config = uvicorn.Config(make_app(session, token, port), log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        times = measure(Client(port, token), arguments.decisions)
        server.should_exit = True
        thread.join()
        session.decisions.close()
    result = {
        "rows": arguments.rows,
        "decisions": arguments.decisions,
        "opening_seconds": round(opening, 3),
        "median_milliseconds": {k: round(1000 * statistics.median(v), 2) for k, v in times.items()},
        "slowest_milliseconds": {k: round(1000 * max(v), 2) for k, v in times.items()},
        "machine": machine(),
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
