"""A crash that leaves runs open: how soon the server answers again, and that every run comes to its end.

At most 256 runs: so many connections to one provider the HTTP client opens, further runs fail instead of staying open.
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

from harness import Process, Server, Simulator, call, configuration, until

CLIENTS = 8

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--runs", type=int, default=250)
wanted = arguments.parse_args()


def open_runs(server: Server) -> int:
    """As the database has it; the server is down."""
    database = sqlite3.connect(server.data / "signalbox.db")
    try:
        return database.execute("SELECT count(*) FROM runs WHERE ended_us = 0").fetchone()[0]
    finally:
        database.close()


def accept(server: Server, client: int):
    for n in range(client, wanted.runs, CLIENTS):
        body = {"input": {"model": "simulated", "messages": [{"role": "user", "content": f"open {n}"}]}}
        reply = server.call("POST", "/api/v1/flows/signalbox/chat/runs", body)
        assert reply.status == 202, reply.body


def main(work: Path):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a connection a run, at the server and at the provider
    stuck = Simulator(work, "--latency-ms", "3600000")  # a provider that has not answered yet
    config = configuration(stuck.address, server={"shards": 1, "limits": {"max_in_flight": wanted.runs + 1000}})
    config["providers"]["sim"]["timeouts"] = {"first_byte_ms": 3_600_000, "total_ms": 3_600_000}  # nor does a run give up
    server = Server(work, config)
    server.start()
    clients = [threading.Thread(target=accept, args=(server, n)) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    server.process.kill()
    stuck.process.kill()
    left = open_runs(server)
    assert left == wanted.runs, f"{wanted.runs} runs were accepted, {left} are open on disk"

    # The provider is well again, at its old address.
    simulator = Process(["simulate", "--listen", stuck.address, "--model", "simulated"], work / "simulator.log")
    until("the provider", lambda: reachable(stuck.address))
    start = time.perf_counter()
    server.start()
    listening_s = time.perf_counter() - start
    assert server.chat("is anybody there?").status == 200
    answered_s = time.perf_counter() - start
    until("open runs to end", lambda: not server.call("GET", "/api/v1/runs?status=running&limit=1").json()["runs"], 600)
    ended_s = time.perf_counter() - start
    costs = server.call("GET", "/api/v1/costs").json()
    assert costs["runs"] == wanted.runs + 1, costs
    assert server.process.stop() == 0
    simulator.stop()
    assert open_runs(server) == 0
    print(f"{left} open runs after a crash: listening after {listening_s * 1000:.0f} ms, first answer after "
          f"{answered_s * 1000:.0f} ms, all at their end after {ended_s:.1f} s")


def reachable(address: str) -> bool:
    try:
        return call(address, "GET", "/v1/models").status == 200
    except OSError:
        return False


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="signalbox-open-runs-") as folder:
        main(Path(folder))
