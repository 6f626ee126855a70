"""Requests that are answered from the record: only where nobody else's answer could come."""

from __future__ import annotations

import json

import pytest

from harness import cli, sse
from test_policy import key_of


@pytest.fixture
def caching(own_server):
    return own_server(cache={"exact_ttl_s": 3600}).start()


def cached(reply) -> bool:
    assert reply.status == 200, reply.body
    return reply.headers.get("x-signalbox-cache") == "exact"


def test_the_second_time_no_model_is_asked_and_nothing_is_paid(caching, simulator):
    first = caching.chat("when do you open, cache test")
    asked = len(simulator.journal())
    second = caching.chat("when do you open, cache test")
    assert not cached(first) and cached(second) and len(simulator.journal()) == asked
    assert second.headers["x-signalbox-cost"] == "0" != first.headers["x-signalbox-cost"]
    assert second.json()["choices"] == first.json()["choices"]
    run = caching.run(second.headers["x-signalbox-run"])
    decision = next(task["decision"] for task in run["tasks"] if (task.get("decision") or {}).get("kind") == "chat")
    assert decision["cache"] == "exact" and decision["answer_of"] == first.headers["x-signalbox-run"]
    assert caching.verify().returncode == 0
    got = cli("replay", "--with", str(caching.config_file), "--data", str(caching.data), "--same")
    assert got.returncode == 0, got.stdout


def test_a_stream_is_told_the_answer_of_a_stream(caching):
    told = []
    for _ in range(2):
        reply = caching.chat("stream it, cache test", stream=True)
        chunks = [json.loads(event) for event in sse(reply.body) if event != "[DONE]"]
        told.append("".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"]))
    assert told[0] == told[1] != "" and cached(reply)


def test_whose_data_it_is_decides(caching):
    text = "mail ann@pages.org, cache test"
    assert not cached(caching.chat(text, x_signalbox_subject="ann"))
    assert not cached(caching.chat(text, x_signalbox_subject="bob"))
    assert not cached(caching.chat(text))
    assert cached(caching.chat(text, x_signalbox_subject="ann"))
    other = key_of(caching, "client")
    assert not cached(caching.chat(text, x_signalbox_subject="ann", key=other))
    plain = "where is your shop, cache test"
    assert not cached(caching.chat(plain))
    assert cached(caching.chat(plain, key=other)), "nothing was found in it: within a tenant it is the same question"


def test_an_erased_answer_is_not_told_again(caching):
    text = "what do you sell, cache test"
    first = caching.chat(text, x_signalbox_subject="ann").headers["x-signalbox-run"]
    assert cached(caching.chat(text))
    erased = caching.call("POST", "/api/v1/erasures", {"run": first, "legal_basis": "Art. 17"})
    assert erased.status == 200, erased.body
    assert not cached(caching.chat(text))


def test_without_the_key_nothing_is_cached(server):
    assert not cached(server.chat("off by default, cache test"))
    assert not cached(server.chat("off by default, cache test"))


def test_cache_control_is_heeded(caching):
    text = "when do you open, cache control test"
    assert not cached(caching.chat(text, cache_control="no-store"))
    assert not cached(caching.chat(text)), "the first was not to be kept"
    assert cached(caching.chat(text))
    assert not cached(caching.chat(text, cache_control="no-cache"))
    assert not cached(caching.chat(text, cache_control="max-age=0"))
    metrics = caching.call("GET", "/metrics").body.decode()
    for outcome, count in (("hit", 1), ("miss", 3), ("bypass", 1)):
        assert f'signalbox_flow_cache_requests_total{{outcome="{outcome}"}} {count}' in metrics
