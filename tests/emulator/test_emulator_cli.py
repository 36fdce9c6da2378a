"""The command line, the process around it, and the context managers."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from image_analysis_beam.emulator import Emulator, EmulatorProcess
from image_analysis_beam.emulator.behaviour import BehaviourError
from image_analysis_beam.emulator.cli import _parser, main, read_behaviour, read_options

from .conftest import Caller


def test_flags_become_options():
    flags = ["--key", "k", "--token", "t", "--model", "fruit", "--model", "shelves:detector", "--region", "East US"]
    flags += ["--tls"]
    options = read_options(_parser().parse_args(flags))
    assert (options.key, options.tokens, options.region, options.tls) == ("k", ("t",), "East US", True)
    assert options.models == {"fruit": "classifier", "shelves": "detector"}


def test_flags_become_behaviour(tmp_path):
    (tmp_path / "faults.json").write_text(json.dumps({"retired": False, "rules": [{"fault": "html"}]}))
    flags = ["--faults", str(tmp_path / "faults.json"), "--retired", "--hostile_text", "--no_text", "absent"]
    flags += ["--limit", "sliding:20/1", "--limit", "bucket:100/60:5", "--throttle_form", "ms"]
    flags += ["--latency", "tail:0.1:5:0.01", "--latency_seed", "3", "--chunked", "--gzip", "--close_idle_after", "0"]
    assert read_behaviour(_parser().parse_args(flags)) == {
        "rules": [{"fault": "html"}],
        "retired": True,
        "hostile_text": True,
        "no_text": "absent",
        "chunked": True,
        "gzip": True,
        "close_idle_after": 0.0,
        "throttle_form": "ms",
        "limits": [
            {"kind": "sliding", "calls": 20.0, "seconds": 1.0},
            {"kind": "bucket", "calls": 100.0, "seconds": 60.0, "burst": 5.0},
        ],
        "latency": {"kind": "tail", "seed": 3, "seconds": 0.1, "slow": 5.0, "probability": 0.01},
    }


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--limit", "often"], "--limit often: must be KIND:CALLS/SECONDS"),
        (["--limit", "leaky:3/1"], "limits[0].kind"),
        (["--latency", "fixed"], "--latency fixed: must be one of fixed:seconds"),
        (["--latency", "uniform:a:b"], "could not convert"),
        (["--model", "m:oracle"], "model m: must be classifier or detector"),
        (["--workers", "0"], "workers: must be at least 1"),
        (["--faults", "/nowhere/faults.json"], "No such file"),
    ],
)
def test_bad_flags_end_with_2_and_a_reason(capsys, flags, reason):
    assert main(flags) == 2
    assert reason in capsys.readouterr().err


def test_a_port_in_use_ends_with_2(emulator: Emulator, capsys):
    assert main(["--port", emulator.url.rpartition(":")[2]]) == 2
    assert "address already in use; --port 0 takes a free one" in capsys.readouterr().err
    assert main(["--port", "70000"]) == 2
    assert "--port 0 takes a free one" in capsys.readouterr().err


def test_a_process_of_its_own(picture: bytes):
    with EmulatorProcess("--key", "secret", "--limit=sliding:1/60") as emulator:
        assert emulator.key == "secret"
        caller = Caller(emulator)
        assert [caller.analyze(picture).status_code for _ in range(2)] == [200, 429]
        assert emulator.stats()["calls"] == 2
        emulator.reset()
        assert caller.analyze(picture).status_code == 200
        caller.session.close()


def test_a_process_that_cannot_start():
    with pytest.raises(RuntimeError, match="exit code is 2"), EmulatorProcess("--limit", "often"):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly_even_with_a_call_in_flight(number, picture: bytes):
    command = [sys.executable, "-m", "image_analysis_beam.emulator", "--port", "0", "--latency", "fixed:60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    port = int(process.stdout.readline().rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"POST /computervision/imageanalysis:analyze HTTP/1.1\r\nHost: x\r\n\r\n")
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""


def test_unknown_settings_are_refused():
    with pytest.raises(TypeError, match="unknown speed; known are chunked, close_idle_after"):
        Emulator(speed=3)
    with pytest.raises(BehaviourError, match=r"limits\[0\].calls: is required"):
        Emulator(limits=[{}])


def test_a_port_in_use_is_raised_in_the_caller(emulator: Emulator):
    with pytest.raises(OSError, match="address already in use"), Emulator(port=int(emulator.url.rpartition(":")[2])):
        pass


def test_nothing_listens_afterwards():
    with Emulator() as emulator:
        port = int(emulator.url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_in_a_thread_of_a_program_it_says_what_to_use_there(capsys):
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(main, ["--port", "0"]).result() == 2
    assert "in a thread, use Emulator(…)" in capsys.readouterr().err
