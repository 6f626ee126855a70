"""Lifecycle events over HTTP: what becomes of runs starts other flows, through crashes, once each."""

from __future__ import annotations

import json
import random
import re

from harness import cli, until

WORK = """
document: {dsl: '1.0.3', namespace: shop, name: work, version: '1.0.0'}
do:
  - note: {set: {mail: '${ .mail }'}}
  - tell: {emit: {event: {with: {type: shop.done}}}}
  - end: {set: {x: 1}}
"""
WATCH = """
document: {dsl: '1.0.3', namespace: shop, name: watch, version: '1.0.0'}
schedule: {on: {one: {with: {type: '${ startswith("io.serverlessworkflow.") }'}}}}
do:
  - keep: {set: {id: '${ .[0].id }', subject: '${ .[0].subject }', type: '${ .[0].type }', data: '${ .[0].data }'}}
"""
TOLD = (["workflow.started"] + ["task.created", "task.started", "task.completed"] * 3 + ["workflow.completed"])
LIFECYCLE = {"types": ["io.serverlessworkflow.*"], "output": True}


def told_server(own_server, **lifecycle):
    server = own_server(flows={"lifecycle": {**LIFECYCLE, **lifecycle}}).start()
    for text in (WATCH, WORK):
        assert server.call("POST", "/api/v1/flows", text.encode()).status == 201
    return server


def start(server, key: str, **values):
    return server.call("POST", "/api/v1/flows/shop/work/runs", {"input": values}, Idempotency_Key=key)


def ended(server, name: str) -> list[dict]:
    return server.call("GET", f"/api/v1/runs?flow=shop/{name}&status=completed&limit=1000").json()["runs"]


def heard(server) -> dict[str, list[dict]]:
    """What the watching flow heard, by run, in the order of the events' numbers; each of its runs heard one."""
    by_run: dict[str, list[dict]] = {}
    for run in ended(server, "watch"):
        output = server.run(run["id"])["output"]
        by_run.setdefault(output["subject"], []).append(output)
    for events in by_run.values():
        events.sort(key=lambda event: int(event["id"].rsplit("-", 1)[1]))
    return by_run


def types(events: list[dict]) -> list[str]:
    return [re.fullmatch(r"io\.serverlessworkflow\.(.*)\.v1", event["type"]).group(1) for event in events]


def test_each_change_is_heard_once_through_kills(own_server):
    server = told_server(own_server)
    rng = random.Random(20261126)
    runs = set()
    for number in range(24):
        reply = start(server, f"run-{number}", mail="jane.roe@acme.org")
        assert reply.status == 202, reply.body
        runs.add(reply.json()["id"])
        if rng.random() < 0.25:
            server.process.kill()
            server.start()
    until("all runs", lambda: len(ended(server, "work")) == len(runs))
    until("all that is told", lambda: len(ended(server, "watch")) >= len(runs) * len(TOLD))
    by_run = heard(server)
    assert set(by_run) == runs
    for events in by_run.values():
        assert types(events) == TOLD
        assert len({event["id"] for event in events}) == len(TOLD)
        assert events[3]["data"]["output"]["mail"].startswith("[EMAIL_"), "a placeholder of the run that heard it"
    assert not server.call("GET", "/api/v1/runs?flow=shop/watch&status=faulted").json()["runs"]
    assert server.process.stop() == 0
    assert b"jane.roe@acme.org" not in b"".join(path.read_bytes() for path in server.data.rglob("*") if path.is_file())
    assert server.verify().returncode == 0


def test_only_flows_that_are_named_are_told_of(own_server):
    server = told_server(own_server, flows=["other/*"])
    run = start(server, "one").json()["id"]
    until("its end", lambda: server.run(run)["status"] == "completed")
    assert not ended(server, "watch")
    metrics = server.call("GET", "/metrics").body.decode()
    assert 'signalbox_flow_lifecycle_events_total{outcome="told"} 0' in metrics


def test_a_type_that_there_is_not_is_refused_at_the_start(own_server):
    server = own_server(flows={"lifecycle": {"types": ["io.serverlessworkflow.workflow.stated.v1"]}})
    refused = cli("serve", "--config", str(server.config_file), "--data", str(server.data), "--listen", "127.0.0.1:0")
    assert refused.returncode == 1
    assert "did you mean `io.serverlessworkflow.workflow.started.v1`?" in refused.stderr, json.dumps(refused.stderr)
