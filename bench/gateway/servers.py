"""The processes of these benches: start on a chosen core, wait until ready, read what they cost from /proc, end.

A gateway runs alone on GATEWAY_CORE; the simulated provider and the load generator share LOAD_CORE.
"""

from __future__ import annotations

import json
import os
import pathlib
import resource
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIGNALBOX = os.environ.get("SIGNALBOX_BIN", str(ROOT / "build/release/apps/signalbox/signalbox"))
SUPPORT_DESK = ROOT / "examples/support-desk"
GATEWAY_CORE, LOAD_CORE = 0, 1
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
START_TIMEOUT_S = 120


class Server:
    """A child process and its children. Ends with the `with` block."""

    def __init__(self, name: str, command: list[str], log: pathlib.Path, core: int | None = GATEWAY_CORE, env: dict | None = None):
        self.name, self.log = name, log
        self.address = ""  # host:port, once it listens
        self.headers: dict[str, str] = {}  # what each request to it needs besides
        pin = ["taskset", "-c", str(core)] if core is not None else []
        with log.open("ab") as out:
            self.child = subprocess.Popen(pin + command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                          env={**os.environ, **(env or {})}, start_new_session=True)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def wait_for(self, ready, what: str):
        """Polls `ready` until it gives a value. Raises RuntimeError with the end of the log when it never does."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (value := ready()):
            if self.child.poll() is not None or time.monotonic() > deadline:
                lines = self.log.read_text(errors="replace").strip().splitlines() or ["(it wrote nothing)"]
                raise RuntimeError(f"no {what}: {lines[-1][:200]}")
            time.sleep(0.002)
        return value

    def pids(self) -> list[int]:
        """The process and its descendants: some peers work in a child."""
        found = [self.child.pid]
        for pid in found:
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found += [int(child) for child in task.read_text().split()]
                except OSError:
                    pass
        return found

    def cpu_s(self) -> float:
        """User and system time so far, of all of them."""
        total = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total * _TICK_S

    def memory_kib(self, field: str = "VmRSS") -> int:
        """Resident memory of all of them; field RssAnon leaves mapped files out."""
        lines = [line for pid in self.pids() for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith(field + ":"))

    def stop(self) -> None:
        if self.child.poll() is not None:
            return
        self.child.terminate()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()


def raise_file_limit() -> int:
    """As many descriptors as this machine lets us have; children inherit it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_text(path: pathlib.Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def simulator(work: pathlib.Path, *flags: str, core: int | None = LOAD_CORE) -> Server:
    port_file = work / f"simulator-{time.monotonic_ns()}.port"
    server = Server("direct", [SIGNALBOX, "simulate", "--listen", "127.0.0.1:0", "--port-file", str(port_file), *flags],
                    work / "simulator.log", core)
    server.address = "127.0.0.1:" + server.wait_for(lambda: read_text(port_file), "port file")
    return server


def configuration(work: pathlib.Path, name: str, upstream: str, durability: str, guard: bool = True, more: dict | None = None) -> pathlib.Path:
    """One shard, so that one core is what it has. With `guard`, the embedded policy, and triage and scripts of the example."""
    models = {model: {"price": {"input": 1_000_000, "output": 4_000_000}} for model in ("m", "sim-hang")}
    provider = {"type": "openai", "base_url": f"http://{upstream}/v1", "max_connections": 20000, "models": models}
    tier = {"deployments": [{"provider": "sim", "model": "m"}]}
    document = {
        "server": {"shards": 1, "limits": {"max_in_flight": 20000, "max_connections": 20000}},
        "log": {"level": "error"},
        "data": {"durability": durability},
        "providers": {"sim": provider},
        "tiers": {"small": tier, "large": tier},
    }
    if guard:
        document |= {"triage": {"file": str(SUPPORT_DESK / "triage.yaml")}, "scripts": {"dir": str(SUPPORT_DESK / "scripts")}}
    else:
        (work / "off.yaml").write_text("name: off\nversion: 1\nrules: []\n")
        document["policy"] = {"file": str(work / "off.yaml")}
    path = work / f"{name}.yaml"
    path.write_text(json.dumps(document | (more or {})))  # JSON is YAML
    return path


def signalbox(name: str, config: pathlib.Path, data: pathlib.Path, core: int | None = GATEWAY_CORE) -> Server:
    """Returns once it answers."""
    listen = data / "listen"
    listen.unlink(missing_ok=True)
    server = Server(name, [SIGNALBOX, "serve", "--config", str(config), "--data", str(data), "--listen", "127.0.0.1:0"],
                    data.parent / f"{data.name}.log", core)
    server.address = "127.0.0.1:" + server.wait_for(lambda: read_text(listen), "port file").rpartition(":")[2]
    return server
