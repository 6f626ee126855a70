"""One simulated provider and one Signalbox server for all client-library tests, both on free ports.

SIGNALBOX_BIN names the binary (default: build/release/apps/signalbox/signalbox of this repository).
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60
# Tries of one call at one provider: the first and two more. Tests count them.
ATTEMPTS = 3
FAULTY_MODELS = [
    "sim-error-500",
    "sim-error-400",
    "sim-429",
    "sim-flaky",
    "sim-slow",
    "sim-garbage",
    "sim-garbage-stream",
    "sim-break-stream",
    "sim-no-usage",
    "sim-echo",
]


def binary() -> Path:
    path = Path(os.environ.get("SIGNALBOX_BIN", ROOT / "build/release/apps/signalbox/signalbox"))
    if not path.is_file():
        pytest.exit(f"{path} is not there: build it, or name it in SIGNALBOX_BIN", returncode=4)
    return path.resolve()


def closed_port() -> int:
    """A port on which nobody listens, and which nobody gets while the socket is bound."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    HOLDERS.append(holder)  # bound but never listening: every connection is refused
    return holder.getsockname()[1]


HOLDERS: list[socket.socket] = []


def wait_for(process: subprocess.Popen, log: Path, ready):
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (value := ready()):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.exit(f"{process.args[1]} did not start:\n{log.read_text(errors='replace')[-3000:]}", returncode=4)
        time.sleep(0.01)
    return value


def launch(arguments: list[str], log: Path) -> subprocess.Popen:
    with log.open("wb") as out:
        return subprocess.Popen(
            [str(binary()), *arguments], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )


def text_of(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


class Journal:
    """What the provider received."""

    def __init__(self, path: Path):
        self._path = path

    def entries(self) -> list[dict]:
        return [json.loads(line) for line in text_of(self._path).splitlines()]

    def calls(self, marker: str) -> list[dict]:
        """Requests whose body holds `marker`."""
        return [entry for entry in self.entries() if marker in json.dumps(entry["body"], ensure_ascii=False)]


@dataclass
class Server:
    url: str  # "http://127.0.0.1:PORT"
    key: str
    journal: Journal

    @property
    def base_url(self) -> str:
        return self.url + "/v1"

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, dict, bytes]:
        """A request no client library would send: (status, headers in lower case, body)."""
        sent = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        request = urllib.request.Request(self.url + path, data=body, headers=sent, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


@pytest.fixture(scope="session")
def simulator(tmp_path_factory):
    work = tmp_path_factory.mktemp("simulator")
    answers = work / "answers.jsonl"
    answers.write_text(
        json.dumps({"match": "", "answer": "This is a canned answer of some length, for every question."}) + "\n"
    )
    log, port_file, journal = work / "log", work / "port", work / "journal.jsonl"
    process = launch(
        [
            "simulate",
            "--listen",
            "127.0.0.1:0",
            "--port-file",
            str(port_file),
            "--answers",
            str(answers),
            "--journal",
            str(journal),
            "--model",
            "simulated",
        ],
        log,
    )
    port = wait_for(process, log, lambda: text_of(port_file))
    yield f"127.0.0.1:{port}", Journal(journal)
    process.terminate()
    process.wait(20)


def configuration(simulator_address: str) -> dict:
    # No breaker gets in the way: each test sees its own fault, whatever the others provoked.
    patient = {"retries": {"max": ATTEMPTS - 1, "base_ms": 1, "cap_ms": 5}, "breaker": {"failures": 1000}}
    price = {"price": {"input": 1_000_000, "output": 4_000_000}}
    models = {name: dict(price) for name in ["simulated", *FAULTY_MODELS]}
    return {
        "providers": {
            "sim": {"type": "openai", "base_url": f"http://{simulator_address}/v1", "models": models, **patient},
            "down": {
                "type": "openai",
                "base_url": f"http://127.0.0.1:{closed_port()}/v1",
                "models": {"unreachable": dict(price)},
                **patient,
            },
        },
        "tiers": {tier: {"deployments": [{"provider": "sim", "model": "simulated"}]} for tier in ("small", "large")},
    }


@pytest.fixture(scope="session")
def server(simulator, tmp_path_factory):
    address, journal = simulator
    work = tmp_path_factory.mktemp("server")
    config, data, log = work / "signalbox.yaml", work / "data", work / "log"
    config.write_text(json.dumps(configuration(address)))  # JSON is YAML
    made = subprocess.run([str(binary()), "init", "--data", str(data)], capture_output=True, text=True, check=True)
    key = re.search(r"api key: (sbk_\S+)", made.stdout).group(1)
    process = launch(["serve", "--config", str(config), "--data", str(data), "--listen", "127.0.0.1:0"], log)
    port = wait_for(process, log, lambda: text_of(data / "listen")).rpartition(":")[2]
    server = Server(f"http://127.0.0.1:{port}", key, journal)
    wait_for(process, log, lambda: answers(server.url + "/readyz"))
    yield server
    process.terminate()
    assert process.wait(40) == 0, "the server did not end cleanly on SIGTERM"


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture
def marker(request) -> str:
    """A word of this test alone: finds its requests in the provider's journal."""
    return f"marker-{re.sub(r'[^a-z0-9]+', '-', request.node.name.lower())}-{os.urandom(4).hex()}"
