"""Whoever opens content is on the record, before they see it."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import Server, cli, until
from test_people import parked


def openings(server: Server) -> list[dict]:
    shown = cli("audit", "show", "--data", str(server.data), "--limit", "10000").stdout.splitlines()
    return [leaf for leaf in map(json.loads, shown) if leaf["kind"] == "record.opened"]


def key_of(server: Server, role: str) -> str:
    return server.call("POST", "/api/v1/keys", {"name": role, "role": role}).json()["key"]


def test_content_that_a_person_opens_makes_a_leaf_and_metadata_makes_none(own_server):
    server = own_server().start()
    client, auditor, admin = key_of(server, "client"), key_of(server, "auditor"), server.key
    run = server.call("POST", "/v1/chat/completions", {"model": "simulated", "messages": [{"role": "user", "content": "hello"}]},
                      key=client).headers["x-signalbox-run"]
    # An application that asks after its own run, and whoever looks at lists, opens nothing.
    assert server.call("GET", f"/api/v1/runs/{run}", key=client).json()["input"]
    for path in ("/api/v1/runs", "/api/v1/reviews", "/api/v1/costs"):
        assert server.call("GET", path).status == 200
    assert openings(server) == []

    other = key_of(server, "client")
    for key in (auditor, admin, other):
        assert server.call("GET", f"/api/v1/runs/{run}", key=key).json()["input"]
        assert server.call("GET", f"/api/v1/runs/{run}", key=key).status == 200, "again, and again it counts once"
    seen = openings(server)
    assert [(leaf["run"], leaf["summary"]) for leaf in seen] == 3 * [(run, {"what": "run"})]
    assert len({leaf["actor"] for leaf in seen}) == 3 and all(leaf["actor"].startswith("p-") for leaf in seen)

    assert b"task.completed" in server.call("GET", f"/api/v1/runs/{run}/events", key=auditor).body
    assert server.call("POST", "/api/v1/reveal", {"text": "nothing sealed"}).status == 200
    assert [leaf["summary"] for leaf in openings(server)[3:]] == [{"what": "events"}, {"opened": 0, "refused": 0, "what": "reveal"}]
    server.call("GET", f"/api/v1/runs/{'0' * 8}-0000-7000-8000-{'0' * 12}")
    server.call("POST", "/api/v1/erasures", {"run": run, "legal_basis": "test"})
    assert server.call("GET", f"/api/v1/runs/{run}", key=key_of(server, "operator")).json()["input"] is None
    assert len(openings(server)) == 5, "what is not there cannot be opened"
    server.process.stop()
    assert server.verify().returncode == 0


def test_the_starters_own_answer_is_no_opening(own_server):
    server = own_server().start()
    body = {"input": {"model": "simulated", "messages": [{"role": "user", "content": "hello"}]}, "wait": True}
    assert server.call("POST", "/api/v1/flows/signalbox/chat/runs", body).json()["output"]
    assert openings(server) == []


class SaysYes(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"] or 0))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def test_a_proof_that_discloses_is_on_the_record_with_and_without_a_server(own_server, tmp_path):
    server = own_server().start()
    run = server.chat("hello").headers["x-signalbox-run"]
    proof = tmp_path / "proof.json"
    prove = ("audit", "prove", "--data", str(server.data), "--run", run, "--out", str(proof), "--disclose")
    refused = cli(*prove)
    assert refused.returncode == 3 and "--url" in refused.stderr and not proof.exists()
    key_file = tmp_path / "key"
    key_file.write_text(key_of(server, "client"))
    through = (*prove, "--url", f"http://{server.address}", "--key-file", str(key_file))
    assert cli(*through).returncode == 3, "a client may not"
    with ThreadingHTTPServer(("127.0.0.1", 0), SaysYes) as liar:
        threading.Thread(target=liar.serve_forever, daemon=True).start()
        fooled = cli(*prove, "--url", f"http://127.0.0.1:{liar.server_port}")
        liar.shutdown()
    assert fooled.returncode == 3 and "another data directory" in fooled.stderr, fooled.stderr
    assert openings(server) == [] and not proof.exists()
    key_file.write_text(key_of(server, "auditor"))
    done = cli(*through)
    assert done.returncode == 0, done.stderr
    assert [leaf["summary"] for leaf in openings(server)] == [{"what": "proof"}]
    server.process.stop()
    done = cli(*prove)
    assert done.returncode == 0, done.stderr
    assert [(leaf["run"], leaf["summary"]) for leaf in openings(server)] == 2 * [(run, {"what": "proof"})]
    assert server.verify().returncode == 0
    server.start()
    assert server.chat("and on it goes").status == 200


def test_a_review_that_is_read_is_on_the_record(own_server):
    server = own_server().start()
    run, review = parked(server, "9 EUR")
    assert openings(server) == []
    reviewer = key_of(server, "reviewer")
    assert server.call("GET", f"/api/v1/reviews/{review}", key=reviewer).json()["question"]
    leaf = openings(server)[0]
    assert leaf["run"] == run and leaf["summary"] == {"review": review, "what": "review"}


def test_drills_and_reports_are_put_on_the_record(own_server, tmp_path):
    server = own_server().start()
    key_file, report = tmp_path / "key", tmp_path / "review.txt"
    key_file.write_text(key_of(server, "auditor"))
    report.write_text("all is well")
    reach = ("--url", f"http://{server.address}", "--key-file", str(key_file))
    for arguments in (("drill", "--name", "restore", "--result", "passed"),
                      ("report", "--name", "review-2026-q4", "--file", str(report))):
        done = cli("attest", *arguments, *reach)
        assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in cli("audit", "show", "--data", str(server.data), "--limit", "10000").stdout.splitlines()]
    told = [leaf for leaf in shown if leaf["kind"] in ("drill", "report")]
    assert [leaf["summary"] for leaf in told] == [
        {"name": "restore", "result": "passed"},
        {"name": "review-2026-q4", "sha256": hashlib.sha256(b"all is well").hexdigest()}]
    assert all(leaf["actor"].startswith("p-") for leaf in told)
    for wrong, says in (({"kind": "drill", "name": "Jane Roe", "result": "passed"}, "label"),
                        ({"kind": "drill", "name": "restore"}, "passed or failed"),
                        ({"kind": "report", "name": "x", "sha256": "12"}, "64 hex"),
                        ({"kind": "note", "name": "x"}, "drill or report")):
        refused = server.call("POST", "/api/v1/attestations", wrong)
        assert refused.status == 400 and says in refused.json()["detail"], refused.body
    client = key_of(server, "client")
    assert server.call("POST", "/api/v1/attestations", {"kind": "drill", "name": "x", "result": "passed"}, key=client).status == 403


def test_a_log_that_is_not_public_is_verified_by_whoever_may_read_it(own_server, tmp_path):
    server = own_server(audit={"public": False}).start()
    server.chat("hello")
    url, vkey = f"http://{server.address}/", cli("audit", "key", "--data", str(server.data)).stdout.strip()
    refused = cli("audit", "verify", url, "--key", vkey)
    assert refused.returncode == 3 and "--key-file" in refused.stderr and "401" in refused.stderr, refused.stderr
    key_file = tmp_path / "auditor"
    key_file.write_text(key_of(server, "auditor") + "\n")
    until("a tree head", lambda: (server.data / "audit/checkpoint").exists())
    done = cli("audit", "verify", url, "--key", vkey, "--key-file", str(key_file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_answer_is_not_shown_to_another_key_that_guesses_its_idempotency_key(own_server):
    server = own_server().start()
    first, second = key_of(server, "client"), key_of(server, "client")
    body = {"model": "simulated", "messages": [{"role": "user", "content": "my mail is ann@pages.org"}]}
    ask = lambda key: server.call("POST", "/v1/chat/completions", body, key=key, Idempotency_Key="once")
    assert ask(first).status == 200 and ask(first).status == 200
    other = ask(second)
    assert other.status == 409 and b"another API key" in other.body, other.body
