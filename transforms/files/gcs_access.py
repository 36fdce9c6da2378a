"""Whether `gs://` can be reached from here at all: said before anything is spent."""

from __future__ import annotations

import logging
import os
import threading
from functools import cache

EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"
SECONDS = 10.0  # to look for credentials: off Google's own machines, a look for their metadata server may hang


def go_anonymous_with_an_emulator() -> None:
    """Where an emulator is set, tells Beam that the search for credentials has ended with none.

    Without credentials Beam looks for some for 25 s in every process, although no emulator wants any.
    """
    if os.environ.get(EMULATOR_VARIABLE):
        from apache_beam.internal.gcp import auth

        auth._Credentials._credentials_init = True


def gcs_obstacle() -> tuple[str, str] | None:
    """What stands against the use of any path: the rule, and the fix; None where nothing is seen to."""
    if os.environ.get(EMULATOR_VARIABLE) or _has_credentials():
        return None
    return (
        "there are no Google Cloud credentials here",
        "run: gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key file",
    )


@cache
def _has_credentials() -> bool:
    """Whether some are found, looked for once in a process.

    Beam looks five times within half a minute, logs the frames of each, and then asks as nobody.
    """
    found: list[object] = []
    thread = threading.Thread(target=_look_for_credentials, args=[found], daemon=True)
    thread.start()
    thread.join(SECONDS)
    return bool(found)


def _look_for_credentials(found: list[object]) -> None:
    import google.auth

    logging.getLogger("google.auth").setLevel(logging.ERROR)  # it warns of every place where there are none
    try:
        found.append(google.auth.default(["https://www.googleapis.com/auth/devstorage.read_write"]))
    except Exception:
        return
