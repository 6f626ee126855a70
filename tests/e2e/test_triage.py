"""Why a run took its route, from the record alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import cli, until


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


DESK = Path(__file__).resolve().parents[2] / "examples" / "support-desk"
LABELLED = Path(__file__).resolve().parents[3] / "shared" / "data" / "triage" / "supportdesk-val.jsonl.gz"


@pytest.mark.skipif(not LABELLED.exists(), reason="the support desk's labelled texts are not here")
def test_a_promise_is_kept_by_the_server_and_told(own_server):
    promise = {"labelled": str(LABELLED), "routes": str(LABELLED.with_name("supportdesk-routes.json")),
               "double_answers_per_mille": 1000, "judge": "simulated"}
    server = own_server(triage={"file": str(DESK / "triage.yaml"), "promise": promise},
                        scripts={"dir": str(DESK / "scripts")}).start()
    reply = server.chat("how do I activate my card", model="auto")
    assert reply.headers["x-signalbox-route"] == "script", reply.body
    floor = float(json.loads(explain(server, reply, "--json").stdout)["floor"])
    assert 0.9 < floor <= 1 and f"asked scripts for {floor}" in explain(server, reply).stdout
    metrics = server.call("GET", "/metrics").body.decode()
    assert f"signalbox_triage_script_floor_ratio {floor:.6f}"[:42] in metrics
    assert "signalbox_triage_guard_queries_total 1" in metrics
    opinions = until("a second opinion", lambda: [run for run in server.call("GET", "/api/v1/runs").json()["runs"]
                              if run["flow"].startswith("signalbox/second-opinion@") and run["status"] == "completed"])
    assert len(opinions) == 1
    costs = server.call("GET", "/api/v1/costs").json()
    assert costs["double_answers_micro"] == costs["total_micro"] == opinions[0]["cost_micro"] > 0
    server.process.stop()
    assert server.verify().returncode == 0
    got = cli("replay", "--with", str(server.config_file), "--data", str(server.data), "--same")
    assert got.returncode == 0, got.stdout


@pytest.mark.skipif(not LABELLED.exists(), reason="the support desk's labelled texts are not here")
def test_a_promise_that_the_texts_do_not_support_is_refused_at_the_start(own_server):
    promise = {"labelled": str(LABELLED), "out_of_scope_per_mille": 500}
    server = own_server(triage={"file": str(DESK / "triage.yaml"), "promise": promise},
                        scripts={"dir": str(DESK / "scripts")})
    with pytest.raises(Exception):
        server.start()
    assert "triage.promise" in server.log() and "cannot promise 1.00 % wrong scripts" in server.log()
