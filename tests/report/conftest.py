"""A headless Chromium, driven over its DevTools protocol, and the facts of a report's page."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --remote-debugging-port=0 "
    "--force-color-profile=srgb"
)


class Browser:
    """One page of a headless Chromium. `requests` and `complaints` are what it asked for and logged since `open`."""

    def __init__(self, profile: Path) -> None:
        self._process = subprocess.Popen(
            [str(CHROMIUM), *_FLAGS.split(), f"--user-data-dir={profile}", "about:blank"],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._loop = asyncio.new_event_loop()
        self._call_number = 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        address = self._debugging_address()
        # Chromium goes on to log; a full pipe would stop it.
        self._drain = threading.Thread(target=self._process.communicate)
        self._drain.start()
        self._run(self._connect(address))
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)

    def open(self, path: Path, width: int = 1280, dark: bool = False) -> None:
        """Loads a file from disk and waits until it has loaded."""
        self.requests.clear()
        self.complaints.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **screen)
        self.send("Page.navigate", url=path.resolve().as_uri())
        self._run(self._receive(lambda message: message.get("method") == "Page.loadEventFired"))

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol; returns its result."""
        self._call_number += 1
        number = self._call_number
        self._run(self._socket.send_json({"id": number, "method": method, "params": params}))
        answer = self._run(self._receive(lambda message: message.get("id") == number))
        assert "error" not in answer, answer
        return dict(answer["result"])

    def close(self) -> None:
        """Ends the browser."""
        self._run(self._session.close())
        self._process.terminate()
        self._drain.join()
        self._loop.close()

    def _debugging_address(self) -> str:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith("DevTools listening on ws://"):
                return line.split("ws://")[1].split("/")[0]
        raise AssertionError("chromium ended before it listened")

    async def _connect(self, address: str) -> None:
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://{address}/json/list") as reply:
            pages = [target for target in await reply.json() if target["type"] == "page"]
        self._socket = await self._session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)

    async def _receive(self, is_awaited: Any) -> dict[str, Any]:
        while True:
            message = json.loads(await self._socket.receive_str(timeout=30))
            self._note(message)
            if is_awaited(message):
                return dict(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent" and not params["request"]["url"].startswith("data:"):
            self.requests.append(params["request"]["url"])
        elif method in (
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
            "Page.javascriptDialogOpening",
        ):
            self.complaints.append(json.dumps(params))

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium; tests that need it are skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install -y chromium, then run pytest tests/report again")
    running = Browser(tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


class Web:
    """The example photos on a web server; `requests` counts what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.requests = 0
        web = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args, directory=str(folder))

            def log_message(self, *args: Any) -> None:
                web.requests += 1

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def url(self, name: str) -> str:
        """The URL of a photo."""
        return f"http://127.0.0.1:{self.server.server_port}/{name}"


@pytest.fixture
def web() -> Iterator[Web]:
    """The example photos on a web server."""
    running = Web(Path(__file__).parents[2] / "examples" / "photos")
    threading.Thread(target=running.server.serve_forever, daemon=True).start()
    yield running
    running.server.shutdown()
    running.server.server_close()
