"""What the record and the columns beside sealed ones say in clear: no text that came with a run, whatever a flow makes of it."""

from __future__ import annotations

import http.server
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import ROOT, Server, cli, until
from mirror_objects import open_objects
from test_erasure import MIRROR_KEY, erase, files_of

CANARY = "zqcanary Jane Roe"

# Every place of a flow in which a computed text could be taken for a name.
TASKS = {
    "reason": "{call: review, with: {reason: '${ \"refund for \" + $context.who }', proposal: '${ $context.who }'}}",
    "script": "{call: script, with: {name: '${ $context.who }'}}",
    "model": "{call: chat, with: {model: '${ $context.who }'}}",
    "raise": "{raise: {error: {type: '${ \"https://example.com/\" + $context.who }', status: 400, title: '${ $context.who }'}}}",
    "emit": "{emit: {event: {with: {type: '${ $context.who }', source: '${ \"/\" + $context.who }', data: {a: '${ $context.who }'}}}}}",
    "http": "{call: http, with: {method: '${ $context.who }', endpoint: '${ \"http://\" + $context.who + \".invalid/\" }'}}",
    "tool": "{call: mcp, with: {method: tools/call, parameters: {name: '${ $context.who }'}, "
            "transport: {http: {endpoint: 'http://tools.invalid/'}}}}",
    "flow": "{run: {workflow: {namespace: test, name: '${ $context.who }', version: latest}}}",
    "listen": "{listen: {to: {one: {with: {type: '${ . == $context.who }'}}}}}",
}


class Objector(http.server.BaseHTTPRequestHandler):
    """An operator's own check that repeats a name of the text, in letters alone."""

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["content-length"])).decode()
        body = json.dumps({"objects": "object to this" in asked, "label": CANARY}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def objector():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Objector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def leaves(server: Server) -> list[dict]:
    shown = cli("audit", "show", "--data", str(server.data), "--limit", "10000")
    assert shown.returncode == 0, shown.stderr
    return [json.loads(line) for line in shown.stdout.splitlines()]


def start_flow(server: Server, name: str, task: str, **headers) -> str:
    document = (f"document: {{dsl: '1.0.3', namespace: test, name: {name}, version: '1.0.0'}}\n"
                "do:\n  - keep: {set: '${ . }', export: {as: .}}\n  - ask: " + task + "\n")
    made = server.call("POST", "/api/v1/flows", document.encode())
    assert made.status == 201, made.body
    started = server.call("POST", f"/api/v1/flows/test/{name}/runs", {"input": {"who": CANARY}}, **headers)
    assert started.status == 202, started.body
    return started.json()["id"]


def at_rest(server: Server, run: str) -> bool:
    return server.run(run)["status"] in ("completed", "faulted", "waiting")


def test_no_text_that_came_with_a_run_is_in_clear_anywhere(own_server, tmp_path, objector, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", MIRROR_KEY)
    place, policy = tmp_path / "mirror", tmp_path / "policy.yaml"
    policy.write_text("name: outside\nversion: 1\nrules: [{types: [EMAIL], action: tokenise}]\nchecks:\n"
                      f"  - {{name: words, kind: http, direction: both, action: block, url: '{objector}'}}\n"
                      "  - {name: shape, kind: json_schema, direction: outbound, action: block}\n")
    server = own_server(policy={"file": str(policy)},
                        mirror={"url": str(place), "mode": "before-ack", "key": "env:SB_TEST_MIRROR"}).start()
    mine = {"x_signalbox_subject": f"subject {CANARY}"}
    runs = {name: start_flow(server, name, task, **mine, idempotency_key=f"{name} {CANARY}") for name, task in TASKS.items()}
    for name, run in runs.items():
        until(name, lambda run=run: at_rest(server, run))
    assert server.run(runs["reason"])["status"] == "waiting"
    assert server.chat(f"object to this, {CANARY}", **mine).status == 400
    body = {"model": "simulated", "messages": [{"role": "user", "content": CANARY, "name": CANARY}], "user": CANARY,
            "metadata": {CANARY: CANARY}, "tools": [{"type": "function", "function": {"name": CANARY, "parameters": {CANARY: 1}}}],
            "response_format": {"type": "json_schema", "json_schema": {"name": CANARY, "schema": {CANARY: CANARY, "const": CANARY}}}}
    server.call("POST", "/v1/chat/completions", body, **mine, x_request_id=CANARY)
    server.chat("hello", model=CANARY, **mine)
    event = {"specversion": "1.0", "id": CANARY, "source": CANARY, "type": CANARY, "data": {CANARY: CANARY}}
    assert server.call("POST", "/api/v1/events", event, **mine).status == 202

    listed = server.call("GET", "/api/v1/reviews").json()["reviews"]
    review = next(one for one in listed if one["run"] == runs["reason"])
    assert review["reason"] is None, "a list opens nothing"
    opened = server.call("GET", f"/api/v1/reviews/{review['id']}").json()
    assert opened["reason"] == f"refund for {CANARY}" and opened["question"]["proposal"] == CANARY
    assert [leaf["summary"]["what"] for leaf in leaves(server) if leaf["run" if "run" in leaf else "kind"] == runs["reason"]
            and leaf["kind"] == "record.opened"] == ["run", "review"]
    told = server.call("POST", f"/api/v1/reviews/{review['id']}/edit", {"text": f"we pay {CANARY}", "reason": f"known: {CANARY}"})
    assert told.status == 200, told.body
    hold = server.call("POST", "/api/v1/holds", {"subject": f"subject {CANARY}", "reason": f"case of {CANARY}"})
    assert hold.status == 201 and CANARY in server.call("GET", "/api/v1/holds").body.decode()
    refused = server.call("POST", "/api/v1/disclosures", {"what": "traffic", "tenant": "default", "until": CANARY})
    assert refused.status == 400, refused.body
    assert CANARY in json.dumps([server.run(run) for run in runs.values()]), "it is there for those who may open it"

    def assert_nowhere():
        for name, content in {**files_of(server.data), **open_objects(place, MIRROR_KEY),
                              "server.log": server.log().encode()}.items():
            assert b"zqcanary" not in content and b"Jane Roe" not in content, name

    assert_nowhere()
    assert server.call("DELETE", f"/api/v1/holds/{hold.json()['id']}").status == 200
    server.call("POST", f"/api/v1/runs/{runs['listen']}/cancel")
    report = erase(server, {"subject": f"subject {CANARY}", "legal_basis": "test", "requested_by": CANARY}).json()
    assert report["runs_open"] == 0 and report["runs_erased"] >= len(TASKS), report
    assert_nowhere()
    server.process.stop()
    server.start()
    assert_nowhere()
    verified = server.verify()
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_the_manual_names_every_kind_of_leaf_that_is_written():
    manual = (ROOT / "docs/record.md").read_text().split("### Kinds of leaves")[1].split("\n#")[0]
    named = {kind for row in re.findall(r"^\| (`.*?) \|", manual, re.MULTILINE) for kind in re.findall(r"`([a-z_.]+)`", row)}
    written = {"step", "erasure", "drill", "report"}
    about = r'"((?:run|review|event|flow|config|policy|key|tenant_key|master_key|record|hold|promise|trial|label)\.(?!yaml|pem)[a-z_]+|triage\.(?:version|use|approve|learn))"'
    for source in (ROOT / "src").rglob("*.cc"):
        if not source.name.endswith("_test.cc"):
            written |= set(re.findall(about, re.sub(r'log_\w+\(\s*"[^"]*"', "", source.read_text())))
    assert named == written


def test_leaves_say_who_and_by_which_versions(own_server):
    server = own_server().start()
    chat = server.chat("mail ann@pages.org").headers["x-signalbox-run"]
    parked = start_flow(server, "asks", "{call: review, with: {reason: refund, proposal: none}}")
    until("the review", lambda: server.run(parked)["status"] == "waiting")
    review = server.call("GET", "/api/v1/reviews").json()["reviews"][0]
    assert review["reason"] == "refund"
    assert server.call("POST", f"/api/v1/reviews/{review['id']}/approve", {"reason": "as agreed"}).status == 200
    until("the end", lambda: server.run(parked)["status"] == "completed")
    seen = [leaf for leaf in leaves(server) if leaf.get("run") in (chat, parked) and leaf["kind"] != "record.opened"]
    assert {leaf["actor"] for leaf in seen} == {seen[0]["actor"]} and seen[0]["actor"].startswith("p-")
    assert all({"flow", "policy"} <= leaf["versions"].keys() for leaf in seen)
    of_chat = {leaf["summary"].get("task", leaf["kind"]): leaf["versions"].get("model") for leaf in seen if leaf["run"] == chat}
    assert of_chat["model"] == of_chat["run.end"] == "sim/simulated"
    assert [of_chat[kind] for kind in ("run.start", "guard.inbound", "guard.outbound")] == [None, None, None]
    verdict = next(leaf for leaf in seen if leaf["kind"] == "review.verdict")
    assert verdict["summary"] == {"review": review["id"], "verdict": "approve"}
    assert re.fullmatch("[0-9a-f]{64}", verdict["payload_commit"]) and verdict["prev_state"]
    assert server.verify().returncode == 0


def test_holds_say_on_record_whom_they_hold_and_why_is_sealed(own_server):
    server = own_server().start()
    run = server.chat("evidence", x_signalbox_subject="customer-3").headers["x-signalbox-run"]
    why = "because of zqcanary"
    placed = [server.call("POST", "/api/v1/holds", {name: value, "reason": why}).json()
              for name, value in (("subject", "customer-3"), ("run", run))]
    server.process.stop()
    server.start()
    assert [hold["reason"] for hold in server.call("GET", "/api/v1/holds").json()["holds"]] == [why, why]
    refused = erase(server, {"run": run, "legal_basis": "test"})
    assert refused.status == 409 and why in refused.json()["detail"]
    for hold in placed:
        assert server.call("DELETE", f"/api/v1/holds/{hold['id']}").json()["reason"] == why
    for name, content in files_of(server.data).items():
        assert b"zqcanary" not in content, name
    held = [leaf for leaf in leaves(server) if leaf["kind"].startswith("hold.")]
    assert [leaf["kind"] for leaf in held] == 2 * ["hold.place"] + 2 * ["hold.release"]
    for leaf in held[0::2]:
        assert leaf["summary"] == {"hold": placed[0]["id"], "subject": placed[0]["subject"]} and "run" not in leaf
    for leaf in held[1::2]:
        assert leaf["summary"] == {"hold": placed[1]["id"]} and leaf["run"] == run


def test_an_event_is_erased_with_the_person_it_is_about(own_server):
    server = own_server().start()
    flow = ("document: {dsl: '1.0.3', namespace: test, name: ordered, version: '1.0.0'}\n"
            "schedule: {on: {one: {with: {type: test.order}}}}\ndo:\n  - keep: {set: '${ . }'}\n")
    assert server.call("POST", "/api/v1/flows", flow.encode()).status == 201
    event = {"specversion": "1.0", "id": "1", "source": "test", "type": "test.order", "data": "theirs"}
    told = server.call("POST", "/api/v1/events", event, x_signalbox_subject="customer-7")
    assert told.json()["runs"] == 1, told.body
    run = server.call("GET", "/api/v1/runs?flow=test/ordered").json()["runs"][0]["id"]
    until("the run", lambda: server.run(run)["status"] == "completed")
    assert erase(server, {"subject": "customer-7", "legal_basis": "test"}).json()["runs_erased"] == 1
    assert server.run(run)["input"] is None


def test_a_hash_in_the_record_ties_no_two_runs_together(own_server):
    server = own_server().start()
    runs = [server.chat("mail jane.roe@pages.org").headers["x-signalbox-run"] for _ in range(2)]
    found = [[finding["value_hash"] for leaf in leaves(server) if leaf.get("run") == run and leaf["kind"] == "step"
              for finding in leaf["summary"].get("decision", {}).get("findings", [])] for run in runs]
    assert all(found) and not set(found[0]) & set(found[1]), found


def test_a_run_that_is_told_to_stop_stops_and_the_record_says_who_told_it(own_server):
    """Also in the moment when it comes to rest: the answer 200 used to be all that happened."""
    server = own_server(flows={"shell": True}).start()
    other = server.call("POST", "/api/v1/keys", {"name": "other", "role": "admin"}).json()["key"]
    listening = [start_flow(server, "hears", "{listen: {to: {any: []}}}")]
    for i in range(40):
        run = listening[0] if i == 0 else server.call("POST", "/api/v1/flows/test/hears/runs", {"input": {}}).json()["id"]
        told = server.call("POST", f"/api/v1/runs/{run}/{'cancel' if i % 2 else 'suspend'}", key=other)
        assert told.status == 200 and told.json()["status"] == ("cancelled" if i % 2 else "suspended"), (i, told.body)
        listening.append(run)
    working = start_flow(server, "works", "{run: {shell: {command: 'sleep 20'}}}")
    until("it to work", lambda: server.run(working)["status"] == "running")
    assert server.call("POST", f"/api/v1/runs/{working}/cancel", key=other).json()["status"] == "cancelled"
    told = [leaf for leaf in leaves(server) if leaf["kind"] in ("run.cancel", "run.suspend")]
    assert {leaf["run"] for leaf in told} == {*listening, working}
    started = next(leaf for leaf in leaves(server) if leaf["kind"] == "run.start")
    assert {leaf["actor"] for leaf in told}.isdisjoint({started["actor"]}) and len({leaf["actor"] for leaf in told}) == 1
    assert server.verify().returncode == 0


RACES = {
    "an event, a run that listens": ("{listen: {to: {all: [{with: {type: a}}, {with: {type: b}}]}}}", "event"),
    "an event, a run that works and listens": ("{fork: {branches: [{x: {run: {shell: {command: sleep 20}}}}, "
                                               "{y: {listen: {to: {all: [{with: {type: a}}, {with: {type: b}}]}}}}]}}", "event"),
    "a verdict": ("{call: review, with: {reason: refund, proposal: none}}", "verdict"),
}


@pytest.mark.parametrize("race", RACES)
def test_one_at_a_time_works_on_a_run(own_server, race):
    """What is told at the same moment comes one after the other: no end is undone, and the record verifies."""
    task, what = RACES[race]
    server = own_server(flows={"shell": True}).start()
    start_flow(server, "races", task)

    def open_review(run: str) -> str:
        reviews = server.call("GET", "/api/v1/reviews?state=open&limit=1000").json()["reviews"]
        return next((review["id"] for review in reviews if review["run"] == run), "")

    def tell(review: str, number: int) -> int:
        if what == "event":
            return server.call("POST", "/api/v1/events", {"specversion": "1.0", "id": str(number), "source": "/x", "type": "a"}).status
        return server.call("POST", f"/api/v1/reviews/{review}/approve").status

    with ThreadPoolExecutor(2) as pool:
        for i in range(24):
            run = server.call("POST", "/api/v1/flows/test/races/runs", {"input": {"who": "x"}}).json()["id"]
            review = "" if what == "event" else until("it to wait", lambda: open_review(run))
            command, ends = ("cancel", "cancelled") if i % 2 else ("suspend", "suspended")
            told = pool.submit(tell, review, i)
            time.sleep(i % 6 * 0.0005)
            commanded = server.call("POST", f"/api/v1/runs/{run}/{command}")
            told.result()
            status = server.run(run)["status"]
            assert commanded.status in (200, 409), commanded.body
            assert status == ends if commanded.status == 200 else status == "completed", (i, commanded.body, status)
    assert server.verify().returncode == 0, server.verify().stdout
