"""A server of one file on this machine that answers byte ranges, and fails where a test tells it to.

It is a process of its own: while GDAL opens a file, no other thread of Python runs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

ERROR = "answers 500"
CUT = "closes the connection in the middle of a body"
HANG = "sends half of a body and then nothing"
NO_RANGES = "sends the whole file whatever was asked for"
ALWAYS = 10**9


class Fault(NamedTuple):
    """What goes wrong."""

    kind: str = ""
    first: int = 0  # byte: requests that end before it are answered well
    times: int = ALWAYS  # it happens, then no more
    after: int = 0  # requests beyond that byte that are answered well first


class Served(NamedTuple):
    """A file, and where it is served."""

    name: str
    address: str
    log: Path

    @property
    def scene(self) -> str:
        """What GDAL opens."""
        return f"/vsicurl/{self.address}/{self.name}"

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and path of each so far."""
        return [(method, path) for method, path, _ in self._log()]

    @property
    def sent(self) -> int:
        """Bytes of bodies that were asked for so far."""
        return sum(size for _, _, size in self._log())

    def _log(self) -> list[tuple[str, str, int]]:
        return [tuple(json.loads(line)) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def count(self, method: str = "GET") -> int:
        """Requests for the file itself."""
        return self.requests.count((method, f"/{self.name}"))


@contextmanager
def served(file: Path, fault: Fault = Fault()) -> Iterator[Served]:  # noqa: B008  # it can not be changed
    """Serve a file at `address`/NAME until the end; nothing else is found there."""
    log = file.with_name(f"{file.name}.{time.monotonic_ns()}.log")
    log.touch()
    arguments = [sys.executable, __file__, str(file), str(log), *map(str, fault)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield Served(file.name, f"http://127.0.0.1:{server.stdout.readline().strip()}", log)
        finally:
            server.kill()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file: Path
    log: Path
    data: bytes
    fault: Fault
    seen = 0  # requests beyond that byte

    def do_HEAD(self) -> None:
        self._answer(b"")

    do_CONNECT = do_HEAD

    def do_GET(self) -> None:
        self._answer(self.data)

    def _answer(self, body: bytes) -> None:
        known, size = self.path.partition("?")[0] == f"/{self.file.name}", len(self.data)
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = (int(found[1]), min(int(found[2]), size - 1)) if found else (0, size - 1)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps([self.command, self.path, last + 1 - first if known and body else 0]) + "\n")
        if not known:
            return self._head(404, 0)
        kind = self._kind(last) if body else ""
        if kind == ERROR:
            return self._head(500, 0)
        if not found or kind == NO_RANGES:
            self._head(200, size)
        else:
            self._head(206, last + 1 - first, f"bytes {first}-{last}/{size}")
            body = body[first : last + 1]
        return self._send(body, kind)

    def _kind(self, last: int) -> str:
        """What is wrong with an answer up to this byte."""
        if last < self.fault.first:
            return ""
        _Handler.seen += 1
        return self.fault.kind if 0 < _Handler.seen - self.fault.after <= self.fault.times else ""

    def _head(self, status: int, length: int, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()

    def _send(self, body: bytes, kind: str) -> None:
        broken = kind in (CUT, HANG)
        self.wfile.write(body[: len(body) // 2] if broken else body)
        self.wfile.flush()
        if kind == HANG:
            time.sleep(600)
        self.close_connection = self.close_connection or broken

    def log_message(self, *arguments: object) -> None:
        """Nothing is printed."""


def _serve(file: str, log: str, kind: str, *numbers: str) -> None:
    _Handler.file, _Handler.log, _Handler.data = Path(file), Path(log), Path(file).read_bytes()
    _Handler.fault = Fault(kind, *map(int, numbers))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
