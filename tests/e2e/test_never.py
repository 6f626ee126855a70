"""What must never happen, tried against the real server: providers that talk, checks that hang, text made to cost."""

from __future__ import annotations

import http.server
import json
import threading
import time

import pytest
from harness import cli
from test_policy import assert_nowhere

OWN = "own.canary.31@example.org"  # the caller's
TOLD = "told.canary.47@example.org"  # the provider's, of somebody else


class Talker(http.server.BaseHTTPRequestHandler):
    """A provider that repeats what it was sent and adds a person of its own, wherever a provider can say anything."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        how = asked["model"]
        words = f"cannot serve {TOLD}: {asked['messages'][-1]['content']}"
        status, kind, body = 200, "application/json", json.dumps({"error": {"message": words, "param": words, "code": TOLD, "type": TOLD}})
        if how.startswith("say-"):
            status = int(how[4:])
        elif how == "say":
            body = json.dumps({"id": TOLD, "model": TOLD, "system_fingerprint": TOLD,
                               "choices": [{"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}]})
        elif how == "garbage":
            body = words
        elif how == "page":
            kind, body = "text/html", f"<h1>{words}</h1>"
        elif how == "break-stream":
            delta = {"choices": [{"index": 0, "delta": {"content": words}}]}
            kind, body = "text/event-stream", f"data: {json.dumps(delta)}\n\ndata: {json.dumps({'error': {'message': words}})}\n\n"
        self.send_response(status, TOLD)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body.encode())))
        self.send_header("x-request-id", TOLD)
        self.send_header("openai-organization", TOLD)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def talker():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Talker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


HOWS = ["say", "say-400", "say-401", "say-404", "say-429", "say-500", "garbage", "page", "break-stream"]


def with_policy(own_server, text: str, providers=None, **more):
    server = own_server()
    path = server.work / "policy.yaml"
    path.write_text(text)
    config = json.loads(server.config_file.read_text()) | {"policy": {"file": str(path), **more}}
    if providers:
        config["providers"] |= providers
    server.write_config(config)
    return server


def test_a_providers_words_reach_no_file_metric_or_client_untreated(own_server, talker):
    price = {"price": {"input": 1, "output": 1}}
    provider = {"type": "openai", "base_url": f"http://127.0.0.1:{talker.server_port}/v1", "models": {how: price for how in HOWS},
                "retries": {"max": 0}, "breaker": {"failures": 1000}}
    server = with_policy(own_server, "name: both\nversion: 1\nrules:\n  - {name: in, types: [EMAIL], direction: inbound, action: tokenise}\n"
                                     "  - {name: out, types: [EMAIL], direction: outbound, action: redact}\n", {"talker": provider}).start()
    for how in HOWS:
        for stream in (False, True):
            reply = server.chat(f"mail {OWN}", model=f"talker/{how}", stream=stream, x_signalbox_subject=OWN, idempotency_key=f"{how} {stream} {OWN}")
            said = reply.body.decode(errors="replace") + json.dumps(reply.headers)
            assert TOLD not in said, (how, stream, said)
    metrics = server.call("GET", "/metrics").body.decode()
    assert OWN not in metrics and TOLD not in metrics
    listed = server.call("GET", "/api/v1/runs?limit=100").body.decode() + server.call("GET", "/api/v1/costs").body.decode()
    assert OWN not in listed and TOLD not in listed
    server.process.kill()
    assert_nowhere(server, [OWN, TOLD])


def test_a_check_that_hangs_blocks(own_server):
    class Hanging(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            time.sleep(3)

    hanging = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hanging)
    hanging.daemon_threads = True
    threading.Thread(target=hanging.serve_forever, daemon=True).start()
    server = with_policy(own_server, "name: hang\nversion: 1\nrules: []\nchecks: [{name: tone, kind: http, action: block, timeout_ms: 200, "
                                     f"url: 'http://127.0.0.1:{hanging.server_port}/'}}]\n").start()
    begun = time.monotonic()
    refused = server.chat("hello")
    assert refused.status == 400 and refused.json()["error"]["code"] == "content_policy_violation", refused.body
    assert time.monotonic() - begun < 3
    hanging.shutdown()


@pytest.mark.parametrize("text,more,said", [
    ("name: p\nversion: 1\nrules: [{types: [EMIAL], action: redact}]\n", {}, "did you mean"),
    ("not a policy", {}, "policy.yaml"),
    ("name: p\nversion: 1\nrules: []\n", {"injection_model": "no/such.sbm"}, "no/such.sbm"),
    ("name: p\nversion: 1\nrules: []\nchecks: [{name: i, kind: http, action: block, url: 'ftp://x'}]\n", {}, "http"),
])
def test_a_broken_policy_does_not_start(own_server, text, more, said):
    server = with_policy(own_server, text, **more)
    started = cli("serve", "--config", str(server.config_file), "--data", str(server.data), "--listen", "127.0.0.1:0")
    assert started.returncode == 1 and said in started.stderr, started.stderr


def chat_of(content: bytes) -> bytes:
    return b'{"model":"simulated","messages":[{"role":"user","content":"' + content + b'"}]}'


DEAR = "{name: p, version: 1, rules: [{name: x, deny_patterns: ['[^a]+', '[^b]+'], action: mask}]}"


@pytest.mark.parametrize("policy, text", [(None, b"(-%34" * ((9 << 20) // 5)), (DEAR, "\U0001f600".encode() * 60_000)],
                         ids=["of many bytes", "of few, under dear patterns"])
def test_a_long_text_keeps_nobody_else_waiting(own_server, policy, text):
    server = with_policy(own_server, policy) if policy else own_server()
    server.start()
    replies = []

    def ask():
        begun = time.monotonic()
        reply = server.call("POST", "/v1/chat/completions", chat_of(text))
        replies.append((reply.status, time.monotonic() - begun))

    asking = threading.Thread(target=ask)
    asking.start()
    longest = 0.0
    while asking.is_alive():
        begun = time.monotonic()
        assert server.call("GET", "/healthz").status == 200
        longest = max(longest, time.monotonic() - begun)
        time.sleep(0.01)
    asking.join()
    (status, took), = replies
    assert status in (200, 413), status
    assert longest < took / 3, (longest, took)  # one loop serves both; without a thread for the text they take as long


def test_hostile_text_ends_in_a_clear_refusal_or_in_linear_time(own_server):
    server = own_server().start()

    def ask(body: bytes):
        begun = time.monotonic()
        reply = server.call("POST", "/v1/chat/completions", body)
        return reply, time.monotonic() - begun

    for body, status in ((chat_of(b"7" * (64 << 20)), 413), (chat_of(b"")[:-1] + b',"x":' + b"[" * 1_000_000, 400),
                         (chat_of(b"")[:-1] + b',"x":' + b'{"a":' * 1_000_000, 400), (chat_of(b"\xff\xfe" * 1000), 400),
                         (chat_of(b"\xed\xa0\x80"), 400)):
        reply, took = ask(body)
        assert reply.status == status and reply.json()["error"]["message"], reply.body[:300]
        assert took < 20
    for piece in (b"7", b"4111 1111 1111 1111 ", b"a@", b"\\u0040", b"[EMAIL_1]", b"ignore. "):
        times = []
        for size in (1 << 17, 1 << 21):
            reply, took = ask(chat_of(piece * (size // len(piece))))
            assert reply.status in (200, 400, 413), reply.body[:300]
            times.append(max(took, 0.02))
        assert times[1] < times[0] * 16 * 5, (piece, times)  # sixteen times the text; five for a machine that is busy
    assert server.chat("still there").status == 200
