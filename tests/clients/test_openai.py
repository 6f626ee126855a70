"""The official `openai` library for Python: what it is used for every day."""

from __future__ import annotations

import asyncio
import json
import uuid

import openai
import pytest
from pydantic import BaseModel

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "account_balance",
            "description": "Balance of an account",
            "parameters": {"type": "object", "properties": {"account": {"type": "string"}}, "required": ["account"]},
        },
    }
]


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.base_url, api_key=server.key, max_retries=0, timeout=30) as client:
        yield client


def ask(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def test_completion_has_text_usage_and_the_headers_that_explain_it(client):
    raw = client.chat.completions.with_raw_response.create(model="small", messages=ask("Hello there"))
    completion = raw.parse()
    assert completion.object == "chat.completion"
    assert completion.choices[0].message.role == "assistant"
    assert completion.choices[0].message.content
    assert completion.choices[0].finish_reason == "stop"
    usage = completion.usage
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert uuid.UUID(raw.headers["x-signalbox-run"]).version == 7
    assert raw.headers["x-signalbox-route"] == "small"
    assert int(raw.headers["x-signalbox-cost"]) > 0
    assert raw.headers["x-request-id"]


def test_auto_says_which_way_it_went(client):
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=ask("Please compare these two contracts")
    )
    assert raw.headers["x-signalbox-route"] in {"script", "small", "large", "human"}
    assert raw.parse().choices[0].message.content


def test_async_client_runs_many_requests_at_once(server):
    async def run():
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key=server.key, max_retries=0) as client:
            return await asyncio.gather(
                *(
                    client.chat.completions.with_raw_response.create(model="sim-echo", messages=ask(f"number {i}"))
                    for i in range(32)
                )
            )

    answers = asyncio.run(run())
    assert [f"number {i}" in raw.parse().choices[0].message.content for i, raw in enumerate(answers)] == [True] * 32
    assert len({raw.headers["x-signalbox-run"] for raw in answers}) == 32


def test_stream_gives_the_same_text_as_a_whole_answer(client):
    whole = client.chat.completions.create(model="simulated", messages=ask("Tell me")).choices[0].message.content
    chunks = list(client.chat.completions.create(model="simulated", messages=ask("Tell me"), stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert len(chunks) > 3
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert finishes[-1] == "stop" and set(finishes[:-1]) == {None}
    assert len({c.id for c in chunks}) == 1


def test_async_stream(server):
    async def run() -> str:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key=server.key, max_retries=0) as client:
            stream = await client.chat.completions.create(model="small", messages=ask("Tell me"), stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    assert len(asyncio.run(run())) > 10


def test_stream_tells_usage_only_when_asked(client):
    def usages(**options):
        stream = client.chat.completions.create(model="small", messages=ask("Tell me"), stream=True, **options)
        return [(c.usage, len(c.choices)) for c in stream]

    assert all(usage is None for usage, _ in usages())
    *before, (usage, choices) = usages(stream_options={"include_usage": True})
    assert all(u is None for u, _ in before)
    assert choices == 0 and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0


def test_tool_call_and_its_result(client):
    first = client.chat.completions.create(
        model="small", messages=ask("What is on account A1?"), tools=TOOLS, tool_choice="required"
    )
    call = first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "account_balance"
    assert "account" in json.loads(call.function.arguments)
    second = client.chat.completions.create(
        model="small",
        tools=TOOLS,
        messages=[
            *ask("What is on account A1?"),
            first.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "12 EUR"},
        ],
    )
    assert second.choices[0].message.content


def test_streamed_tool_call_is_put_together(client):
    with client.chat.completions.stream(
        model="small", messages=ask("What is on account A1?"), tools=TOOLS, tool_choice="required"
    ) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls[0].function.name == "account_balance"
    assert "account" in json.loads(message.tool_calls[0].function.arguments)


class Verdict(BaseModel):
    topic: str
    urgent: bool
    score: int


def test_response_format_gives_a_typed_object(client):
    parsed = client.chat.completions.parse(model="large", messages=ask("Judge this"), response_format=Verdict)
    assert isinstance(parsed.choices[0].message.parsed, Verdict)


def test_json_object_mode(client):
    answer = client.chat.completions.create(
        model="large", messages=ask("As JSON please"), response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_several_choices_and_logprobs(client):
    answer = client.chat.completions.create(model="simulated", messages=ask("Twice please"), n=2, logprobs=True)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.logprobs.content for choice in answer.choices)


def test_embeddings_keep_the_order_of_their_inputs(client):
    both = client.embeddings.create(model="simulated", input=["lost card", "exchange rate"])
    alone = client.embeddings.create(model="simulated", input="exchange rate")
    assert [item.index for item in both.data] == [0, 1]
    assert len(both.data[0].embedding) == len(both.data[1].embedding) > 8
    assert both.data[1].embedding == pytest.approx(alone.data[0].embedding, abs=1e-6)
    assert both.data[0].embedding != both.data[1].embedding


def test_models_lists_virtual_and_provider_models(client):
    names = {model.id for model in client.models.list()}
    assert {"auto", "small", "large", "sim/simulated"} <= names


def test_unknown_fields_reach_the_provider_as_they_are(client, server, marker):
    client.chat.completions.create(
        model="simulated", messages=ask(marker), extra_body={"top_k": 7, "vendor": {"x": [1, 2.50]}}
    )
    (call,) = server.journal.calls(marker)
    body = call["body"] if isinstance(call["body"], dict) else json.loads(call["body"])
    assert body["top_k"] == 7 and body["vendor"] == {"x": [1, 2.50]}


def test_every_language_survives_the_way_there_and_back(client):
    text = 'Überweisung übrigens 汇款 🦆 Ðakota \u202eright-to-left “quotes” \\ / " tab\tend'
    assert text in client.chat.completions.create(model="sim-echo", messages=ask(text)).choices[0].message.content
    stream = client.chat.completions.create(model="sim-echo", messages=ask(text), stream=True)
    assert text in "".join(c.choices[0].delta.content or "" for c in stream if c.choices)


def test_personal_data_stays_with_us(client, server, marker):
    secrets = ["5555 5555 5555 4444", "DE89 3704 0044 0532 0130 00", "anna.lindqvist@mail.example.org"]
    client.chat.completions.create(model="simulated", messages=ask(f"{marker}: " + " and ".join(secrets)))
    (call,) = server.journal.calls(marker)
    assert [secret for secret in secrets if secret in json.dumps(call["body"])] == []


def test_a_provider_that_counts_nothing_still_costs(client):
    raw = client.chat.completions.with_raw_response.create(model="sim-no-usage", messages=ask("Count me please"))
    assert int(raw.headers["x-signalbox-cost"]) > 0


def test_same_idempotency_key_is_the_same_run(client, server, marker):
    def send():
        return client.chat.completions.with_raw_response.create(
            model="simulated", messages=ask(marker), extra_headers={"Idempotency-Key": marker}
        )

    first, second = send(), send()
    assert second.headers["x-signalbox-run"] == first.headers["x-signalbox-run"]
    assert second.parse().choices[0].message.content == first.parse().choices[0].message.content
    assert len(server.journal.calls(marker)) == 1


def test_same_idempotency_key_at_the_same_time_is_one_run(server, marker):
    async def run():
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key=server.key, max_retries=0) as client:
            return await asyncio.gather(
                *(
                    client.chat.completions.with_raw_response.create(
                        model="simulated", messages=ask(marker), extra_headers={"Idempotency-Key": marker}
                    )
                    for _ in range(8)
                ),
                return_exceptions=True,
            )

    results = asyncio.run(run())
    answered = [raw for raw in results if not isinstance(raw, Exception)]
    # Those that come while the first is at work may wait for its answer or be told of the conflict, nothing else.
    assert all(isinstance(error, openai.ConflictError) for error in results if isinstance(error, Exception))
    assert answered and len({raw.headers["x-signalbox-run"] for raw in answered}) == 1
    assert len(server.journal.calls(marker)) == 1


def test_same_idempotency_key_for_another_request_is_refused(client, marker):
    headers = {"Idempotency-Key": marker}
    client.chat.completions.create(model="simulated", messages=ask("One thing"), extra_headers=headers)
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="simulated", messages=ask("Another thing"), extra_headers=headers)
    assert caught.value.status_code in (409, 422)
