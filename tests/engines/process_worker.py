#!/usr/bin/env python
"""The part of Beam's `boot` binary: asks the runner what to run and becomes a Python SDK worker of this interpreter.

Runners start it for `--environment_type=PROCESS`. Unlike `boot` it installs nothing: what the job imports is here.
"""

import argparse
import os
import sys

import grpc
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc, endpoints_pb2
from google.protobuf import json_format, text_format


def main() -> None:
    flags = argparse.ArgumentParser()
    flags.add_argument("--id", required=True)
    flags.add_argument("--provision_endpoint", required=True)
    known, _ = flags.parse_known_args()
    worker_id = known.id.strip("'")
    info = provision_info(known.provision_endpoint, worker_id)
    environment = {
        "WORKER_ID": worker_id,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "CONTROL_API_SERVICE_DESCRIPTOR": descriptor(info.control_endpoint, known.provision_endpoint),
        "LOGGING_API_SERVICE_DESCRIPTOR": descriptor(info.logging_endpoint, known.provision_endpoint),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }
    command = [sys.executable, "-m", "apache_beam.runners.worker.sdk_worker_main"]
    os.execve(sys.executable, command, os.environ | environment)


def provision_info(endpoint: str, worker_id: str) -> beam_provision_api_pb2.ProvisionInfo:
    """What the runner has for this worker."""
    with grpc.insecure_channel(endpoint) as channel:
        stub = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        return stub.GetProvisionInfo(request, metadata=[("worker_id", worker_id)]).info


def descriptor(endpoint: endpoints_pb2.ApiServiceDescriptor, otherwise: str) -> str:
    """An endpoint in the text form in which workers take it."""
    return text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=endpoint.url or otherwise))


if __name__ == "__main__":
    main()
