"""Why a run took its route, from the record alone."""

from __future__ import annotations

import json

from harness import cli


def explain(server, reply, *more):
    return cli("triage", "explain", "--data", str(server.data), "--run", reply.headers["x-signalbox-run"], *more)


def test_a_recorded_decision_is_explained_beside_the_server(own_server, tmp_path):
    document = tmp_path / "triage.yaml"
    document.write_text("version: 1\nrules:\n  - {name: legal, when: {phrases: [my lawyer]}, route: large}\n")
    server = own_server(triage={"file": str(document)}).start()
    by_rule = explain(server, server.chat("my lawyer is called canary-4711", model="auto"))
    assert by_rule.returncode == 0, by_rule.stderr
    assert "large" in by_rule.stdout and "rule legal: phrase" in by_rule.stdout
    assert "canary-4711" not in by_rule.stdout

    machine = explain(server, server.chat("what is the weather", model="auto"), "--json")
    decision = json.loads(machine.stdout)
    assert decision["chosen"] == "small" and decision["kind"] == "route" and decision["versions"]["triage"]

    named = explain(server, server.chat("hello"))
    assert "the caller named the model" in named.stdout


def test_a_run_that_is_not_there_is_named(own_server):
    server = own_server().start()
    got = cli("triage", "explain", "--data", str(server.data), "--run", "0190a7c2-0000-7000-8000-000000000000")
    assert got.returncode == 1 and "0190a7c2-0000-7000-8000-000000000000" in got.stderr
    got = cli("triage", "explain", "--data", str(server.data), "--run", "nonsense")
    assert got.returncode == 1 and "is not a run's id" in got.stderr
