"""What is Azure's alone: one account, signatures in its connection, copies that go on after the answer."""

from __future__ import annotations

import socket
import traceback
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from uuid import uuid4

import pytest
import requests
from apache_beam.io.filesystem import BeamIOError
from apache_beam.options.pipeline_options import PipelineOptions
from azure.core.exceptions import AzureError
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from image_analysis_beam.pipeline.failures import storage_failure
from image_analysis_beam.transforms.files.azure import AzureStore, session_of
from image_analysis_beam.transforms.files.store import store_of
from stand_ins.servers import ACCOUNT, ACCOUNT_KEY


@pytest.mark.parametrize("use", ["find", "read", "open", "open_new"])
def test_another_account_than_that_of_the_connection_is_refused(azure, use):
    other = azure.replace(ACCOUNT, "another")
    with pytest.raises(OSError, match=f"the connection is to the storage account {ACCOUNT}, not to another"):
        getattr(store_of(other), use)(f"{other}/a")


def test_a_signature_opens_it_and_is_not_shown(azurite, new_folder):
    folder = new_folder("azure")
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    rights = AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True)
    signature = generate_account_sas(
        ACCOUNT, ACCOUNT_KEY, ResourceTypes(service=True, container=True, object=True), rights, tomorrow
    )
    endpoint = f"http://127.0.0.1:{azurite}/{ACCOUNT}"
    options = ["--azure_connection_string", f"BlobEndpoint={endpoint};SharedAccessSignature={signature}"]
    store = AzureStore(PipelineOptions(options))
    names = [f"{folder}/{number}" for number in range(3)]
    for name in names:
        assert store.create(name, b"x")
    store.move(names[0], f"{folder}/moved #1")
    store.remove(names)
    assert [file.path for file in store.listing(f"{folder}/")] == [f"{folder}/moved #1"]
    with pytest.raises(OSError, match="missing") as error:
        store.move(f"{folder}/missing", names[0])
    assert "sig=" not in repr(error.value)


def test_an_account_that_is_away_is_told_of_without_the_signature():
    secret = uuid4().hex
    with socket.socket() as unused, session_of(1) as session:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(requests.ConnectionError) as error:
            session.get(f"http://127.0.0.1:{unused.getsockname()[1]}/c/b?restype=container&sv=1&sig={secret}%3D")
    told = "".join(traceback.format_exception(error.value))
    assert "/c/b?…" in told
    assert secret not in told
    lost = BeamIOError("Read operation failed", {"azfs://a/c/b": f"with url: /c/b?sv=1&sig={secret}%3D (refused)"})
    assert secret not in str(storage_failure(lost))


@pytest.mark.parametrize("end", ["success", "failed"])
def test_a_source_is_removed_when_its_copy_is_there(azure, end):
    pauses: list[float] = []
    store = AzureStore(PipelineOptions([]), pauses.append)
    states = iter(["pending", "pending", end])
    copy = SimpleNamespace(get_blob_properties=lambda: SimpleNamespace(copy=SimpleNamespace(status=next(states))))
    if end == "success":
        store._finish_copy(copy, "pending")
    else:
        with pytest.raises(AzureError, match="the copy ended as failed"):
            store._finish_copy(copy, "pending")
    assert len(pauses) == 3
