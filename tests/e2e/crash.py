"""Load that survives kills, and the checks that hold afterwards: nothing acknowledged is lost, nothing is done twice."""

from __future__ import annotations

import http.client
import sqlite3
import threading
from collections import Counter
from itertools import cycle

from harness import Server, Simulator, sse, until

WORKERS = 6


class Load:
    """Clients that ask with idempotency keys, and ask again until they are answered: whole answers, streams, and runs
    that are only accepted (202)."""

    def __init__(self, server: Server, label: str, tries: int = 400):
        self.server, self.label, self.tries = server, label, tries
        self.acknowledged: dict[str, tuple[str, str, str]] = {}  # key -> (run, way, answer)
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(WORKERS)]

    def ask(self, way: str, key: str):
        """The run and the answer, or nothing where there was none."""
        text = f"message {key}"
        try:
            if way == "accepted":
                body = {"input": {"model": "simulated", "messages": [{"role": "user", "content": text}]}}
                reply = self.server.call("POST", "/api/v1/flows/signalbox/chat/runs", body, Idempotency_Key=key)
                return (reply.json()["id"], "") if reply.status == 202 else None
            reply = self.server.chat(text, stream=way == "stream", Idempotency_Key=key)
        except (OSError, http.client.HTTPException, ValueError):  # refused, or cut in the middle
            return None
        whole = reply.status == 200 and (way != "stream" or sse(reply.body)[-1:] == ["[DONE]"])
        return (reply.headers["x-signalbox-run"], reply.body.decode()) if whole else None

    def work(self, worker: int):
        for count, way in enumerate(cycle(["stream", "whole", "accepted", "whole"])):
            key = f"{self.label}-{worker}-{count}"
            for _ in range(self.tries):
                if answer := self.ask(way, key):
                    break
                if self.stopping.wait(0.02):
                    return
            else:
                return
            with self.lock:
                self.acknowledged[key] = (answer[0], way, answer[1])
            if self.stopping.is_set():
                return

    def more(self, count: int):
        """Waits for `count` further acknowledgements."""
        seen = len(self.acknowledged)
        until(f"{count} answers", lambda: len(self.acknowledged) >= seen + count)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(90)


def all_runs(server: Server) -> dict[str, dict]:
    runs, before = {}, ""
    while True:
        page = server.call("GET", f"/api/v1/runs?limit=1000{before}").json()
        runs.update((run["id"], run) for run in page["runs"])
        if "next" not in page:
            return runs
        before = f"&before={page['next']}"


def booked(server: Server) -> int:
    """What the keys were charged for, as the database has it; the server is stopped."""
    database = sqlite3.connect(f"file:{server.data / 'signalbox.db'}?mode=ro", uri=True)
    try:
        return database.execute("SELECT coalesce(sum(amount), 0) FROM spending").fetchone()[0]
    finally:
        database.close()


def check(server: Server, simulator: Simulator, load: Load, kills: int) -> dict[str, int]:
    """After the load has ended: waits for open runs, asserts the promises, stops the server. The figures it saw."""
    until("open runs to end", lambda: not server.call("GET", "/api/v1/runs?status=running&limit=1").json()["runs"], 180)
    runs = all_runs(server)
    lost = [key for key, (run, _, _) in load.acknowledged.items() if runs.get(run, {}).get("status") != "completed"]
    assert not lost, f"acknowledged and lost: {lost[:5]} of {len(lost)}"
    # One run a key, also where the client asked several times.
    assert len({run for run, _, _ in load.acknowledged.values()}) == len(load.acknowledged)
    # A call in flight at a kill is made again under the same idempotency key, at most once a kill and client.
    calls = Counter(entry["idempotency_key"] for entry in simulator.journal() if f"message {load.label}" in str(entry["body"]))
    again = sum(count - 1 for count in calls.values())
    assert max(calls.values()) <= 1 + kills and again <= kills * WORKERS, (again, calls.most_common(3))

    steps = 0
    for run, summary in runs.items():
        tasks = server.run(run)["tasks"]
        steps += len(tasks)
        assert sorted(task["index"] for task in tasks) == list(range(len(tasks))), f"steps of {run}: {tasks}"
        if summary["status"] == "completed":
            answered = [task for task in tasks if task["kind"] == "chat" and task["status"] == "completed"]
            assert len(answered) == 1, f"{run} was answered by {len(answered)} committed calls"
        assert sum(task["cost_micro"] for task in tasks) == summary["cost_micro"], f"cost of {run}"
    costs = server.call("GET", "/api/v1/costs").json()
    assert costs["total_micro"] == sum(run["cost_micro"] for run in runs.values())

    # The same question again is the same answer, without another call.
    before = len(simulator.journal())
    for way in ("whole", "stream"):
        key, (run, _, answer) = next(item for item in load.acknowledged.items() if item[1][1] == way)
        assert load.ask(way, key) == (run, answer), f"{key} is answered otherwise the second time"
    assert len(simulator.journal()) == before
    assert server.process.stop() == 0
    assert booked(server) == costs["total_micro"]
    verified = server.verify()
    assert verified.returncode == 0, verified.stdout + verified.stderr
    return {"kills": kills, "acknowledged": len(load.acknowledged), "runs": len(runs), "steps": steps,
            "lost": len(lost), "doubled": len(load.acknowledged) - len({run for run, _, _ in load.acknowledged.values()}),
            "calls made again": again}
