"""What is noted on runs: found, counted, restored and erased with them, once, on record, and kept from who may not see it."""

from __future__ import annotations

import csv
import http.client
import io
import json
import signal
import sqlite3

from harness import cli, until
from test_functions import register, start
from test_policy import key_of

MAIL = "jane.roe@pages.org"
FLOW = """
document: {dsl: '1.0.3', namespace: test, name: noting, version: '1.0.0'}
do:
  - team: {call: tag, with: {name: team, value: '${ .team }'}}
  - words: {call: annotate, with: {text: '${ "written by " + .who }'}}
  - good: {call: score, with: {name: helpful, value: 0.8}}
  - rest: {wait: {milliseconds: 300}}
  - again: {call: tag, with: {name: stage, value: done}}
"""


def leaves(server, *kinds):
    shown = cli("audit", "show", "--data", str(server.data), "--limit", "10000").stdout.splitlines()
    return [leaf for leaf in map(json.loads, shown) if leaf["kind"] in kinds]


def listed(server, tag, **more):
    return [run["id"] for run in server.call("GET", f"/api/v1/runs?tag={tag}", **more).json()["runs"]]


def contents(server):
    return cli("audit", "verify", "--data", str(server.data), "--contents")


def test_what_a_flow_notes_is_there_once_through_kills_and_goes_with_the_run(own_server):
    server = own_server().start()
    register(server, FLOW)
    body = {"input": {"team": "beta", "who": MAIL}}
    begin = lambda key: server.call("POST", "/api/v1/flows/test/noting/runs", body, idempotency_key=key)
    for commits in ("1", "2", "3"):
        server.process.kill()
        server.start({"SIGNALBOX_TEST_DIE_AFTER_COMMIT": commits})
        try:
            begin(f"killed after {commits}")
        except OSError:
            pass  # it died before it answered
        except http.client.HTTPException:
            pass
        assert server.process.process.wait(60) == -signal.SIGKILL
        server.start()
    runs = [begin(f"killed after {commits}").json()["id"] for commits in ("1", "2", "3")]
    for run in runs:
        shown = until("the end", lambda: (now := server.run(run))["status"] == "completed" and now)
        assert shown["tags"] == {"team": "beta", "stage": "done"}
        assert [(note["text"], note["task"]) for note in shown["annotations"]] == [("written by [EMAIL_1]", "/do/1/words")]
        assert [(score["name"], score["value"], score["source"]) for score in shown["scores"]] == [("helpful", 0.8, "EVAL")]
    run = runs[0]
    restored = server.call("GET", f"/api/v1/runs/{run}?restore=true").json()
    assert restored["annotations"][0]["text"] == f"written by {MAIL}"
    assert sorted(listed(server, "team:beta")) == sorted(runs) == sorted(listed(server, "stage:done"))
    assert listed(server, "team:gamma") == []
    assert server.call("GET", "/api/v1/runs?tag=team").status == 400
    refused = start(server, "test/noting", {"team": MAIL, "who": "x"})
    assert refused["status"] == "faulted" and refused["error"]["code"] == "policy_denied", refused
    assert server.call("POST", "/api/v1/erasures", {"run": run, "legal_basis": "test"}).status == 200
    gone = server.run(run)
    assert (gone["tags"], gone["annotations"], gone["scores"]) == ({}, [], [])
    assert sorted(listed(server, "team:beta")) == sorted(runs[1:])
    server.process.stop()
    assert server.verify().returncode == 0 and contents(server).returncode == 0, contents(server).stdout


def test_what_keys_note_is_theirs_and_on_record_without_a_word_of_it(own_server):
    server = own_server().start()
    client, other, reviewer, auditor = (key_of(server, role) for role in ("client", "client", "reviewer", "auditor"))
    run = server.chat("hello, notes", key=client).headers["x-signalbox-run"]
    path = f"/api/v1/runs/{run}"
    notes = {"tags": {"name": "team", "value": "beta"}, "annotations": {"text": f"call {MAIL} back"},
             "scores": {"name": "helpful", "value": 1, "dataType": "BOOLEAN", "comment": "short", "source": "ANNOTATION"}}
    for what, said in notes.items():
        assert server.call("POST", f"{path}/{what}", said, key=client).status == 201, what
        assert server.call("POST", f"{path}/{what}", said, key=client).status == 200, "the same again is the same"
        assert server.call("POST", f"{path}/{what}", said, key=other).status == 404, "another's run"
        assert server.call("POST", f"{path}/{what}", said, key=auditor).status == 403
    assert server.call("POST", f"{path}/tags", {"name": "team", "value": "gamma"}, key=reviewer).status == 201
    assert server.call("POST", f"{path}/scores", {"name": "helpful", "value": False}, key=client).status == 409
    assert server.call("POST", f"{path}/scores", {"name": "helpful", "value": False}, key=reviewer).status == 201
    for what, wrong in (("tags", {"name": "team"}), ("tags", {"name": "a b", "value": "x"}), ("tags", {"name": "a", "value": "x", "y": 1}),
                        ("annotations", {"text": ""}), ("scores", {"name": "n", "value": 2, "dataType": "BOOLEAN"}),
                        ("scores", {"name": "n", "value": 2, "source": "EVAL"}), ("scores", [1]), ("tags", "")):
        assert server.call("POST", f"{path}/{what}", wrong, key=client).status == 400, (what, wrong)
    refused = server.call("POST", f"{path}/tags", {"name": "who", "value": MAIL}, key=client)
    assert refused.status == 400 and refused.json()["type"].endswith("policy_denied"), refused.body
    shown = server.run(run)
    assert shown["tags"] == {"team": "gamma"}
    assert MAIL not in json.dumps(shown) and shown["annotations"][0]["text"].endswith(" back")
    assert sorted(score["value"] for score in shown["scores"]) == [False, True]
    assert [score["comment"] for score in shown["scores"] if "comment" in score] == ["short"]
    server.process.stop()
    on_record = leaves(server, "run.tag", "run.annotation", "run.score")
    assert [leaf["kind"] for leaf in on_record] == ["run.tag", "run.annotation", "run.score", "run.tag", "run.score"]
    assert [leaf["summary"]["by"] for leaf in on_record] == ["client"] * 3 + ["reviewer"] * 2
    for word in ("beta", "gamma", "helpful", "team", "back", "short"):
        assert word not in json.dumps(on_record), word
    assert contents(server).returncode == 0, contents(server).stdout
    with sqlite3.connect(server.data / "signalbox.db") as database:
        assert b"gamma" not in b"".join(body for (body,) in database.execute("SELECT body FROM notes"))
        database.execute("UPDATE notes SET body = (SELECT body FROM notes WHERE kind = 1) WHERE kind = 2")
    assert contents(server).returncode == 1 and "score" in contents(server).stdout, "scores are held against the record"


def test_costs_are_told_apart_by_tags(own_server):
    server = own_server().start()
    runs = [server.chat(f"hello, costs by tag {i}").headers["x-signalbox-run"] for i in range(3)]
    for run, team in zip(runs, ("beta", "beta", "alpha, the first")):
        assert server.call("POST", f"/api/v1/runs/{run}/tags", {"name": "team", "value": team}).status == 201
    assert server.call("POST", f"/api/v1/runs/{runs[0]}/tags", {"name": "env", "value": "prod"}).status == 201
    costs = server.call("GET", "/api/v1/costs").json()
    assert {name: row["runs"] for name, row in costs["by_tag"].items()} == {"team:beta": 2, "env:prod": 1, "team:alpha, the first": 1}
    one = {run: server.run(run)["cost_micro"] for run in runs}
    assert costs["by_tag"]["team:beta"]["cost_micro"] == one[runs[0]] + one[runs[1]]
    assert costs["total_micro"] == sum(one.values())
    rows = list(csv.DictReader(io.StringIO(server.call("GET", "/api/v1/costs?format=csv").body.decode())))
    assert sorted(json.dumps(json.loads(row["tags"]), sort_keys=True) for row in rows) == [
        '{"env": "prod", "team": "beta"}', '{"team": "alpha, the first"}', '{"team": "beta"}']
    focus = list(csv.DictReader(io.StringIO(server.call("GET", "/api/v1/costs?format=focus").body.decode())))
    assert sorted(json.loads(row["Tags"])["team"] for row in focus) == ["alpha, the first", "beta", "beta"]
    server.call("POST", "/api/v1/erasures", {"run": runs[2], "legal_basis": "test"})
    after = server.call("GET", "/api/v1/costs").json()
    assert "team:alpha, the first" not in after["by_tag"] and after["total_micro"] == costs["total_micro"]


def test_the_command_line_notes_and_finds(own_server):
    server = own_server().start()
    run = server.chat("hello, notes by hand").headers["x-signalbox-run"]
    environment = {"env": {"SIGNALBOX_API_KEY": server.key, "PATH": ""}}
    runs = lambda *words: cli("runs", *words, "--url", f"http://{server.address}", **environment)
    for words in (("tag", run, "team", "beta & co"), ("annotate", run, "seen"), ("score", run, "helpful", "0.8", "--comment", "good"),
                  ("score", run, "tone", "rude"), ("score", run, "right", "1", "--type", "BOOLEAN")):
        done = runs(*words)
        assert done.returncode == 0, (words, done.stderr)
    assert run in runs("list", "--tag", "team:beta & co").stdout and run not in runs("list", "--tag", "team:beta").stdout
    shown = json.loads(runs("show", run).stdout)
    assert shown["tags"] == {"team": "beta & co"} and shown["annotations"][0]["text"] == "seen"
    assert {score["name"]: score["value"] for score in shown["scores"]} == {"helpful": 0.8, "tone": "rude", "right": True}
    assert runs("tag", run, "a b", "x").returncode == 1
