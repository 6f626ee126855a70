"""Personal data reaches neither provider, store nor log; the caller gets its own values back."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3

from harness import cli, sse, until

EMAIL = "greta.canary.77@example.org"
CARD = "4111 1111 1111 1111"
KEY = "sk-" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z" + "Q7r8S9t0"


def texts_of(events: list[str]) -> str:
    text = ""
    for event in events:
        if event != "[DONE]":
            for choice in json.loads(event)["choices"]:
                text += choice["delta"].get("content") or ""
    return text


def key_of(server, role: str, tenant: str = "default") -> str:
    return server.call("POST", "/api/v1/keys", {"name": role, "role": role, "tenant": tenant}).json()["key"]


def assert_nowhere(server, values):
    """In no byte of any file the server wrote: database, write-ahead log, stream journal, log lines."""
    paths = [*server.data.rglob("*"), server.work / "server.log"]
    assert any(path.name == "signalbox.db" for path in paths)
    for path in paths:
        if path.is_file():
            content = path.read_bytes()
            for value in values:
                assert value.encode() not in content, f"{value} in {path.name}"


def policy_file(server, text: str) -> str:
    path = server.work / "policy.yaml"
    path.write_text(text)
    return str(path)


def test_values_stay_inside_and_come_back(own_server, simulator):
    server = own_server().start()
    question = f"Write to {EMAIL} about card {CARD}, my key is {KEY}."
    whole = server.chat(question, model="sim-echo")
    assert whole.status == 200
    assert EMAIL in whole.json()["choices"][0]["message"]["content"]
    streamed = server.chat(question, model="sim-echo", stream=True)
    assert EMAIL in texts_of(sse(streamed.body))
    received = simulator.journal_path.read_text()
    for value in (EMAIL, CARD, KEY):
        assert value not in received
    run = server.run(whole.headers["x-signalbox-run"])
    guard = next(task for task in run["tasks"] if task["name"] == "guard.inbound")
    assert {found["type"] for found in guard["decision"]["findings"]} >= {"EMAIL", "CREDIT_CARD"}
    assert EMAIL not in json.dumps(run)
    assert server.process.stop() == 0
    assert_nowhere(server, (EMAIL, CARD, KEY))


def test_no_door_lets_a_canary_in(own_server, simulator):
    """Every place of every request where a value can stand; then every byte of every file, also after a kill."""
    server = own_server().start()
    canaries = []

    def canary() -> str:
        canaries.append(f"door{len(canaries)}.canary@example.org")
        return canaries[-1]

    def post(path, body, **headers):
        return server.call("POST", path, body, **headers)

    def ask(messages, **more):
        return post("/v1/chat/completions", {"model": "sim-echo", "messages": messages, **more})

    escaped = canary()
    assert ask([{"role": "system", "content": canary()}, {"role": "user", "content": [{"type": "text", "text": canary()}]}]).status == 200
    assert ask([{"role": "user", "content": "hi", "name": canary()}], user=canary(), metadata={canary(): canary()}).status < 500
    arguments = json.dumps({"to": canary(), canary(): 1, "deep": json.dumps({"q": canary()})})
    call = {"id": "c1", "type": "function", "function": {"name": "mail", "arguments": arguments}}
    assert ask([{"role": "user", "content": "go"}, {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": json.dumps({"found": canary()})},
                {"role": "user", "content": "and now?"}]).status == 200
    tool = {"type": "function", "function": {"name": "mail", "description": canary(), "parameters": {"type": "object", "properties": {"to": {"type": "string", "enum": [canary()]}}}}}
    assert ask([{"role": "user", "content": "go"}], tools=[tool]).status == 200
    raw = '{"model":"sim-echo","messages":[{"role":"user","content":"%s"}]}' % escaped.replace("@", "\\u0040")
    assert post("/v1/chat/completions", raw.encode()).status == 200
    assert post("/v1/embeddings", {"model": "simulated", "input": [canary(), "x"]}).status < 500
    assert post("/api/v1/flows/signalbox/chat/runs", {"input": {"model": "sim-echo", "messages": [{"role": "user", "content": canary()}]}, "wait": True}).status < 500
    assert ask([{"role": "user", "content": canary()}], stream=True).status == 200
    # Refused, broken, unknown: what is said about a request may not say what was in it.
    for body in ({"model": canary(), "messages": []}, {"model": "sim-error-500", "messages": [{"role": "user", "content": canary()}]}):
        assert post("/v1/chat/completions", body).status >= 400
    assert post("/v1/chat/completions", ('{"model":"sim-echo","messages":[{"role":"user","content":"%s"' % canary()).encode()).status == 400
    assert post("/api/v1/policies", f"name: x\nversion: 1\nrules:\n  - {{types: ['{canary()}'], action: redact}}\n".encode()).status == 422
    assert server.call("GET", f"/v1/models/{canary()}").status == 404
    assert server.call("GET", f"/api/v1/runs?flow={canary()}").status < 500
    assert server.call("GET", f"/nowhere/{canary()}").status == 404
    assert ask([{"role": "user", "content": "hi"}], user="x").status == 200
    server.call("GET", "/healthz", x_request_id=canary(), user_agent=canary())
    hello = [{"role": "user", "content": "hi"}]
    assert ask(hello, stream=True, metadata={"tag": canary()}, safety_identifier=canary(), prompt_cache_key=canary()).status < 500
    for path, body in (("/v1/chat/completions", {"model": "sim-echo", "messages": hello}),
                       ("/api/v1/flows/signalbox/chat/runs", {"input": {"model": "sim-echo", "messages": hello}, "wait": True})):
        for query in ("", f"?q={canary()}"):
            assert post(path + query, body, idempotency_key=canary(), x_signalbox_subject=canary(), x_signalbox_tag=canary(),
                        x_request_id=canary(), traceparent=canary(), cookie=canary(), referer=canary(), origin=canary()).status < 500
    assert post("/api/v1/events", {"specversion": "1.0", "id": canary(), "source": f"/desk/{canary()}", "type": canary(),
                                   "data": {"mail": canary()}}).status < 500
    metrics = server.call("GET", "/metrics").body.decode()
    received = simulator.journal_path.read_text()
    server.process.kill()  # whatever was half written stays as it is
    assert_nowhere(server, canaries)
    for value in canaries:
        assert value not in metrics and value not in received, value


def test_keys_of_requests_from_an_earlier_version_are_hidden_at_start(own_server):
    server = own_server().start()
    key = f"order of {EMAIL}"
    first = server.chat("hello", idempotency_key=key)
    assert server.process.stop() == 0
    body = json.dumps({"model": "simulated", "messages": [{"role": "user", "content": "hello"}]}).encode()
    with sqlite3.connect(server.data / "signalbox.db") as database:  # as that version left it
        plain = hashlib.sha256(b"chat" + body).digest()
        assert database.execute("UPDATE runs SET idempotency_key = ?, request_hash = ? WHERE idempotency_key IS NOT NULL",
                                (key, plain)).rowcount == 1
    database.close()
    assert any(EMAIL.encode() in path.read_bytes() for path in server.data.rglob("*") if path.is_file())
    server.start()
    again = server.chat("hello", idempotency_key=key)
    assert again.headers.get("x-signalbox-replayed") == "true"
    assert again.headers["x-signalbox-run"] == first.headers["x-signalbox-run"]
    assert server.chat("something else", idempotency_key=key).status == 409
    server.process.kill()
    assert_nowhere(server, [EMAIL])
    assert not any(plain in path.read_bytes() for path in server.data.rglob("*") if path.is_file())


def test_restoring_needs_the_permission(own_server):
    server = own_server().start()
    client, operator = key_of(server, "client"), key_of(server, "operator")
    question = f"write to {EMAIL}"
    body = {"model": "sim-echo", "messages": [{"role": "user", "content": question}]}

    def answer(key, **more):
        return server.call("POST", "/v1/chat/completions", {**body, **more}, key=key, idempotency_key="same" if not more else "")

    assert EMAIL in answer(client).body.decode()
    assert answer(client).headers.get("x-signalbox-replayed") == "true"
    again = answer(operator)  # the very run of the client is told to nobody else
    assert again.status == 409 and EMAIL not in again.body.decode()
    streamed = server.call("POST", "/v1/chat/completions", {**body, "stream": True}, key=operator)
    assert EMAIL not in streamed.body.decode() and "[EMAIL_1]" in texts_of(sse(streamed.body))


def test_what_cannot_be_looked_at_does_not_go(own_server):
    server = own_server()
    config = json.loads(server.config_file.read_text())
    policy = "name: own\nversion: 1\nrules:\n  - {{types: [EMAIL], action: {action}}}\n"

    def embedded(of, action: str = "redact"):
        server.write_config(config | {"policy": {"file": policy_file(server, policy.format(action=action))}})
        server.start()
        reply = server.call("POST", "/v1/embeddings", {"model": "simulated", "input": of})
        assert server.process.stop() == 0
        return reply

    for tokens in ([9906, 11, 856], [[9906, 11], [856]]):
        refused = embedded(tokens)
        assert refused.status == 400 and refused.json()["error"]["param"] == "input", refused.body
        assert "send the text itself" in refused.json()["error"]["message"]
    assert embedded(["a text"]).status == 200
    assert embedded([9906, 11, 856], action="allow").status == 200, "a policy that only looks changes nothing"


def test_placeholders_of_a_tenant_and_sealed_values(own_server):
    server = own_server()
    policy = policy_file(server, """
name: both
version: 1
rules:
  - {name: mail, types: [EMAIL], direction: inbound, action: tokenise, consistent: tenant}
  - {name: card, types: [CREDIT_CARD], direction: inbound, action: encrypt}
""")
    config = json.loads(server.config_file.read_text()) | {"policy": {"file": policy}}
    server.write_config(config)
    server.start()
    operator = key_of(server, "operator")
    hidden = server.call("POST", "/v1/chat/completions", {"model": "sim-echo", "messages": [{"role": "user", "content": f"{EMAIL} paid with {CARD}"}]}, key=operator)
    text = hidden.json()["choices"][0]["message"]["content"]
    assert EMAIL not in text and CARD not in text
    token, sealed = text[text.index("[EMAIL_T"):][:22], text[text.index("[CREDIT_CARD:enc:"):].split("]")[0] + "]"
    # Another run, whose caller may see: the tenant's placeholder is known there, the sealed value is opened on request.
    told = server.chat(f"who is {token}?", model="sim-echo").json()["choices"][0]["message"]["content"]
    assert EMAIL in told
    opened = server.call("POST", "/api/v1/reveal", {"text": f"card {sealed}"})
    assert opened.json() == {"text": f"card {CARD}", "opened": 1, "refused": 0}
    assert server.call("POST", "/api/v1/reveal", {"text": sealed}, key=operator).status == 403
    stranger = key_of(server, "client", "other")
    assert server.call("POST", "/api/v1/reveal", {"text": sealed}, key=stranger).json()["opened"] == 0
    # A new key of the tenant's seals from now on; what the older one sealed still opens, also after a restart.
    assert server.call("POST", "/api/v1/tenant-keys/default/rotate").status in (200, 202)
    again = server.call("POST", "/v1/chat/completions", {"model": "sim-echo", "messages": [{"role": "user", "content": CARD}]}, key=operator)
    assert "[CREDIT_CARD:enc:" in again.body.decode() and sealed not in again.body.decode()
    assert server.process.stop() == 0
    server.start()
    assert server.call("POST", "/api/v1/reveal", {"text": sealed}).json()["text"] == CARD
    assert server.process.stop() == 0
    assert_nowhere(server, (EMAIL, CARD))
    # A stolen database: everything but the keys. It opens nothing, and a server refuses to guess.
    stolen = server.work / "stolen"
    shutil.copytree(server.data, stolen, ignore=lambda _, names: [n for n in names if n == "keys"])
    started = cli("serve", "--config", str(server.config_file), "--data", str(stolen), "--listen", "127.0.0.1:0")
    assert started.returncode == 1, started.stderr
    assert EMAIL not in started.stderr


def test_what_must_stay_inside_goes_to_a_local_model(own_server):
    server = own_server()
    policy = policy_file(server, "name: local\nversion: 1\nrules:\n  - {name: mail, types: [EMAIL], direction: inbound, action: route_to_local}\n")
    config = json.loads(server.config_file.read_text()) | {"policy": {"file": policy}}
    server.write_config(config)
    server.start()
    refused = server.chat(f"mail {EMAIL}", model="sim-echo")
    assert refused.status == 400 and "local" in refused.json()["error"]["message"]
    assert server.process.stop() == 0
    config["providers"]["own"] = dict(config["providers"]["sim"], local=True)
    server.write_config(config)
    server.start()
    answered = server.chat(f"mail {EMAIL}", model="sim/sim-echo")
    assert answered.status == 200 and answered.headers["x-signalbox-model"].startswith("own/")
    assert server.chat("no address", model="sim/sim-echo").headers["x-signalbox-model"] == "sim/sim-echo"


def test_an_event_that_is_read_whole_is_treated_whole(own_server):
    server = own_server().start()
    flow = ("document: {dsl: '1.0.3', namespace: test, name: reads, version: '1.0.0'}\ndo:\n  - order:\n"
            "      listen: {to: {one: {with: {type: order}}}, read: envelope}\n")
    assert server.call("POST", "/api/v1/flows", flow.encode()).status in (200, 201)
    run = server.call("POST", "/api/v1/flows/test/reads/runs", {"input": {}}).json()["id"]
    until("listening", lambda: server.run(run)["status"] == "waiting")
    event = {"specversion": "1.0", "id": f"of {EMAIL}", "source": f"/desk/{EMAIL}/{KEY}", "type": "order", "data": {"of": "a lamp"}}
    assert server.call("POST", "/api/v1/events", event).status < 300
    until("heard", lambda: server.run(run)["status"] == "completed")
    told = server.run(run)
    assert told["output"][0]["type"] == "order" and told["output"][0]["data"]["of"] == "a lamp"
    assert EMAIL not in json.dumps(told) and KEY not in json.dumps(told)


def test_what_an_event_brings_is_treated_as_what_a_caller_sends(own_server):
    server = own_server().start()
    flow = "document: {dsl: '1.0.3', namespace: test, name: hears, version: '1.0.0'}\ndo:\n  - order:\n      listen: {to: {one: {with: {type: order}}}}\n"
    assert server.call("POST", "/api/v1/flows", flow.encode()).status in (200, 201)
    run = server.call("POST", "/api/v1/flows/test/hears/runs", {"input": {}}).json()["id"]
    until("listening", lambda: server.run(run)["status"] == "waiting")
    event = {"specversion": "1.0", "id": "e-1", "source": "test", "type": "order", "data": {"mail": EMAIL, "of": "a lamp", "key": KEY}}
    assert server.call("POST", "/api/v1/events", event).status < 300
    until("heard", lambda: server.run(run)["status"] == "completed")
    told = server.run(run)
    assert told["output"][0]["of"] == "a lamp"
    assert EMAIL not in json.dumps(told) and KEY not in json.dumps(told)
    assert "guard.event" in [task["name"] for task in told["tasks"]], "and it is on the record"


def test_who_runs_a_flow_gets_the_values_back(own_server):
    server = own_server().start()
    flow = ("document: {dsl: '1.0.3', namespace: t, name: echo, version: '1.0.0'}\n"
            "do: [{say: {set: {to: '${ .to }', n: 1}}}]\n")
    assert server.call("POST", "/api/v1/flows", flow.encode()).status == 201
    started = server.call("POST", "/api/v1/flows/t/echo/runs", {"input": {"to": EMAIL}, "wait": True}).json()
    assert started["output"] == {"to": EMAIL, "n": 1} and started["input"] == {"to": EMAIL}, started
    assert server.run(started["id"])["output"]["to"] == "[EMAIL_1]"  # whoever looks on
    path = f"/api/v1/runs/{started['id']}?restore=true"
    assert server.call("GET", path).json()["output"]["to"] == EMAIL
    for role in ("auditor", "reviewer", "operator"):
        refused = server.call("GET", path, key=key_of(server, role))
        assert refused.status == 403 and EMAIL not in refused.body.decode(), role
    assert_nowhere(server, [EMAIL])


def test_a_rule_for_a_model_holds_by_whichever_name_it_is_reached(own_server, simulator):
    server = own_server()
    policy = policy_file(server, "name: m\nversion: 1\nrules: [{types: [EMAIL], action: block, models: ['sim/sim-echo']}]\n")
    server.write_config(json.loads(server.config_file.read_text()) | {"policy": {"file": policy}})
    server.start()
    for name in ("sim-echo", "sim/sim-echo"):
        assert server.chat("mail otto.reached@example.org", model=name).status == 400, name
    assert "otto.reached" not in simulator.journal_path.read_text()


def test_texts_go_to_no_host_that_a_publisher_chose(own_server):
    server = own_server(policy={"guard_hosts": [{"name": "127.0.0.1:9"}]}).start()
    def publish(url):
        text = f"name: p\nversion: 1\nrules: []\nchecks: [{{name: g, kind: http, action: block, url: '{url}'}}]\n"
        return server.call("POST", "/api/v1/policies", text.encode())
    refused = publish("http://169.254.169.254/")
    assert refused.status == 403 and b"policy.guard_hosts" in refused.body, refused.body
    assert publish("http://127.0.0.1:9/").status == 201


def test_log_only_leaves_a_stream_a_stream(own_server, simulator):
    server = own_server()
    policy = policy_file(server, "name: l\nversion: 1\nmode: log_only\nrules: []\n"
                                 "checks: [{name: c, kind: length, direction: outbound, max_chars: 1, action: block}]\n")
    server.write_config(json.loads(server.config_file.read_text()) | {"policy": {"file": policy}})
    server.start()
    events = sse(server.chat("one two three four five six seven", model="sim-echo", stream=True).body)
    assert len(events) > 4 and events[-1] == "[DONE]"


def test_a_document_that_is_not_utf8_is_refused(own_server):
    server = own_server().start()
    for path, text in (("/api/v1/policies", b"name: \xff\nversion: 1\nrules: []\n"),
                       ("/api/v1/flows", b"document: {dsl: '1.0.3', namespace: t, name: x, version: '1.0.0'}\ndo: [{a: {set: {b: '\xff'}}}]\n")):
        refused = server.call("POST", path, text)
        assert refused.status in (400, 422) and b"UTF-8" in refused.body, refused.body
