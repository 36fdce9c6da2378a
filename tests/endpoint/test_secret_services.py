"""Which failures of those who give secrets may pass by themselves: the exceptions that their clients really raise."""

import socket
import ssl
import threading

import pytest
import requests
from azure.core import exceptions as azure
from azure.identity import CredentialUnavailableError
from google.api_core import exceptions as google
from google.auth import exceptions as google_auth

from image_analysis_beam.transforms.endpoint import secret_services
from image_analysis_beam.transforms.endpoint.credentials import EnvironmentKey, IssuedToken
from image_analysis_beam.transforms.endpoint.kept_secret import CredentialError, CredentialUnavailable
from image_analysis_beam.transforms.endpoint.secret_services import may_pass, within


def because(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def with_status(error: azure.HttpResponseError, status: int) -> azure.HttpResponseError:
    error.status_code = status
    return error


PASSING = [
    requests.ConnectionError(),
    requests.ReadTimeout(),
    requests.exceptions.ChunkedEncodingError(),
    ConnectionResetError(),
    TimeoutError(),
    google.ServiceUnavailable("x"),
    google.TooManyRequests("x"),
    google.ResourceExhausted("x"),
    google.DeadlineExceeded("x"),
    google.InternalServerError("x"),
    google.Unknown("x"),
    google.RetryError("x", TimeoutError()),
    google_auth.TransportError("x"),
    google_auth.RefreshError("x", retryable=True),
    because(google_auth.RefreshError("x"), google_auth.TransportError("x")),
    azure.ServiceRequestError("x"),
    azure.ServiceResponseTimeoutError("x"),
    with_status(azure.HttpResponseError("x"), 503),
    because(azure.ClientAuthenticationError("x"), azure.ServiceRequestError("x")),
]
LASTING = [
    ValueError("x"),
    FileNotFoundError("x"),
    requests.exceptions.InvalidURL(),
    because(requests.exceptions.SSLError(), ssl.SSLCertVerificationError("x")),
    google.NotFound("x"),
    google.PermissionDenied("x"),
    google.Unauthenticated("x"),
    google.InvalidArgument("x"),
    google_auth.DefaultCredentialsError("x"),
    google_auth.RefreshError("x"),
    azure.ClientAuthenticationError("x"),
    with_status(azure.ClientAuthenticationError("x"), 401),
    because(CredentialUnavailableError("x"), azure.ServiceRequestError("x")),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass(error):
    assert may_pass(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_lasts(error):
    assert not may_pass(error)


def test_work_in_time_returns_or_raises():
    assert within(10, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(10, lambda: 1 / 0)


def test_work_that_hangs_is_left_behind():
    goes_on = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.01, lambda: goes_on.wait(30))
    goes_on.set()


@pytest.mark.parametrize("had_a_token", [False, True])
def test_a_name_that_nobody_knows_is_misspelt_unless_it_was_known(monkeypatch, scripted, had_a_token):
    monkeypatch.setattr(secret_services, "get_environ_proxies", lambda _: {})
    monkeypatch.setenv("VISION_KEY", "k")
    scripted.answers = [(200, {}, b"token")]
    credential = IssuedToken(EnvironmentKey(), scripted.url.replace("127.0.0.1", "localhost"))
    sent = credential.headers() if had_a_token else {}

    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert credential.refused(sent)
    with pytest.raises(CredentialError, match="no machine has this name") as error:
        credential.headers()
    assert isinstance(error.value, CredentialUnavailable) == had_a_token
