"""wrk as the load generator: one thread on its own core, requests described by a small Lua script."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import shutil
import subprocess

from servers import LOAD_CORE, Server

WORDS = "my card has not arrived yet and the app says that it was sent last week so please tell me what happens now and when "
QUESTION = "why was my transfer declined? write to greta@example.org"
_UNITS = {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4, "B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}


@dataclasses.dataclass
class Result:
    requests: int
    seconds: float
    bytes: float
    p50_ms: float
    p99_ms: float
    cpu_s: float  # of the server under load
    faults: str

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / max(self.requests, 1) * 1e6


def prompt(model: str, **more) -> dict:
    """A prompt of 2 KB of words with one e-mail address in it, as people write."""
    messages = [{"role": "system", "content": WORDS * 16}, {"role": "user", "content": QUESTION}]
    return {"model": model, "messages": messages, **more}


def wrk(server: Server, body: dict, work: pathlib.Path, seconds: int, warm_s: int = 1, connections: int = 64) -> Result:
    """Loads `server` from all connections at once. RuntimeError where wrk is missing or not one request was answered."""
    if not shutil.which("wrk"):
        raise RuntimeError("wrk is missing (scripts/install-deps --bench)")
    script = work / "request.lua"
    headers = {"Content-Type": "application/json", **server.headers}
    lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(json.dumps(body))}"]
    script.write_text("\n".join(lines + [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]))
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", "--latency", "--timeout", "30s", "-s", str(script)]
    url = f"http://{server.address}/v1/chat/completions"
    if warm_s:
        subprocess.run([*command, f"-d{warm_s}s", url], capture_output=True, check=True)
    before = server.cpu_s()
    output = subprocess.run([*command, f"-d{seconds}s", url], capture_output=True, text=True, check=True).stdout
    return _parse(output, server.cpu_s() - before)


def _parse(output: str, cpu_s: float) -> Result:
    total = re.search(r"(\d+) requests in ([\d.]+)(\w+), ([\d.]+)(\w+) read", output)
    if not total or total[1] == "0":
        raise RuntimeError(f"no request was answered: {output.strip().splitlines()[-1]}")
    quantile = {q: float(value) * _UNITS[unit] for q, value, unit in re.findall(r"^ +(50|99)% +([\d.]+)(\w+)", output, re.M)}
    return Result(int(total[1]), float(total[2]) * _UNITS[total[3]] / 1e3, float(total[4]) * _UNITS[total[5]],
                  quantile["50"], quantile["99"], cpu_s, "; ".join(re.findall(r"Socket errors.*|Non-2xx.*", output)))
