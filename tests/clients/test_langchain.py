"""LangChain's ChatOpenAI, as applications use it."""

from __future__ import annotations

import asyncio

import openai
import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field


@pytest.fixture
def chat(server):
    def make(**options) -> ChatOpenAI:
        return ChatOpenAI(
            **{
                "model": "small",
                "base_url": server.base_url,
                "api_key": server.key,
                "max_retries": 0,
                "use_responses_api": False,
                **options,
            }
        )

    return make


def test_invoke(chat):
    answer = chat().invoke([SystemMessage("Be brief."), HumanMessage("Hello")])
    assert answer.content
    assert answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"


def test_invoke_with_a_temperature_and_stop(chat):
    assert chat(temperature=0.2, stop=["END"], max_tokens=20).invoke("Hello").content


def test_stream_adds_up_to_one_message_with_usage(chat):
    whole = None
    count = 0
    for chunk in chat(stream_usage=True).stream("Tell me"):
        whole = chunk if whole is None else whole + chunk
        count += 1
    assert count > 3
    assert whole.content == chat().invoke("Tell me").content
    assert whole.usage_metadata["output_tokens"] > 0


def test_batch_and_async(chat):
    model = chat(model="sim-echo")
    assert [f"no {i}" in a.content for i, a in enumerate(model.batch([f"no {i}" for i in range(6)]))] == [True] * 6

    async def run():
        pieces = [chunk.content async for chunk in model.astream("piece by piece")]
        return (await model.ainvoke("at once")).content, "".join(pieces)

    once, pieces = asyncio.run(run())
    assert "at once" in once and "piece by piece" in pieces


@tool
def account_balance(account: str) -> str:
    """Balance of an account."""
    return f"12 EUR on {account}"


def test_tools_are_called_and_their_result_is_answered(chat):
    model = chat().bind_tools([account_balance], tool_choice="any")
    question = HumanMessage("What is on account A1?")
    answer = model.invoke([question])
    (call,) = answer.tool_calls
    assert call["name"] == "account_balance" and "account" in call["args"]
    result = ToolMessage(account_balance.invoke(call["args"]), tool_call_id=call["id"])
    assert chat().invoke([question, answer, result]).content


def test_streamed_tool_call_is_put_together(chat):
    whole = None
    for chunk in chat().bind_tools([account_balance], tool_choice="any").stream("What is on account A1?"):
        whole = chunk if whole is None else whole + chunk
    assert whole.tool_calls[0]["name"] == "account_balance" and "account" in whole.tool_calls[0]["args"]


class Verdict(BaseModel):
    """What a message is about."""

    topic: str = Field(description="one word")
    urgent: bool


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(chat, method):
    assert isinstance(chat(model="large").with_structured_output(Verdict, method=method).invoke("Judge this"), Verdict)


def test_embeddings(server):
    embeddings = OpenAIEmbeddings(
        model="simulated", base_url=server.base_url, api_key=server.key, max_retries=0, check_embedding_ctx_length=False
    )
    first, second = embeddings.embed_documents(["lost card", "exchange rate"])
    assert len(first) == len(second) > 8 and first != second


def test_errors_come_through_as_openai_errors(chat):
    with pytest.raises(openai.NotFoundError):
        chat(model="no-such-model").invoke("Hello")
    with pytest.raises(openai.AuthenticationError):
        chat(api_key="sbk_wrong").invoke("Hello")


def test_broken_stream_raises(chat):
    with pytest.raises(openai.APIError):
        for _ in chat(model="sim-break-stream").stream("Tell me"):
            pass
