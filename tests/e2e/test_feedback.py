"""What people say of an answer: kept, on record, theirs alone to say, and never said twice."""

from __future__ import annotations

import json

from harness import Server, cli
from test_policy import key_of


def leaves(server: Server) -> list[dict]:
    shown = cli("audit", "show", "--data", str(server.data), "--limit", "10000").stdout.splitlines()
    return [leaf for leaf in map(json.loads, shown) if leaf["kind"] == "run.feedback"]


def test_feedback_is_kept_once_and_on_record(own_server):
    server = own_server().start()
    client, reviewer = key_of(server, "client"), key_of(server, "reviewer")
    run = server.chat("hello, feedback test", key=client).headers["x-signalbox-run"]
    path = f"/api/v1/runs/{run}/feedback"
    said = {"correct": False, "expected_route": "human", "comment": "write to ann@pages.org about it"}
    first = server.call("POST", path, said, key=client)
    assert first.status == 201, first.body
    assert server.call("POST", path, said, key=client).status == 200, "the same again is the same"
    assert server.call("POST", path, {"correct": True}, key=client).status == 409
    assert server.call("POST", path, {"correct": True}, key=reviewer).status == 201, "somebody else"
    seen = leaves(server)
    assert [(leaf["run"], leaf["summary"]["by"], leaf["summary"]["correct"]) for leaf in seen] == [
        (run, "client", False), (run, "reviewer", True)]
    assert seen[0]["summary"]["expected_route"] == "human" and seen[0]["payload_commit"] and "payload_commit" not in seen[1]
    kept = server.call("GET", path, key=reviewer).json()["feedback"]
    assert [entry["correct"] for entry in kept] == [False, True]
    assert kept[0]["comment"] != said["comment"] and "ann@pages.org" not in json.dumps(kept), "the policy looks at it"
    assert kept[0]["comment"].endswith("about it")
    metrics = server.call("GET", "/metrics").body.decode()
    assert 'signalbox_triage_verdicts_total{route="other",verdict="wrong"} 1' in metrics
    server.process.kill()
    server.start()
    assert server.call("GET", path, key=reviewer).json()["feedback"] == kept
    assert server.call("POST", path, said, key=client).status == 200, "over a restart too"
    contents = lambda: cli("audit", "verify", "--data", str(server.data), "--contents")
    assert contents().returncode == 0, contents().stdout
    server.call("POST", "/api/v1/erasures", {"run": run, "legal_basis": "test"})
    assert server.call("GET", path, key=reviewer).status == 409
    server.process.stop()
    assert server.verify().returncode == 0 and contents().returncode == 0, contents().stdout


def test_only_who_may_says_something(own_server):
    server = own_server().start()
    client, other, auditor = key_of(server, "client"), key_of(server, "client"), key_of(server, "auditor")
    elsewhere = server.call("POST", "/api/v1/keys", {"name": "x", "role": "reviewer", "tenant": "elsewhere"}).json()["key"]
    run = server.chat("hello, feedback rights", key=client).headers["x-signalbox-run"]
    path = f"/api/v1/runs/{run}/feedback"
    for key, status in ((other, 404), (elsewhere, 404), (auditor, 403)):
        assert server.call("POST", path, {"correct": True}, key=key).status == status
    for body in ({}, {"correct": "yes"}, {"correct": True, "expected_route": "moon"}, {"correct": True, "expected_intent": "x"},
                 {"correct": True, "wrong": 1}, {"correct": True, "comment": 5}):
        assert server.call("POST", path, body, key=client).status == 400, body
    assert server.call("POST", path, {"correct": True, "comment": "x" * 5000}, key=client).status == 413
    assert server.call("POST", path.replace(run[:8], "0" * 8), {"correct": True}, key=client).status == 404
    assert leaves(server) == []
