"""Reviews, keys, flows and costs, by API and command line."""

from __future__ import annotations

import http.server
import json
import os
import threading

from harness import cli, until

FLOW = """
document: {dsl: '1.0.3', namespace: test, name: ask, version: '1.0.0'}
do:
  - check:
      call: review
      with: {reason: refund, proposal: '${ "We pay " + .amount }', holding: wait}
"""


def parked(server, amount: str) -> tuple[str, str]:
    made = server.call("POST", "/api/v1/flows", FLOW.encode())
    assert made.status in (200, 201), made.body
    run = server.call("POST", "/api/v1/flows/test/ask/runs", {"input": {"amount": amount}, "wait": True}).json()
    assert run["status"] == "waiting" and run["output"] is None
    reviews = server.call("GET", "/api/v1/reviews?state=open&limit=1000").json()["reviews"]
    return run["id"], next(review["id"] for review in reviews if review["run"] == run["id"])


def answer(run: dict) -> str:
    return run["output"]["choices"][0]["message"]["content"]


def test_approve_resumes_the_run_exactly_once(server):
    run, review = parked(server, "5 EUR")
    shown = server.call("GET", f"/api/v1/reviews/{review}").json()
    assert shown["question"]["proposal"] == "We pay 5 EUR" and shown["reason"] == "refund"
    assert server.call("POST", f"/api/v1/reviews/{review}/claim").status == 200
    assert server.call("POST", f"/api/v1/reviews/{review}/approve").status == 200
    finished = server.run(run)
    assert finished["status"] == "completed" and answer(finished) == "We pay 5 EUR"
    assert server.call("POST", f"/api/v1/reviews/{review}/reject").status == 409


def test_edit_and_reject_by_command_line(server):
    environment = {**os.environ, "SIGNALBOX_API_KEY": server.key}
    url = f"http://{server.address}"
    run, review = parked(server, "6 EUR")
    assert review in cli("reviews", "list", "--url", url, env=environment).stdout
    edited = cli("reviews", "edit", review, "--text", "We pay 4 EUR", "--url", url, env=environment)
    assert edited.returncode == 0, edited.stderr
    assert answer(server.run(run)) == "We pay 4 EUR"
    run, review = parked(server, "7 EUR")
    assert cli("reviews", "reject", review, "--reason", "fraud", "--url", url, env=environment).returncode == 0
    rejected = server.run(run)
    assert rejected["status"] == "faulted" and rejected["error"]["status"] == 403
    again = cli("reviews", "approve", review, "--url", url, env=environment)
    assert again.returncode == 1 and "already rejected" in again.stderr


class Tone(http.server.BaseHTTPRequestHandler):
    """An operator's own check: it objects to rude words, and breaks where it is told to."""

    def do_POST(self):
        text = " ".join(json.loads(self.rfile.read(int(self.headers["content-length"])))["texts"])
        self.server.asked.append(text)
        body = json.dumps({"objects": "rude" in text, "label": "tone"}).encode()
        self.send_response(500 if "break" in text else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_an_outside_check_reads_what_a_reviewer_writes(own_server):
    checker = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tone)
    checker.asked = []
    threading.Thread(target=checker.serve_forever, daemon=True).start()
    server = own_server()
    policy = server.work / "policy.yaml"
    policy.write_text("name: tone\nversion: 1\nrules: []\nchecks: [{name: tone, kind: http, direction: outbound, action: block, "
                      f"url: 'http://127.0.0.1:{checker.server_port}/'}}]\n")
    server.write_config(json.loads(server.config_file.read_text()) | {"policy": {"file": str(policy)}})
    server.start()
    run, review = parked(server, "9 EUR")
    for text, label in (("a rude answer", "tone"), ("break", "no answer")):
        refused = server.call("POST", f"/api/v1/reviews/{review}/edit", {"text": text})
        assert refused.status == 400 and f"check tone: {label}" in refused.json()["detail"], refused.body
        assert server.run(run)["status"] == "waiting"
    assert server.call("POST", f"/api/v1/reviews/{review}/edit", {"text": "a kind answer"}).status == 200
    assert answer(server.run(run)) == "a kind answer"
    assert checker.asked == ["a rude answer", "break", "a kind answer"]
    checker.shutdown()
    checker.server_close()
    run, review = parked(server, "10 EUR")
    assert server.call("POST", f"/api/v1/reviews/{review}/approve").status == 400, "nobody answers: it stays here"
    assert server.run(run)["status"] == "waiting"


def test_a_parked_run_survives_kill(own_server):
    server = own_server().start()
    run, review = parked(server, "8 EUR")
    server.process.kill()
    server.start()
    assert server.run(run)["status"] == "waiting"
    assert server.call("POST", f"/api/v1/reviews/{review}/approve").status == 200
    assert answer(server.run(run)) == "We pay 8 EUR"


def test_roles_and_revocation(server):
    made = server.call("POST", "/api/v1/keys", {"name": "desk", "tenant": "desk", "role": "client"})
    assert made.status == 201
    key = made.json()
    assert server.call("GET", "/v1/models", key=key["key"]).status == 200
    assert server.call("GET", "/api/v1/keys", key=key["key"]).status == 403
    own = server.call("POST", "/v1/chat/completions", {"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}, key=key["key"])
    assert own.status == 200
    other_tenant = server.call("POST", "/api/v1/keys", {"name": "other", "tenant": "other", "role": "client"}).json()
    assert server.call("GET", f"/api/v1/runs/{own.headers['x-signalbox-run']}", key=other_tenant["key"]).status == 404
    assert server.call("DELETE", f"/api/v1/keys/{key['id']}").status == 200
    assert server.call("GET", "/v1/models", key=key["key"]).status == 401
    listed = server.call("GET", "/api/v1/keys").body.decode()
    assert key["key"] not in listed


def test_rate_and_spend_limits(server):
    limited = server.call("POST", "/api/v1/keys", {"name": "slow", "role": "client", "limits": {"requests_per_minute": 2}}).json()["key"]
    statuses = [server.call("GET", "/v1/models", key=limited) for _ in range(3)]
    assert [reply.status for reply in statuses] == [200, 200, 429]
    assert int(statuses[2].headers["retry-after"]) >= 1
    misspelt = server.call("POST", "/api/v1/keys", {"name": "x", "limits": {"request_per_minute": 2}})
    assert misspelt.status == 400 and "requests_per_minute" in misspelt.json()["detail"]
    poor = server.call("POST", "/api/v1/keys", {"name": "poor", "role": "client", "limits": {"spend_micro_per_day": 1}}).json()["key"]
    chat = {"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}
    refused = server.call("POST", "/v1/chat/completions", chat, key=poor)
    assert refused.status == 429
    run = refused.headers["x-signalbox-run"]
    assert server.call("POST", f"/api/v1/runs/{run}/retry", {}, key=poor).status == 202
    again = until("the retried run", lambda: (now := server.run(run))["status"] in ("completed", "faulted") and now)
    assert again["status"] == "faulted" and again["cost_micro"] == 0, "a retry has its key's limit"


def test_a_run_has_its_keys_limit_after_a_pause(server):
    flow = """
document: {dsl: '1.0.3', namespace: test, name: later, version: '1.0.0'}
do:
  - pause: {wait: {milliseconds: 300}}
  - ask: {call: chat, with: {model: simulated, messages: [{role: user, content: hi}]}}
"""
    assert server.call("POST", "/api/v1/flows", flow.encode()).status == 201
    poor = server.call("POST", "/api/v1/keys", {"name": "later", "role": "client", "limits": {"spend_micro_per_day": 1}}).json()["key"]
    run = server.call("POST", "/api/v1/flows/test/later/runs", {"input": {}}, key=poor).json()["id"]
    ended = until("the run", lambda: (now := server.run(run))["status"] in ("completed", "faulted") and now)
    assert ended["status"] == "faulted" and ended["cost_micro"] == 0 and "money" in str(ended), ended


def test_flow_versions(server):
    assert server.call("POST", "/api/v1/flows", FLOW.encode()).status in (200, 201)
    assert server.call("POST", "/api/v1/flows", FLOW.encode()).status == 200
    assert server.call("POST", "/api/v1/flows", FLOW.replace("refund", "other").encode()).status == 409
    refused = server.call("POST", "/api/v1/flows", FLOW.replace("call: review", "call: reveiw").encode())
    assert refused.status == 422 and "did you mean `review`" in refused.json()["detail"]


def test_metrics_and_costs(server):
    assert server.chat("count me").status == 200
    metrics = server.call("GET", "/metrics").body.decode()
    assert "signalbox_store_commits_total" in metrics and "signalbox_api_runs_total" in metrics
    costs = server.call("GET", "/api/v1/costs").json()
    assert costs["runs"] >= 1 and costs["total_micro"] > 0


LISTENER = """
document: {dsl: '1.0.3', namespace: test, name: hears, version: '1.0.0'}
do:
  - order:
      listen: {to: {one: {with: {type: test.order}}}}
"""


def test_an_event_reaches_the_runs_of_its_senders_tenant_alone(server):
    assert server.call("POST", "/api/v1/flows", LISTENER.encode()).status in (200, 201)
    run = server.call("POST", "/api/v1/flows/test/hears/runs", {"input": {}}).json()["id"]
    until("listening", lambda: server.run(run)["status"] == "waiting")
    event = {"specversion": "1.0", "id": "1", "source": "test", "type": "test.order", "data": {"of": "whom"}}
    stranger = server.call("POST", "/api/v1/keys", {"name": "stranger", "tenant": "elsewhere", "role": "operator"}).json()["key"]
    told = server.call("POST", "/api/v1/events", event, key=stranger)
    assert told.status < 300, told.body
    assert server.run(run)["status"] == "waiting"
    assert server.call("POST", "/api/v1/events", event).status < 300
    until("heard", lambda: server.run(run)["status"] == "completed")


def test_a_verdict_is_for_the_task_that_asked(own_server):
    """Beside a branch whose call is under way: its answer was dropped, and the person's word was taken for it."""
    server = own_server(flows={"shell": True}).start()
    flow = ("document: {dsl: '1.0.3', namespace: test, name: beside, version: '1.0.0'}\n"
            "do:\n  - both:\n      fork:\n        branches:\n"
            "          - pay: {run: {shell: {command: 'sleep 0.5; echo paid'}}}\n"
            "          - ask: {call: review, with: {reason: refund, proposal: yes}}\n")
    assert server.call("POST", "/api/v1/flows", flow.encode()).status == 201
    run = server.call("POST", "/api/v1/flows/test/beside/runs", {"input": {}}).json()["id"]
    until("the review", lambda: server.run(run)["status"] == "waiting")
    reviews = [r for r in server.call("GET", "/api/v1/reviews?state=open").json()["reviews"] if r["run"] == run]
    assert len(reviews) == 1
    assert server.call("POST", f"/api/v1/reviews/{reviews[0]['id']}/approve").status == 200
    until("the end", lambda: server.run(run)["status"] == "completed")
    paid, said = server.run(run)["output"]
    assert paid.strip() == "paid" and said["choices"][0]["message"]["content"] == "yes"
    assert [task["name"] for task in server.run(run)["tasks"] if task["kind"] in ("shell", "run", "review")] == ["pay", "ask"]
