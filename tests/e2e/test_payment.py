"""A service that must know the account number: who configures the server trusts it, the policy lets it, and nobody else has it."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from harness import cli
from test_policy import assert_nowhere

IBAN, MAIL = "GB33 BUKB 2020 1555 5555 55", "payee.canary.77@example.org"

POLICY = """
name: pays
version: 1
rules:
  - {name: iban, types: [IBAN], direction: inbound, action: tokenise, restore: caller_and_services}
  - {name: mail, types: [EMAIL], direction: inbound, action: tokenise}
"""

FLOW = """
document: {dsl: '1.0.3', namespace: test, name: pay, version: '1.0.0'}
do:
  - pay:
      call: http
      with:
        method: post
        endpoint: https://pay.invalid/transfers
        query: {account: '${ .iban }'}
        headers: {x-account: '${ .iban }'}
        body: {iban: '${ .iban }', mail: '${ .mail }'}
        output: response
        redirect: true
      output: {as: '{paid: .content, next: .headers.location, mail: $input.mail, iban: $input.iban}'}
  - follow:
      call: http
      with: {method: post, endpoint: '${ .next }', redirect: true, body: '${ . }'}
      output: {as: '$input'}
  - break:
      try:
        - refuse: {call: http, with: {method: post, endpoint: 'https://pay.invalid/refuse', body: {iban: '${ .iban }'}}}
      catch: {as: error, do: [{keep: {set: {paid: '${ .paid }', error: '${ $error }'}}}]}
"""


class Listener(http.server.BaseHTTPRequestHandler):
    """Says all that it is told again, wherever a service can say anything."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.heard.append((self.path, dict(self.headers), body))
        account = self.headers.get("x-account", "")
        said = json.dumps({"paid": account, "told": body, "path": self.path}).encode()
        self.send_response(500 if "refuse" in self.path else 302 if "transfers" in self.path else 200, f"for {account}")
        self.send_header("location", f"https://other.invalid/next?account={account.replace(' ', '%20')}")
        self.send_header("x-account", account)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


@pytest.fixture
def listener():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.heard = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def paying(own_server, listener, restore):
    server = own_server()
    (server.work / "policy.yaml").write_text(POLICY)
    via = f"http://127.0.0.1:{listener.server_port}"
    config = json.loads(server.config_file.read_text())
    server.write_config(config | {"policy": {"file": str(server.work / "policy.yaml")}, "flows": {"hosts": [
        {"name": "pay.invalid", "via": via, "restore": restore}, {"name": "other.invalid", "via": via}]}})
    return server


@pytest.mark.parametrize("restore", [["IBAN", "EMAIL"], []])
def test_an_account_number_reaches_the_payment_service_alone(own_server, listener, restore):
    server = paying(own_server, listener, restore).start()
    assert server.call("POST", "/api/v1/flows", FLOW.encode()).status == 201
    started = server.call("POST", "/api/v1/flows/test/pay/runs", {"input": {"iban": IBAN, "mail": MAIL}, "wait": True})
    run = server.run(started.json()["id"])
    assert run["status"] == "completed", run
    (first, headers, body), (follow, _, followed), (_, _, refused) = listener.heard
    there = IBAN if restore else "[IBAN_1]"
    assert json.loads(body) == {"iban": there, "mail": "[EMAIL_1]"} and headers["x-account"] == there
    assert first == "/transfers?account=" + (IBAN.replace(" ", "%20") if restore else "%5BIBAN_1%5D")
    assert json.loads(refused) == {"iban": there}
    # Whoever is asked next has placeholders, also in what the first one said.
    assert follow in ("/next?account=[IBAN_1]", "/next?account=%5BIBAN_1%5D") and IBAN not in followed, (follow, followed)
    assert json.loads(followed)["paid"]["paid"] == "[IBAN_1]"
    assert IBAN not in json.dumps(run) and "500" in json.dumps(run["output"]["error"])
    given = [summary["decision"]["given"] for summary in leaves(server, run["id"]) if "given" in summary["decision"]]
    expected = {"host": "pay.invalid", "values": [{"count": 1, "type": "IBAN"}]}
    assert given == ([expected, expected] if restore else [])
    # The caller, who may see it, gets it back.
    assert started.json()["output"]["paid"]["paid"] == IBAN
    assert server.call("GET", "/metrics").status == 200
    server.process.kill()
    assert_nowhere(server, [IBAN, IBAN.replace(" ", ""), IBAN.replace(" ", "%20"), MAIL])
    assert server.verify().returncode == 0


def leaves(server, run: str) -> list[dict]:
    shown = cli("audit", "show", "--data", str(server.data), "--limit", "1000")
    assert shown.returncode == 0, shown.stderr
    entries = [json.loads(line) for line in shown.stdout.splitlines()]
    return [entry["summary"] for entry in entries if entry.get("run") == run and "decision" in entry.get("summary", {})]


def test_a_type_that_nobody_finds_is_refused_with_the_nearest(own_server, listener):
    server = paying(own_server, listener, ["IBNA"])
    started = cli("serve", "--config", str(server.config_file), "--data", str(server.data), "--listen", "127.0.0.1:0")
    assert started.returncode == 1, started.stderr
    assert 'flows.hosts[0].restore[0]: unknown type "IBNA"; did you mean "IBAN"?' in started.stderr
