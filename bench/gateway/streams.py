"""Streams through a gateway: CPU of its process a chunk, and what it adds to the first event."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time

ROUNDS = 200
TICK = os.sysconf("SC_CLK_TCK")
BODY = json.dumps({"model": "small", "stream": True, "max_tokens": 200, "messages": [{"role": "user", "content": "tell me a long story " * 20}]})


def stream(connection: http.client.HTTPConnection) -> tuple[float, int]:
    start = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", BODY, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    first, events = 0.0, 0
    while line := answer.readline():
        if line.startswith(b"data: "):
            first = first or time.perf_counter() - start
            events += 1
    return first, events


def cpu_s(pid: str) -> float:
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def main() -> None:
    direct, through = (http.client.HTTPConnection(address) for address in sys.argv[1:3])
    for connection in (direct, through):
        stream(connection)
    firsts: list[list[float]] = [[], []]
    events, before = 0, cpu_s(sys.argv[3])
    for _ in range(ROUNDS):
        firsts[0].append(stream(direct)[0])
        first, count = stream(through)
        firsts[1].append(first)
        events += count
    cpu = cpu_s(sys.argv[3]) - before
    median = lambda values: sorted(values)[len(values) // 2] * 1000
    print(f"  {events / ROUNDS:.0f} events a stream, {cpu / events * 1e6:.1f} us CPU an event (requests included)")
    print(f"  first event: direct {median(firsts[0]):.3f} ms, through {median(firsts[1]):.3f} ms, added {median(firsts[1]) - median(firsts[0]):+.3f} ms")


main()
