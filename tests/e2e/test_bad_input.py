"""Each kind of bad input gives one clear error in OpenAI's shape, and leaves the server as it was."""

from __future__ import annotations

import json

import pytest

from harness import call

GOOD = {"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}

CASES = {
    "empty": (b"", 400, None),
    "malformed_json": (b'{"model": "simulated", "messages": [', 400, None),
    "not_an_object": (b"[1,2]", 400, None),
    "trailing_garbage": (json.dumps(GOOD).encode() + b" }", 400, None),
    "invalid_utf8": (b'{"model":"simulated","messages":[{"role":"user","content":"\xff\xfe"}]}', 400, None),
    "no_model": (json.dumps({"messages": GOOD["messages"]}).encode(), 400, "model"),
    "model_is_no_string": (json.dumps({**GOOD, "model": 5}).encode(), 400, "model"),
    "unknown_model": (json.dumps({**GOOD, "model": "simulatd"}).encode(), 404, "model"),
    "no_messages": (b'{"model":"simulated"}', 400, "messages"),
    "messages_empty": (json.dumps({**GOOD, "messages": []}).encode(), 400, "messages"),
    "messages_is_text": (json.dumps({**GOOD, "messages": "hi"}).encode(), 400, "messages"),
    "stream_is_text": (json.dumps({**GOOD, "stream": "yes"}).encode(), 400, "stream"),
    "too_deep": (b'{"model":"simulated","messages":[{"role":"user","content":"x"}],"x":' + b"[" * 200 + b"]" * 200 + b"}", 400, None),
}


@pytest.mark.parametrize("name", CASES)
def test_gives_one_clear_error(server, name):
    body, status, param = CASES[name]
    reply = server.call("POST", "/v1/chat/completions", body)
    assert reply.status == status, reply.body
    assert reply.headers["content-type"].startswith("application/json")
    error = reply.json()["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert error["message"] and error["param"] == param
    assert reply.headers["x-request-id"]


def test_too_large_body_is_refused_before_it_is_read(own_server):
    server = own_server(server={"shards": 1, "limits": {"body_bytes": 20_000}}).start()
    reply = server.call("POST", "/v1/chat/completions", b"x" * 30_000)
    assert reply.status == 413 and reply.json()["error"]["message"]
    assert server.chat("still there").status == 200


def test_nearest_model_is_named(server):
    assert "simulated" in server.chat("hi", model="simulatd").json()["error"]["message"]


def test_wrong_and_missing_keys(server):
    assert server.call("POST", "/v1/chat/completions", GOOD, key="sbk_wrong").status == 401
    reply = call(server.address, "POST", "/v1/chat/completions", GOOD)
    assert reply.status == 401 and reply.json()["error"]["type"] == "authentication_error"


def test_unknown_path_and_method(server):
    assert server.call("GET", "/v1/nothing").status == 404
    assert "error" in server.call("GET", "/v1/nothing").json()
    assert server.call("DELETE", "/v1/chat/completions").status == 405
    assert server.call("GET", "/api/v1/nothing").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("model,status", [("sim-error-500", 500), ("sim-429", 429), ("sim-garbage", 502)])
def test_provider_faults_keep_their_status_and_stop_retries(server, model, status):
    reply = server.chat("hi", model=model)
    assert reply.status == status, reply.body
    assert reply.headers["x-should-retry"] == "false"
    assert reply.json()["error"]["message"]
    run = server.run(reply.headers["x-signalbox-run"])
    assert run["status"] == "faulted"


def test_a_stream_that_breaks_never_looks_finished(server):
    reply = server.chat("hi", model="sim-break-stream", stream=True)
    events = [line[6:] for line in reply.body.decode().split("\n") if line.startswith("data: ")]
    assert "error" in json.loads(events[-1]) and "[DONE]" not in events
