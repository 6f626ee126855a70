"""The official `openai` library for Python when something is wrong: each fault is the error class users catch."""

from __future__ import annotations

import json

import httpx2
import openai
import pytest

from conftest import ATTEMPTS


def ask(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


class Counted:
    """A client with its usual retries whose requests on the wire are counted."""

    def __init__(self, server, key: str | None = None):
        self.requests = 0

        def count(_request):
            self.requests += 1

        http = httpx2.Client(event_hooks={"request": [count]}, timeout=30)
        self.client = openai.OpenAI(base_url=server.base_url, api_key=key or server.key, http_client=http)

    def chat(self, **options):
        return self.client.chat.completions.create(**{"model": "small", "messages": ask("Hello"), **options})


@pytest.fixture
def counted(server):
    return Counted(server)


def assert_error_object(error: openai.APIStatusError):
    """OpenAI's error object, whatever went wrong, and never a page of HTML."""
    assert error.response.headers["content-type"].startswith("application/json")
    body = error.response.json()["error"]
    assert body["message"] and body["type"]
    assert body.keys() >= {"message", "type", "param", "code"}


def test_wrong_key(server):
    with pytest.raises(openai.AuthenticationError) as caught:
        Counted(server, key="sbk_wrong").chat()
    assert_error_object(caught.value)
    assert caught.value.code == "invalid_api_key"
    assert "sbk_wrong" not in str(caught.value)


def test_unknown_model(counted):
    with pytest.raises(openai.NotFoundError) as caught:
        counted.chat(model="smal")
    assert_error_object(caught.value)
    assert caught.value.param == "model" and caught.value.code == "model_not_found"
    assert "small" in str(caught.value)  # the nearest known name


@pytest.mark.parametrize(
    "options",
    [
        {"messages": "hello"},
        {"messages": []},
        {"messages": ["hello"]},
        {"model": 7},
        {"stream": "yes"},
    ],
    ids=["messages_is_text", "no_messages", "message_is_text", "model_is_number", "stream_is_text"],
)
def test_malformed_request(counted, options):
    with pytest.raises(openai.BadRequestError) as caught:
        counted.chat(**options)
    assert_error_object(caught.value)
    if options != {"messages": ["hello"]}:  # the form of a message is the provider's business, and so is the error
        assert caught.value.param.startswith(next(iter(options)))
    assert counted.requests == 1


@pytest.mark.parametrize(
    "body, status",
    [
        (b"{", 400),
        (b"", 400),
        (b"[]", 400),
        (b'"chat"', 400),
        (b'{"model": "small", "messages": [{"role": "user", "content": "\xff\xfe"}]}', 400),
        (b'{"model": "small", "messages": [{"role": "user", "content": "' + b"x" * (12 << 20) + b'"}]}', 413),
        (b'{"model": "small", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    ],
    ids=["cut_off", "empty", "array", "text", "invalid_utf8", "too_large", "too_deep"],
)
def test_bytes_that_are_no_request(server, body, status):
    got, headers, answer = server.post("/v1/chat/completions", body)
    assert got == status
    assert json.loads(answer)["error"]["message"]
    assert headers["content-type"].startswith("application/json")


def test_path_that_is_none(server):
    got, _, answer = server.post("/v1/chat/completion", b"{}")
    assert got == 404 and json.loads(answer)["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_provider_that_is_down(counted, stream):
    with pytest.raises(openai.APIStatusError) as caught:
        list(counted.chat(model="unreachable", stream=stream))
    assert caught.value.status_code in (502, 503)
    assert_error_object(caught.value)
    # We have retried already: the client, whose own retries are on, must not multiply ours.
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert counted.requests == 1


@pytest.mark.parametrize("stream", [False, True])
def test_provider_that_fails_gets_one_series_of_tries(counted, server, marker, stream):
    with pytest.raises(openai.APIStatusError) as caught:
        list(counted.chat(model="sim-error-500", messages=ask(marker), stream=stream))
    assert caught.value.status_code in (500, 502)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert counted.requests == 1
    calls = server.journal.calls(marker)
    assert len(calls) == ATTEMPTS
    assert len({call["idempotency_key"] for call in calls}) == 1 and calls[0]["idempotency_key"]


def test_provider_that_recovers_is_not_noticed(counted):
    for _ in range(2):
        assert counted.chat(model="sim-flaky").choices[0].message.content
    assert counted.requests == 2


def test_fault_of_the_caller_is_not_tried_again(counted, server, marker):
    with pytest.raises(openai.BadRequestError):
        counted.chat(model="sim-error-400", messages=ask(marker))
    assert len(server.journal.calls(marker)) == 1


def test_rate_limit_keeps_its_retry_after(server, marker):
    counted = Counted(server)
    with pytest.raises(openai.RateLimitError) as caught:
        counted.chat(model="sim-429", messages=ask(marker))
    assert_error_object(caught.value)
    assert int(caught.value.response.headers["retry-after"]) >= 1


def test_garbage_is_an_error_and_no_answer(counted):
    with pytest.raises(openai.APIStatusError) as caught:
        counted.chat(model="sim-garbage")
    assert caught.value.status_code == 502
    assert_error_object(caught.value)
    assert "<html" not in caught.value.response.text.lower()


@pytest.mark.parametrize("model", ["sim-break-stream", "sim-garbage-stream"])
def test_stream_that_breaks_never_looks_finished(counted, model):
    finishes, pieces = [], []
    with pytest.raises(openai.APIError):
        for chunk in counted.chat(model=model, stream=True):
            for choice in chunk.choices:
                finishes.append(choice.finish_reason)
                pieces.append(choice.delta.content or "")
    assert set(finishes) <= {None}
    if model == "sim-break-stream":
        assert "".join(pieces), "what had arrived before the break is passed on"
    assert counted.requests == 1


def test_broken_stream_has_an_error_event_and_no_done(server):
    body = json.dumps({"model": "sim-break-stream", "stream": True, "messages": ask("Hello")}).encode()
    status, _, answer = server.post("/v1/chat/completions", body)
    assert status == 200
    events = [line[6:] for line in answer.decode().splitlines() if line.startswith("data: ")]
    assert "[DONE]" not in events
    assert json.loads(events[-1])["error"]["message"]


def test_client_that_gives_up_leaves_the_server_well(server):
    impatient = openai.OpenAI(base_url=server.base_url, api_key=server.key, timeout=0.4, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        impatient.chat.completions.create(model="sim-slow", messages=ask("Hello"))
    assert Counted(server).chat().choices[0].message.content
