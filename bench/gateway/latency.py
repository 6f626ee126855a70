"""Latency a gateway adds at a fixed rate: direct and proxied requests take turns, so that noise hits both alike."""

from __future__ import annotations

import http.client
import json
import pathlib
import time

import load
from servers import configuration, signalbox, simulator

RATE, COUNT = 250, 2500


def one(connection: http.client.HTTPConnection, body: str) -> float:
    start = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status
    return time.perf_counter() - start


def in_turn(addresses: list[str], body: str) -> list[list[float]]:
    """Seconds of each request, by address."""
    connections = [http.client.HTTPConnection(address) for address in addresses]
    for connection in connections:
        for _ in range(50):
            one(connection, body)
    taken: list[list[float]] = [[] for _ in addresses]
    due = time.perf_counter()
    for n in range(COUNT):
        due += 1 / RATE
        while (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        taken[n % len(addresses)].append(one(connections[n % len(addresses)], body))
    return taken


def quantile_ms(values: list[float], q: float) -> float:
    return sorted(values)[int(q * (len(values) - 1))] * 1000


def run(work: pathlib.Path) -> None:
    print(f"added latency at {RATE} requests/s, in turn with direct calls; guard, triage and record on")
    body = json.dumps(load.prompt("small"))
    with simulator(work) as provider:
        for durability in ("async", "sync"):
            config = configuration(work, f"latency-{durability}", provider.address, durability)
            with signalbox(durability, config, work / f"data-latency-{durability}") as server:
                direct, through = in_turn([provider.address, server.address], body)
            for q in (0.5, 0.99):
                a, b = quantile_ms(direct, q), quantile_ms(through, q)
                print(f"  {durability:5} p{q * 100:g}: direct {a:.3f} ms, through {b:.3f} ms, added {b - a:+.3f} ms")
