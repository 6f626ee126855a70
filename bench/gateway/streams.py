"""Event streams with the guard on, beside nginx: what the first event waits longer, and what a chunk costs.

A chunk's cost is a slope between two lengths of stream, so that the request's own cost stays apart. It is taken twice:
paced like a model (each chunk travels alone: the dearer case) and as fast as the provider can.
"""

from __future__ import annotations

import http.client
import json
import pathlib
import time

import load
import peers
from servers import Server, configuration, signalbox, simulator

STREAMS, FEW, SHORT, LONG, ROUNDS = 64, 20, 50, 300, 200
PACES = {"paced, 200 tokens/s each": 200, "at once": 0}


def body(tokens: int) -> dict:
    request = load.prompt("small", stream=True)
    request["messages"][-1]["content"] += f" in {tokens} words"  # what the provider picks its answer by
    return request


def answers(work: pathlib.Path) -> str:
    """A token of the simulated provider is a word."""
    path, words = work / "answers.jsonl", (load.WORDS * 100).split()
    lines = [{"match": f"in {tokens} words", "answer": " ".join(words[:tokens])} for tokens in (FEW, SHORT, LONG)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def probe(address: str, tokens: int) -> tuple[float, int, int]:
    """One stream over a connection of its own: seconds to its first event, its events, all bytes on the wire."""
    connection = http.client.HTTPConnection(address)
    connection.connect()
    start, first, raw = time.perf_counter(), 0.0, b""
    text = json.dumps(body(tokens))
    connection.sock.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                            f"Content-Length: {len(text)}\r\n\r\n{text}".encode())
    while not raw.endswith(b"0\r\n\r\n"):
        raw += (part := connection.sock.recv(65536))
        assert part, raw[:300]
        if not first and b"data: " in raw:
            first = time.perf_counter() - start
    connection.close()
    return first, raw.count(b"data: "), len(raw)


def measure(server: Server, work: pathlib.Path, tokens: int) -> tuple[float, int, float, float]:
    """CPU in us, streams begun, chunks carried, chunks a second. Chunks are counted by bytes: streams cut at the end count in part."""
    _, events, size = probe(server.address, tokens)
    result = load.wrk(server, body(tokens), work, 4, connections=STREAMS)
    chunks = result.bytes / size * events
    return result.cpu_s * 1e6, result.requests + STREAMS, chunks, chunks / result.seconds


def chunk_cost(server: Server, work: pathlib.Path) -> str:
    """CPU = streams * own + chunks * each, solved for the two lengths."""
    (cpu_1, streams_1, chunks_1, _), (cpu_2, streams_2, chunks_2, rate) = (measure(server, work, tokens) for tokens in (SHORT, LONG))
    each = (cpu_2 * streams_1 - cpu_1 * streams_2) / (chunks_2 * streams_1 - chunks_1 * streams_2)
    own = (cpu_1 - each * chunks_1) / streams_1
    return f"{each:6.2f} us CPU a chunk, {own:6.0f} us a stream besides, {rate:8.0f} chunks/s"


def first_event(direct: Server, through: Server) -> None:
    firsts: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for server, taken in zip((direct, through), firsts):
            taken.append(probe(server.address, FEW)[0])
    for q in (0.5, 0.99):
        a, b = (sorted(taken)[int(q * (ROUNDS - 1))] * 1000 for taken in firsts)
        print(f"  first event, p{q * 100:g}: direct {a:.3f} ms, through {b:.3f} ms, added {b - a:+.3f} ms")


def run(work: pathlib.Path) -> None:
    print(f"{STREAMS} event streams at once, {SHORT} and {LONG} tokens; Signalbox async with the guard on")
    for n, (pace, rate) in enumerate(PACES.items()):
        with simulator(work, "--answers", answers(work), "--tokens-per-second", str(rate)) as provider:
            config = configuration(work, "streams", provider.address, "async")
            for start in (lambda: peers.nginx(work, provider.address),
                          lambda: signalbox("Signalbox", config, work / f"data-streams-{n}")):
                with start() as server:
                    print(f"  {server.name:17} {pace:25} {chunk_cost(server, work)}", flush=True)
                    if rate == 0 and server.name == "Signalbox":
                        first_event(provider, server)
