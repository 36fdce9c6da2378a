"""The certificate with which the emulator speaks TLS: made at the start, and signed by a CA of its own."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOSTS = ("localhost", "127.0.0.1", "::1")


@contextmanager
def certified() -> Iterator[tuple[ssl.SSLContext, str]]:
    """What the server's side needs, and the path of the CA's certificate, which is there as long as this is open."""
    import trustme  # takes as long as the rest of the start, which most emulators do without

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*HOSTS).configure_cert(context)
    with tempfile.TemporaryDirectory(prefix="emulator-") as folder:
        path = str(Path(folder) / "ca.pem")
        authority.cert_pem.write_to_path(path)
        yield context, path
