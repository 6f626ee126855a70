"""Sends the messages through the official OpenAI client and remembers what came back.

A request that fails because the server is gone is sent again with the same Idempotency-Key: whatever the crash
interrupted, the customer gets one answer, from one run.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import httpx2
import openai

SYSTEM_PROMPT = (
    "You are the support desk of Nordlicht, a bank. Answer the customer politely in one or two short sentences."
)
MAX_TOKENS = 32
RETRY_DELAY_S = 0.25
GIVE_UP_AFTER_S = 150
STREAM_EVERY = 4  # every fourth message is asked for as a stream


@dataclass
class Outcome:
    """What a customer got for one message."""

    message: dict
    key: str
    run: str = ""
    route: str = ""
    intent: str = ""
    review: str = ""
    escalated: bool = False  # the small model's answer did not do
    cost_micro: int = 0
    answer: str = ""
    seconds: float = 0  # of the try that succeeded
    tries: int = 0
    failed: str = ""  # why we gave up; empty when acknowledged


@dataclass
class Progress:
    total: int
    outcomes: list[Outcome] = field(default_factory=list)
    in_flight: int = 0
    kills: int = 0

    def routes(self) -> dict[str, int]:
        counts = {"script": 0, "small": 0, "large": 0, "human": 0}
        for outcome in self.outcomes:
            counts[outcome.route] = counts.get(outcome.route, 0) + 1
        return counts


def retryable(error: openai.APIError) -> bool:
    """The server was away or going away: the same request with the same key may be sent again."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (429, 503)
    return True  # connection refused, reset, or a stream that broke off


class Desk:
    """The customers: at most `parallel` messages are under way at a time."""

    def __init__(self, base_url: str, api_key: str, tag: str, parallel: int):
        # The client's own retries are off: every try shall be ours, with the key we chose.
        self._client = openai.AsyncOpenAI(base_url=base_url + "/v1", api_key=api_key, max_retries=0, timeout=90)
        self._tag = tag
        self._gate = asyncio.Semaphore(parallel)

    async def close(self) -> None:
        await self._client.close()

    def key(self, message: dict) -> str:
        return f"{self._tag}-{message['id']}"

    async def send(self, message: dict, progress: Progress) -> Outcome:
        """Sends until there is an answer, or gives up with `failed` set."""
        outcome = Outcome(message, self.key(message))
        async with self._gate:
            progress.in_flight += 1
            deadline = time.monotonic() + GIVE_UP_AFTER_S
            while True:
                outcome.tries += 1
                began = time.monotonic()
                try:
                    await self._ask(outcome)
                    outcome.seconds = time.monotonic() - began
                    break
                except openai.APIError as error:
                    if not retryable(error) or time.monotonic() > deadline:
                        outcome.failed = f"{type(error).__name__}: {error}"
                        break
                await asyncio.sleep(RETRY_DELAY_S)
            progress.in_flight -= 1
        progress.outcomes.append(outcome)
        return outcome

    async def ask_again(self, outcome: Outcome) -> Outcome:
        """The same request once more, with the same key: it must be the same run and the same answer."""
        again = Outcome(outcome.message, outcome.key)
        try:
            await self._ask(again)
        except openai.APIError as error:
            again.failed = f"{type(error).__name__}: {error}"
        return again

    async def _ask(self, outcome: Outcome) -> None:
        message = outcome.message
        stream = int(message["id"][1:]) % STREAM_EVERY == 0
        raw = await self._client.chat.completions.with_raw_response.create(
            model="auto",
            max_tokens=MAX_TOKENS,
            stream=stream,
            extra_headers={"Idempotency-Key": outcome.key},
            messages=[{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": message["text"]}],
        )
        if stream:
            pieces, finished = [], False
            try:
                async for chunk in raw.parse():
                    for choice in chunk.choices:
                        pieces.append(choice.delta.content or "")
                        finished = finished or choice.finish_reason is not None
            except (httpx2.HTTPError, ValueError):
                # The library passes these on as they come: a cut connection, or half an event before the cut.
                finished = False
            if not finished:
                # A stream that ends without a reason was cut off: no answer yet.
                raise openai.APIConnectionError(message="the stream ended early", request=raw.http_request)
            outcome.answer = "".join(pieces)
        else:
            outcome.answer = raw.parse().choices[0].message.content or ""
        headers = raw.headers
        outcome.run = headers.get("x-signalbox-run", "")
        outcome.route = headers.get("x-signalbox-route", "")
        outcome.intent = headers.get("x-signalbox-intent", "")
        outcome.review = headers.get("x-signalbox-review", "")
        outcome.escalated = "x-signalbox-escalated" in headers
        if not stream:  # a stream's headers are sent before its cost is known
            outcome.cost_micro = int(headers.get("x-signalbox-cost", "0"))
