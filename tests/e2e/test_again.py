"""Runs that are retried and forked: once, through kills, past nobody's policy, and gone with the person they are about."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import signal
import sqlite3
import threading

import pytest
from harness import cli, until
from test_functions import register
from test_mirror import KEY, lose, restore
from test_policy import key_of

FLOW = """
document: {dsl: '1.0.3', namespace: test, name: again, version: '1.0.0'}
do:
  - first:
      call: http
      with: {method: post, endpoint: 'https://shop.invalid/first', body: {who: '${ .who }'}}
      export: {as: '${ {first: .n} }'}
  - rest: {wait: {milliseconds: 50}}
  - second: {call: http, with: {method: post, endpoint: 'https://shop.invalid/second', body: {n: '${ .n }'}}}
  - third: {call: http, with: {method: post, endpoint: 'https://shop.invalid/third', body: {n: '${ .n }'}}}
  - last: {set: {n: '${ .n }', first: '${ $context.first }', who: '${ $workflow.input.who }'}}
"""


class Shop(http.server.BaseHTTPRequestHandler):
    """Does what it is asked once a key; `/second` fails while the shop is broken, and that it does not remember."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key = self.headers["idempotency-key"]
        broken = self.path == "/second" and self.server.broken
        if not broken:
            self.server.done.setdefault(self.path, {})[key] = body
        said = json.dumps({"n": len(self.server.done.get(self.path, {}))}).encode()
        self.send_response(500 if broken else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


@pytest.fixture
def shop():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    server.broken, server.done = True, {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def serving(own_server, shop, **more):
    hosts = [{"name": "shop.invalid", "via": f"http://127.0.0.1:{shop.server_port}"}]
    return own_server(flows={"hosts": hosts}, **more)


def begin(server, who="ann", **headers):
    made = server.call("POST", "/api/v1/flows/test/again/runs", {"input": {"who": who}}, **headers)
    assert made.status == 202, made.body
    return made.json()["id"]


def ended(server, run, status):
    return until(f"run {run}", lambda: (now := server.run(run))["status"] in ("completed", "faulted") and now["status"] == status and now)


def names(run):
    return [task["name"] for task in run["tasks"] if task["kind"] != "guard"]


def leaves(server, *kinds):
    shown = cli("audit", "show", "--data", str(server.data), "--limit", "10000").stdout.splitlines()
    return [leaf for leaf in map(json.loads, shown) if leaf["kind"] in kinds]


def dying(server, commits, ask):
    """`ask` of a server that dies after so many commits; then of one that lives."""
    server.process.stop()
    server.start({"SIGNALBOX_TEST_DIE_AFTER_COMMIT": str(commits)})
    try:
        ask()
    except (OSError, http.client.HTTPException):
        pass  # it died before it answered
    assert server.process.process.wait(60) == -signal.SIGKILL
    server.start()
    return ask()


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_a_retry_is_one_whenever_the_server_dies(own_server, shop, commits):
    server = serving(own_server, shop).start()
    register(server, FLOW)
    run = begin(server)
    failed = ended(server, run, "faulted")
    assert failed["error"]["instance"] == "/do/2/second" and names(failed) == ["first", "rest", "second"]
    shop.broken = False
    reply = dying(server, commits, lambda: server.call("POST", f"/api/v1/runs/{run}/retry", idempotency_key="again"))
    assert reply.status == 202 and reply.json() == {"id": run}, reply.body
    done = ended(server, run, "completed")
    assert done["output"] == {"n": 1, "first": 1, "who": "ann"} and done["error"] is None
    assert {path: len(keys) for path, keys in shop.done.items()} == {"/first": 1, "/second": 1, "/third": 1}
    assert names(done) == ["first", "rest", "second", "retry", "second", "third", "last"]
    assert server.call("POST", f"/api/v1/runs/{run}/retry", idempotency_key="again").status == 202, "the same wish is granted already"
    assert server.call("POST", f"/api/v1/runs/{run}/retry", {"step": 1}, idempotency_key="again").status == 409
    assert server.call("POST", f"/api/v1/runs/{run}/retry").status == 409, "it has completed"
    server.process.stop()
    assert len(leaves(server, "run.retry")) == 1 and len(leaves(server, "run.end")) == 2
    verified = cli("audit", "verify", "--data", str(server.data), "--contents")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_a_fork_is_one_whenever_the_server_dies_and_the_other_run_stays(own_server, shop, commits):
    server = serving(own_server, shop).start()
    register(server, FLOW)
    shop.broken = False
    origin = begin(server)
    before = ended(server, origin, "completed")
    step = next(task["index"] for task in before["tasks"] if task["name"] == "second")
    ask = lambda: server.call("POST", f"/api/v1/runs/{origin}/fork", {"step": step, "input": {"n": 7}, "context": {"first": "told"}},
                              idempotency_key="what if")
    made = dying(server, commits, ask)
    assert made.status == 202, made.body
    run = made.json()["id"]
    done = ended(server, run, "completed")
    assert done["forked_from"] == {"run": origin, "step": step} and done["output"] == {"n": 2, "first": "told", "who": "ann"}
    assert names(done) == ["fork", "second", "third", "last"]
    assert len(shop.done["/first"]) == 1 and {"n": 7} in shop.done["/second"].values()
    assert ask().json() == {"id": run}
    assert server.run(origin) == before
    listed = lambda query="": [one["id"] for one in server.call("GET", f"/api/v1/runs{query}").json()["runs"]]
    assert listed() == [run, origin]
    assert listed(f"?forked_from={origin}") == [run] and listed(f"?forked_from={run}") == []
    assert server.call("GET", "/api/v1/runs?forked_from=it").status == 400
    server.process.stop()
    assert cli("audit", "verify", "--data", str(server.data), "--contents").returncode == 0


def test_what_is_remembered_of_retries_is_one_document_of_the_newest(own_server, shop):
    server = serving(own_server, shop).start()
    register(server, FLOW)
    run = begin(server)
    ended(server, run, "faulted")
    retry = lambda key: server.call("POST", f"/api/v1/runs/{run}/retry", idempotency_key=key)
    for n in range(22):
        assert retry(f"wish {n}").status == 202
        ended(server, run, "faulted")
    before = names(server.run(run)).count("retry")
    assert before == 22
    assert retry("wish 21").status == 202 and retry("wish 2").status == 202, "two of the twenty newest"
    assert names(server.run(run)).count("retry") == before
    assert server.call("POST", f"/api/v1/runs/{run}/retry", {"from": "/do/0/first"}, idempotency_key="wish 21").status == 409
    assert retry("wish 0").status == 202, "forgotten: it is another one"
    assert names(ended(server, run, "faulted")).count("retry") == before + 1
    server.process.stop()
    with sqlite3.connect(server.data / "signalbox.db") as database:
        kept = [name for (name,) in database.execute("SELECT name FROM documents") if name.startswith("retry")]
    assert kept == [f"retry:{run}"]


def test_who_may_not_and_what_cannot_be_gone_back_to_is_refused(own_server, shop):
    server = serving(own_server, shop).start()
    register(server, FLOW)
    run = begin(server)
    ended(server, run, "faulted")
    path = f"/api/v1/runs/{run}"
    stranger = server.call("POST", "/api/v1/keys", {"name": "s", "role": "operator", "tenant": "strangers"}).json()["key"]
    for verb in ("retry", "fork"):
        assert server.call("POST", f"{path}/{verb}", key=stranger).status == 404, "another tenant's"
        assert server.call("POST", f"{path}/{verb}", key=key_of(server, "client")).status == 404, "another application's"
        for role in ("auditor", "reviewer"):
            assert server.call("POST", f"{path}/{verb}", key=key_of(server, role)).status == 403, role
        for wrong in ([1], {"frm": "/do/0/first"}, {"from": "/do/0/frist"}, {"from": "do"}, {"step": -1}, {"step": "1"}, {"step": 1, "from": "/do"},
                      {"step": 99}, {"from": "/do/1/rest/fork/branches/0/x"}):
            reply = server.call("POST", f"{path}/{verb}", wrong)
            assert reply.status == 400, (verb, wrong, reply.body)
    assert "did you mean `/do/0/first`" in server.call("POST", f"{path}/retry", {"from": "/do/0/frist"}).json()["detail"]
    assert server.call("POST", f"{path}/retry", {"input": {}}).status == 400, "only a fork is told another input"
    assert server.call("POST", f"{path}/retry", {"from": "/do/3/third"}).status == 409, "it did not come there"
    assert server.call("POST", "/api/v1/runs/not-a-run/retry").status == 400
    assert len(server.call("GET", "/api/v1/runs").json()["runs"]) == 1
    shop.broken = False
    runs = lambda *words: cli("runs", *words, "--url", f"http://{server.address}", env={**os.environ, "SIGNALBOX_API_KEY": server.key})
    retried = runs("retry", run, "--from", "/do/0/first")
    assert retried.returncode == 0 and retried.stdout.strip() == run, retried.stderr
    ended(server, run, "completed")
    assert len(shop.done["/first"]) == 2, "somebody wanted it again"
    forked = runs("fork", run, "--from", "/do/3/third", "--input", '{"n": 3}')
    assert forked.returncode == 0, forked.stderr
    fork = forked.stdout.strip()
    assert ended(server, fork, "completed")["forked_from"]["run"] == run
    listed = runs("list", "--forks-of", run)
    assert listed.returncode == 0 and [line.split()[0] for line in listed.stdout.splitlines()] == [fork], listed.stderr
    assert {"n": 3} in shop.done["/third"].values()


def test_what_is_erased_goes_with_its_forks_and_cannot_go_on(own_server, shop):
    server = serving(own_server, shop).start()
    register(server, FLOW)
    origin = begin(server, who="canary.7@pages.org", x_signalbox_subject="customer 7")
    ended(server, origin, "faulted")
    fork = server.call("POST", f"/api/v1/runs/{origin}/fork", {"from": "/do/2/second"}).json()["id"]
    ended(server, fork, "faulted")
    assert server.call("POST", "/api/v1/erasures", {"subject": "customer 7", "legal_basis": "test"}).status == 200
    for run in (origin, fork):
        assert server.run(run)["erased"] is True
        for verb in ("retry", "fork"):
            assert server.call("POST", f"/api/v1/runs/{run}/{verb}").status == 409
    server.process.stop()
    assert cli("audit", "verify", "--data", str(server.data), "--contents").returncode == 0


def test_on_a_machine_that_was_made_again_from_its_mirror_runs_go_on(own_server, shop, tmp_path, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    place = str(tmp_path / "mirror")
    server = serving(own_server, shop, mirror={"url": place, "mode": "before-ack", "key": "env:SB_TEST_MIRROR"}).start()
    register(server, FLOW)
    run = begin(server)
    ended(server, run, "faulted")
    lose(server)
    assert restore(server, place).returncode == 0
    server.start()
    shop.broken = False
    assert server.call("POST", f"/api/v1/runs/{run}/retry").status == 202
    assert names(ended(server, run, "completed"))[-3:] == ["second", "third", "last"] and len(shop.done["/first"]) == 1
    fork = server.call("POST", f"/api/v1/runs/{run}/fork", {"from": "/do/3/third"}).json()["id"]
    ended(server, fork, "completed")
    lose(server)
    assert restore(server, place).returncode == 0
    server.start()
    assert server.run(fork)["forked_from"]["run"] == run and server.run(run)["status"] == "completed"
    server.process.stop()
    assert cli("audit", "verify", "--data", str(server.data), "--contents").returncode == 0
