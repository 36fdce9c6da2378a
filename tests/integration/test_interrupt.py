"""Ctrl-C: calls in flight end, the rest is deferred, everything paid for is in the tables."""

import json
import signal
import subprocess
import sys
import threading


def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(emulator, run, pictures, tmp_path):
    folder = pictures(100)[0].parent
    emulator.set_faults({"latency": {"seconds": 0.05}})
    flags = ["--images", str(folder / "*.png"), "--output", str(tmp_path / "out"), "--features", "tags"]
    command = [sys.executable, "-m", "image_analysis_beam.pipeline", "run", *flags, "--requests_per_second", "40"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while emulator.stats()["calls"] < 20:
        threading.Event().wait(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "stopping: calls in flight end" in err
    assert "interrupted: stopped by Ctrl-C; run the same command again" in err
    assert "Traceback" not in err
    (manifest,) = (json.loads(path.read_text()) for path in (tmp_path / "out" / "runs").glob("*.json"))
    analyzed = manifest["conservation"]["analyzed"]
    assert analyzed + manifest["deferred"]["interrupted"] == 100
    assert analyzed == emulator.stats()["calls"]
    assert run("--images", folder / "*.png").code == 0
    assert emulator.stats()["calls"] == 100
