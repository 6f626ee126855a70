"""kill -9 under load: nothing acknowledged is lost, nothing is done twice, the record verifies."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter

from harness import Server, Simulator, call, configuration, sse, until

ROUNDS = int(os.environ.get("SB_KILL_ROUNDS", "4"))
WORKERS = 6


class Load:
    """Clients that send messages with idempotency keys and try again until they are answered."""

    def __init__(self, server, label: str):
        self.server, self.label = server, label
        self.acknowledged: dict[str, tuple[str, str]] = {}  # key -> (run, answer)
        self.doubled: list[str] = []
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(WORKERS)]

    def work(self, worker: int):
        count = 0
        while not self.stopping.is_set():
            key, count = f"{self.label}-{worker}-{count}", count + 1
            stream = count % 3 == 0
            for _ in range(400):
                try:
                    reply = self.server.chat(f"message {key}", stream=stream, Idempotency_Key=key)
                except OSError:
                    reply = None
                except Exception:  # a body cut in the middle
                    reply = None
                if reply is not None and reply.status == 200 and (not stream or sse(reply.body)[-1:] == ["[DONE]"]):
                    break
                if self.stopping.wait(0.02) and reply is None:
                    return
            else:
                return
            with self.lock:
                self.acknowledged[key] = (reply.headers["x-signalbox-run"], reply.body.decode())

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(90)


def all_runs(server) -> list[dict]:
    runs, before = [], ""
    while True:
        page = server.call("GET", f"/api/v1/runs?limit=1000{before}").json()
        runs += page["runs"]
        if "next" not in page:
            return runs
        before = f"&before={page['next']}"


def test_kill_under_load_loses_and_doubles_nothing(own_server, simulator):
    server = own_server().start()
    rng = random.Random(int(os.environ.get("SB_SEED", "20261123")))
    load = Load(server, f"kill-{os.getpid()}")
    with load:
        for _ in range(ROUNDS):
            seen = len(load.acknowledged)
            until("some answers", lambda: len(load.acknowledged) >= seen + rng.randint(5, 40))
            server.process.kill()
            server.start()
        seen = len(load.acknowledged)
        until("answers after the last start", lambda: len(load.acknowledged) >= seen + 10)
    until("open runs to end", lambda: not server.call("GET", "/api/v1/runs?status=running").json()["runs"])

    runs = {run["id"]: run for run in all_runs(server)}
    for key, (run, _) in load.acknowledged.items():
        assert runs[run]["status"] == "completed", (key, runs.get(run))
    # One run a key, also when the client asked several times.
    assert len({run for run, _ in load.acknowledged.values()}) == len(load.acknowledged)
    # A call in flight at a kill is made again, at most once a kill, under the same idempotency key.
    calls = Counter(entry["idempotency_key"] for entry in simulator.journal() if f"message {load.label}" in str(entry["body"]))
    assert max(calls.values()) <= 1 + ROUNDS
    assert sum(count - 1 for count in calls.values()) <= ROUNDS * WORKERS
    # Each run's cost was counted once.
    costs = server.call("GET", "/api/v1/costs").json()
    assert costs["total_micro"] == sum(run["cost_micro"] for run in runs.values())
    steps = [task["index"] for task in server.run(next(iter(load.acknowledged.values()))[0])["tasks"]]
    assert len(steps) == len(set(steps))
    # The same question again is the same answer, without another call.
    key, (run, answer) = next(iter(load.acknowledged.items()))
    before = len(simulator.journal())
    number = int(key.rsplit("-", 1)[1]) + 1
    again = server.chat(f"message {key}", stream=number % 3 == 0, Idempotency_Key=key)
    assert again.headers["x-signalbox-run"] == run and len(simulator.journal()) == before
    assert server.process.stop() == 0
    verified = server.verify()
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_graceful_stop_finishes_what_is_in_flight(tmp_path):
    provider = Simulator(tmp_path, "--latency-ms", "1500")
    server = Server(tmp_path, configuration(provider.address)).start()
    try:
        replies = []
        slow = threading.Thread(target=lambda: replies.append(server.chat("take your time")))
        slow.start()
        # Durability sync: a run is on disk before its model is called, and the model takes its time.
        until("the call in flight", lambda: server.call("GET", "/api/v1/runs?status=running").json()["runs"])
        assert not replies
        assert server.process.stop() == 0
        slow.join(60)
        assert replies and replies[0].status == 200
    finally:
        if server.process.process.poll() is None:
            server.process.kill()
        provider.process.stop()


def test_idempotency_key_with_another_request_is_refused(server):
    assert server.chat("one", Idempotency_Key="same").status == 200
    reply = server.chat("two", Idempotency_Key="same")
    assert reply.status == 409 and reply.json()["error"]["param"] == "Idempotency-Key"


def test_a_stream_is_taken_up_again_after_the_last_event(server):
    first = server.chat("tell me", stream=True, Idempotency_Key="stream-again")
    whole = sse(first.body)
    assert whole[-1] == "[DONE]" and len(whole) > 4
    rest = server.chat("tell me", stream=True, Idempotency_Key="stream-again", Last_Event_ID="1")
    assert sse(rest.body) == whole[2:]
    run = first.headers["x-signalbox-run"]
    by_id = server.call("GET", f"/api/v1/runs/{run}/stream", Last_Event_ID="1")
    assert sse(by_id.body) == whole[2:]


def test_no_room_on_disk_is_said_and_survived(own_server, simulator):
    server = own_server(data={"min_free_disk_mb": 1_048_576}).start()
    reply = server.chat("hello")
    assert reply.status in (503, 507), reply.body
    assert "free space" in reply.json()["error"]["message"]
    assert call(server.address, "GET", "/healthz").status == 200
