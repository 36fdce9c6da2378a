"""A front before a storage server: passes everything on, enforces what the server ignores, loses what it is told to.

`gcp-storage-emulator` overwrites an object that was to be created only if there is none (`ifGenerationMatch=0`); behind
this front it answers 412.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from email.parser import BytesParser
from http.client import HTTPConnection, HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "expect"}
PRECONDITION_FAILED = b'{"error": {"code": 412, "message": "At least one of the pre-conditions did not hold."}}'


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    headers: HTTPMessage
    body: bytes


class Front:
    """One server before another of this machine.

    Args:
      port: of the server behind.
      enforcing: whether creations of Google's API are held to their precondition.
    """

    def __init__(self, port: int, enforcing: bool = False) -> None:
        self.port, self.enforcing = port, enforcing
        self.loses: Callable[[str, str], bool] = lambda method, path: False
        """Whether the reply to a request is lost, by its method and path; the request itself is done."""
        self.answers: Callable[[str, str], int | None] = lambda method, path: None
        """A status to answer with instead of asking the server behind, or None."""
        self.creating = threading.Lock()
        self.uploads: dict[str, tuple[str, str]] = {}
        """Bucket and name of the creations that come in pieces, by the id of their upload."""

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Runs it; gives its URL."""
        handler = type("Handler", (_Handler,), {"front": self})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    front: Front
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # the client is gone
            self.close_connection = True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if status := self.front.answers(self.command, self.path):
            self._answer(Reply(status, HTTPMessage(), b""))
            return
        creates = _creation(self.command, self.path, self.headers, body, self.front) if self.front.enforcing else None
        with self.front.creating if creates else nullcontext():
            if creates and self._exists(*creates):
                reply = Reply(412, HTTPMessage(), PRECONDITION_FAILED)
            else:
                reply = self._ask(self.command, self.path, list(self.headers.items()), body)
                if creates and "Location" in reply.headers:
                    self.front.uploads[_query(reply.headers["Location"])["upload_id"]] = creates
        if self.front.loses(self.command, self.path):
            self.close_connection = True
        else:
            self._answer(reply)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET

    def _ask(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Reply:
        connection = HTTPConnection("127.0.0.1", self.front.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=bool(headers), skip_accept_encoding=True)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def _exists(self, bucket: str, name: str) -> bool:
        return self._ask("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}", [], b"").status == 200

    def _answer(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        if reply.status not in (204, 304):
            length = reply.headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)


def _creation(method: str, path: str, headers: HTTPMessage, body: bytes, front: Front) -> tuple[str, str] | None:
    """Bucket and name of the object that a request creates only if there is none."""
    query = _query(path)
    if "upload_id" in query:
        return front.uploads.get(query["upload_id"])
    if method != "POST" or query.get("ifGenerationMatch") != "0":
        return None
    bucket = urlsplit(path).path.partition("/b/")[2].partition("/")[0]
    return bucket, query.get("name") or _named_in(headers["Content-Type"], body)


def _named_in(kind: str, body: bytes) -> str:
    if kind.startswith("multipart/"):
        whole = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        body = whole.get_payload()[0].get_payload(decode=True)
    return json.loads(body)["name"]


def _query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
