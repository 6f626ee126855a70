"""Limits on runs at work: nobody is lost, nobody waits behind another tenant's many, and a full queue says so."""

from __future__ import annotations

import json
import re

from harness import Server, Simulator, configuration, until
from test_functions import register

ASKS = """
document: {dsl: '1.0.3', namespace: test, name: asks, version: '1.0.0'}
do:
  - ask: {call: chat, with: {model: simulated, messages: [{role: user, content: '${ .text }'}]}}
"""
PARENT = """
document: {dsl: '1.0.3', namespace: test, name: parent, version: '1.0.0'}
do:
  - child: {run: {workflow: {namespace: test, name: asks, version: '1.0.0', input: {text: child}}}}
"""


def start(server, flow, text, key):
    return server.call("POST", f"/api/v1/flows/test/{flow}/runs", {"input": {"text": text}}, key=key)


def metric(server, name):
    return float(re.search(rf"^{name} (\S+)$", server.call("GET", "/metrics").body.decode(), re.M).group(1))


def asked(simulator):
    seen = {}  # a question that a kill cut off is asked again under its key
    for call in simulator.journal():
        seen.setdefault(call["idempotency_key"], json.loads(call["body"])["messages"][-1]["content"])
    return list(seen.values())


def test_a_limit_holds_through_a_kill_and_tenants_take_turns(tmp_path):
    simulator = Simulator(tmp_path, "--latency-ms", "150")
    work = tmp_path / "server"
    work.mkdir()
    config = configuration(simulator.address)
    config["flows"] = {"at_work": {"all": 1, "queue": 5}}
    server = Server(work, config).start()
    try:
        register(server, ASKS)
        register(server, PARENT)
        keys = {tenant: server.call("POST", "/api/v1/keys", {"name": tenant, "role": "client", "tenant": tenant}).json()["key"]
                for tenant in ("many", "few")}
        runs = []
        for i in range(6):
            made = start(server, "asks", f"many-{i}", keys["many"])
            assert made.status == 202, made.body
            runs.append(made.json()["id"])
        refused = [start(server, "asks", "one too many", keys["many"]) for _ in range(3)]
        full = [reply for reply in refused if reply.status == 429]
        assert full and full[0].headers["retry-after"] and full[0].json()["type"].endswith("rate_limited"), refused[0].body
        chat = server.chat("a caller who waits", key=keys["many"])
        assert chat.status in (200, 429), chat.body
        runs += [start(server, "parent", "", keys["few"]).json()["id"], start(server, "asks", "few-1", keys["few"]).json()["id"]]
        assert metric(server, "signalbox_flow_runs_queued") > 0 and metric(server, "signalbox_flow_runs_at_work") <= 1
        assert metric(server, "signalbox_flow_runs_refused_total") >= len(full)
        server.process.kill()
        server.start()
        for run in runs:
            until(f"run {run}", lambda: server.run(run)["status"] == "completed")
        order = [text for text in asked(simulator) if text.startswith(("many", "few", "child"))]
        assert sorted(order, key=lambda text: text) == sorted([f"many-{i}" for i in range(6)] + ["child", "few-1"])
        # Those that a kill finds are taken up side by side: which of them comes first is not said.
        last_of_many = max(i for i, text in enumerate(order) if text.startswith("many"))
        assert order[0] == "many-0" and order.index("few-1") < last_of_many, f"not behind the other tenant's many: {order}"
        assert metric(server, "signalbox_flow_runs_queued") == 0
        assert server.verify().returncode == 0
    finally:
        server.process.stop()
        simulator.process.stop()
