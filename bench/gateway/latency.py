"""Latency a gateway adds at a fixed rate: direct and proxied requests take turns, so that noise hits both alike."""

from __future__ import annotations

import http.client
import json
import sys
import time

RATE, COUNT = 250, 2000
BODY = json.dumps({"model": "small", "messages": [{"role": "user", "content": "why was my transfer declined " * 70}]})


def one(connection: http.client.HTTPConnection) -> float:
    start = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", BODY, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status
    return time.perf_counter() - start


def main() -> None:
    connections = [http.client.HTTPConnection(address) for address in sys.argv[1:3]]
    for connection in connections:
        for _ in range(50):
            one(connection)
    taken: list[list[float]] = [[], []]
    due = time.perf_counter()
    for n in range(COUNT):
        due += 1 / RATE
        while (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        taken[n % 2].append(one(connections[n % 2]))
    quantile = lambda values, q: sorted(values)[int(q * (len(values) - 1))] * 1000
    for q in (0.5, 0.99):
        direct, through = quantile(taken[0], q), quantile(taken[1], q)
        print(f"  p{q * 100:g}: direct {direct:.3f} ms, through {through:.3f} ms, added {through - direct:+.3f} ms")


main()
