"""`transformers serve` in a process of its own, on a checkpoint made for the test."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# A command line with no script on PATH needed: the same interpreter that runs the tests.
SERVE = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'transformers'; main()"
PATIENCE = 60.0
"""Seconds for the server to come up."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(process: subprocess.Popen[bytes], base_url: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"transformers serve ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(base_url.removesuffix("/v1") + "/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"transformers serve did not answer within {PATIENCE:g} s: {log.read_text()[-2000:]}")


@contextmanager
def transformers_serve(folder: Path) -> Iterator[str]:
    """Serve any model whose path is asked for; the address ends in /v1. Log and caches go to ``folder``."""
    port, log = free_port(), folder / "log.txt"
    base_url = f"http://127.0.0.1:{port}/v1"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SERVE, "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with log.open("wb") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as process:
        try:
            wait_until_up(process, base_url, log)
            yield base_url
        finally:
            process.terminate()
            process.wait(timeout=30)
