"""The demo's processes: start, wait until ready, kill, stop. Each writes its output to a log file of its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20


class StartError(RuntimeError):
    """A process did not come up; the message holds the end of its log."""


class Process:
    """A child process with a log file. Not thread-safe."""

    def __init__(self, name: str, command: list[str], log: Path, cwd: Path | None = None):
        self.name = name
        self.log = log
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=cwd
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait_until(self, ready, what: str):
        """Polls `ready` until it gives a value. Raises StartError when the process ends first or time is up."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            value = ready()
            if value:
                return value
            if self._child.poll() is not None:
                raise StartError(f"{self.name} ended with status {self._child.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name}: no {what} after {START_TIMEOUT_S} s:\n{self.tail()}")
            time.sleep(0.01)

    def tail(self, lines: int = 12) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        self._child.kill()
        self._child.wait()

    def stop(self) -> None:
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()


def read_text(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def start_small_model(script: Path, work: Path) -> tuple[Process, str]:
    """Returns the process and its address "host:port"."""
    log = work / "small-model.log"
    process = Process(
        "the small model",
        [
            sys.executable,
            str(script),
            "--port",
            "0",
            "--slots",
            "4",
            "--journal",
            str(work / "small-model.journal.jsonl"),
        ],
        log,
    )

    def listen() -> str:
        found = re.search(r'"listen": "([^"]+)"', log.read_text(errors="replace"))
        return found.group(1) if found else ""

    return process, process.wait_until(listen, "line with its address")


def start_simulator(binary: Path, answers: Path, work: Path) -> tuple[Process, str]:
    port_file = work / "large-model.port"
    port_file.unlink(missing_ok=True)
    process = Process(
        "the simulated large model",
        [
            str(binary),
            "simulate",
            "--listen",
            "127.0.0.1:0",
            "--port-file",
            str(port_file),
            "--answers",
            str(answers),
            "--latency-ms",
            "350",
            "--tokens-per-second",
            "80",
            "--model",
            "simulated-large",
            "--journal",
            str(work / "large-model.journal.jsonl"),
        ],
        work / "large-model.log",
    )
    return process, "127.0.0.1:" + process.wait_until(lambda: read_text(port_file), "port file")


class Signalbox:
    """The server under demonstration: initialised once, started as often as needed on one port."""

    def __init__(self, binary: Path, config: Path, data: Path, log: Path, overrides: list[str]):
        self._binary, self._config, self._data, self._log = binary, config, data, log
        self._overrides = [argument for value in overrides for argument in ("--set", value)]
        self._process: Process | None = None
        self.listen = "127.0.0.1:0"

    def init(self) -> str:
        """Makes the data folder; returns the first API key."""
        done = subprocess.run([str(self._binary), "init", "--data", str(self._data)], capture_output=True, text=True)
        found = re.search(r"api key: (sbk_\S+)", done.stdout)
        if done.returncode != 0 or not found:
            raise StartError(f"signalbox init gave no API key (status {done.returncode}):\n{done.stdout}{done.stderr}")
        return found.group(1)

    def start(self) -> float:
        """Starts the server and waits until it answers. Returns the seconds that took."""
        began = time.monotonic()
        port_file = self._data / "listen"
        port_file.unlink(missing_ok=True)
        self._process = Process(
            "signalbox serve",
            [
                str(self._binary),
                "serve",
                "--config",
                str(self._config),
                "--data",
                str(self._data),
                "--listen",
                self.listen,
                *self._overrides,
            ],
            self._log,
        )
        # The same port again after a crash: the clients know no other.
        port = self._process.wait_until(lambda: read_text(port_file), f"{port_file.name} file").rpartition(":")[2]
        self.listen = f"127.0.0.1:{port}"
        self._process.wait_until(self._ready, "answer from /readyz")
        return time.monotonic() - began

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.listen}/readyz", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def stop(self) -> None:
        if self._process:
            self._process.stop()

    def command(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs another subcommand on the same data folder."""
        return subprocess.run(
            [str(self._binary), *arguments, "--data", str(self._data)], capture_output=True, text=True
        )


class Api:
    """The control API, as far as the demo needs it."""

    def __init__(self, base_url: str, key: str):
        self._base_url, self._key = base_url, key

    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        """Raises urllib.error.HTTPError for an answer that is no success."""
        request = urllib.request.Request(
            self._base_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else {}
