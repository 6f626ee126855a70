"""Starts, kills and questions real Signalbox processes. Standard library only."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path


ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60


def binary() -> str:
    path = Path(os.environ.get("SIGNALBOX_BIN", ROOT / "build/release/apps/signalbox/signalbox"))
    assert path.is_file(), f"{path} is not there: build it, or name it in SIGNALBOX_BIN"
    return str(path.resolve())


def cli(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=120, **options)


def until(what, condition, timeout_s: float = START_TIMEOUT_S):
    """Polls for a state of another process: the only place where tests wait by the clock."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"gave up waiting for {what}"
        time.sleep(0.01)


class Reply:
    def __init__(self, status: int, headers: dict, body: bytes):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def call(address: str, method: str, path: str, body=None, headers=None, timeout=60) -> Reply:
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class Process:
    def __init__(self, arguments: list[str], log: Path, environment: dict | None = None):
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen([binary(), *arguments], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **(environment or {})})

    def wait_for_file(self, path: Path) -> str:
        def ready():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log.read_text(errors='replace')[-3000:]}"
            return path.exists() and path.read_text().strip()

        return until(str(path), ready)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


class Simulator:
    def __init__(self, work: Path, *flags: str):
        self.journal_path = work / "journal.jsonl"
        port_file = work / "simulator.port"
        self.process = Process(["simulate", "--listen", "127.0.0.1:0", "--port-file", str(port_file), "--journal",
                                str(self.journal_path), "--model", "simulated", *flags], work / "simulator.log")
        self.address = f"127.0.0.1:{self.process.wait_for_file(port_file)}"

    def journal(self) -> list[dict]:
        return [json.loads(line) for line in self.journal_path.read_text().splitlines()] if self.journal_path.exists() else []


MODELS = ["simulated", "sim-echo", "sim-error-500", "sim-slow", "sim-break-stream", "sim-garbage", "sim-429"]


def configuration(simulator: str, **more) -> dict:
    price = {"price": {"input": 1_000_000, "output": 4_000_000}}
    document = {
        "server": {"shards": 1},
        "providers": {"sim": {"type": "openai", "base_url": f"http://{simulator}/v1", "models": {name: dict(price) for name in MODELS},
                              "retries": {"max": 1, "base_ms": 1, "cap_ms": 5}, "breaker": {"failures": 1000}}},
        "tiers": {tier: {"deployments": [{"provider": "sim", "model": "simulated"}]} for tier in ("small", "large")},
    }
    document.update(more)
    return document


class Server:
    """One data directory; may be started, killed and started again."""

    def __init__(self, work: Path, config: dict):
        self.work, self.data = work, work / "data"
        self.config_file = work / "signalbox.yaml"
        self.write_config(config)
        made = cli("init", "--data", str(self.data))
        assert made.returncode == 0, made.stderr
        self.key = re.search(r"api key: (sbk_\S+)", made.stdout).group(1)
        self.process = None
        self.address = ""

    def write_config(self, config: dict):
        self.config_file.write_text(json.dumps(config, indent=1))  # JSON is YAML

    def start(self, environment: dict | None = None) -> "Server":
        self.process = self.serve(environment)
        self.address = self.process.wait_for_file(self.data / "listen")
        return self

    def serve(self, environment: dict | None = None) -> Process:
        """The process alone, which may never be ready."""
        (self.data / "listen").unlink(missing_ok=True)
        return Process(["serve", "--config", str(self.config_file), "--data", str(self.data), "--listen", "127.0.0.1:0"],
                       self.work / "server.log", environment)

    def call(self, method: str, path: str, body=None, key: str | None = None, **headers) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Authorization"] = f"Bearer {key or self.key}"
        return call(self.address, method, path, body, sent)

    def chat(self, text: str, model: str = "simulated", stream: bool = False, **headers) -> Reply:
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        if stream:
            body["stream"] = True
        return self.call("POST", "/v1/chat/completions", body, **headers)

    def run(self, run_id: str) -> dict:
        return self.call("GET", f"/api/v1/runs/{run_id}").json()

    def verify(self) -> subprocess.CompletedProcess:
        return cli("audit", "verify", "--data", str(self.data))

    def log(self) -> str:
        return (self.work / "server.log").read_text(errors="replace")


def sse(body: bytes) -> list[str]:
    return [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
