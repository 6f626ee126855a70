// The official `openai` library for JavaScript. Run by test_javascript.py, which sets BASE_URL and API_KEY.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import OpenAI from "openai";

const options = { baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0, timeout: 30_000 };
const client = new OpenAI(options);
const ask = (content) => [{ role: "user", content }];
const tools = [
  {
    type: "function",
    function: {
      name: "account_balance",
      description: "Balance of an account",
      parameters: { type: "object", properties: { account: { type: "string" } }, required: ["account"] },
    },
  },
];

/** A client with its usual retries, and the number of requests it puts on the wire. */
function counted(extra = {}) {
  const state = { requests: 0 };
  state.client = new OpenAI({
    ...options,
    maxRetries: 2,
    ...extra,
    fetch: (...args) => {
      state.requests += 1;
      return fetch(...args);
    },
  });
  return state;
}

test("completion has text, usage and the headers that explain it", async () => {
  const { data, response } = await client.chat.completions
    .create({ model: "small", messages: ask("Hello") })
    .withResponse();
  assert.equal(data.choices[0].finish_reason, "stop");
  assert.ok(data.choices[0].message.content.length > 0);
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  assert.equal(response.headers.get("x-signalbox-route"), "small");
  assert.match(response.headers.get("x-signalbox-run"), /^[0-9a-f-]{36}$/);
});

test("stream gives the same text as a whole answer, and usage when asked", async () => {
  const whole = (await client.chat.completions.create({ model: "simulated", messages: ask("Tell me") })).choices[0]
    .message.content;
  const stream = await client.chat.completions.create({
    model: "simulated",
    messages: ask("Tell me"),
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "",
    usage = null,
    finish = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole);
  assert.equal(finish, "stop");
  assert.ok(usage.total_tokens > 0);
});

test("stream that the reader leaves early does no harm", async () => {
  const stream = await client.chat.completions.create({ model: "simulated", messages: ask("Tell me"), stream: true });
  for await (const _chunk of stream) break;
  assert.ok(
    (await client.chat.completions.create({ model: "simulated", messages: ask("Again") })).choices[0].message.content,
  );
});

test("tool call and its result", async () => {
  const first = await client.chat.completions.create({
    model: "small",
    messages: ask("What is on A1?"),
    tools,
    tool_choice: "required",
  });
  const call = first.choices[0].message.tool_calls[0];
  assert.equal(call.function.name, "account_balance");
  assert.ok("account" in JSON.parse(call.function.arguments));
  const second = await client.chat.completions.create({
    model: "small",
    tools,
    messages: [
      ...ask("What is on A1?"),
      first.choices[0].message,
      { role: "tool", tool_call_id: call.id, content: "12 EUR" },
    ],
  });
  assert.ok(second.choices[0].message.content);
});

test("streamed tool call is put together by the stream helper", async () => {
  const stream = client.chat.completions.stream({
    model: "small",
    messages: ask("What is on A1?"),
    tools,
    tool_choice: "required",
  });
  const call = (await stream.finalChatCompletion()).choices[0].message.tool_calls[0];
  assert.equal(call.function.name, "account_balance");
  assert.ok("account" in JSON.parse(call.function.arguments));
});

test("embeddings and models", async () => {
  const { data } = await client.embeddings.create({ model: "simulated", input: ["lost card", "exchange rate"] });
  assert.deepEqual(
    data.map((item) => item.index),
    [0, 1],
  );
  assert.ok(data[0].embedding.length > 8);
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  for (const name of ["auto", "small", "large"]) assert.ok(names.includes(name), name);
});

test("each fault is the error class users catch", async () => {
  const rejected = (promise, type) =>
    assert.rejects(promise, (error) => error instanceof type || assert.fail(`${error}`));
  const say = (model) => client.chat.completions.create({ model, messages: ask("Hello") });
  await rejected(counted({ apiKey: "sbk_wrong" }).client.models.list(), OpenAI.AuthenticationError);
  await rejected(say("no-such-model"), OpenAI.NotFoundError);
  await rejected(client.chat.completions.create({ model: "small", messages: [] }), OpenAI.BadRequestError);
  await rejected(say("sim-429"), OpenAI.RateLimitError);
  await rejected(say("sim-garbage"), OpenAI.InternalServerError);
});

test("provider that is down is one request of the client, not three", async () => {
  const state = counted();
  await assert.rejects(
    state.client.chat.completions.create({ model: "unreachable", messages: ask("Hello") }),
    OpenAI.APIError,
  );
  assert.equal(state.requests, 1);
});

test("stream that breaks throws and never looks finished", async () => {
  let text = "",
    finish = null;
  await assert.rejects(async () => {
    const stream = await client.chat.completions.create({
      model: "sim-break-stream",
      messages: ask("Tell me"),
      stream: true,
    });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
  });
  assert.ok(text.length > 0);
  assert.equal(finish, null);
});

test("same idempotency key is the same run", async () => {
  const idempotencyKey = randomUUID();
  const send = () =>
    client.chat.completions
      .create({ model: "simulated", messages: ask("Once") }, { headers: { "Idempotency-Key": idempotencyKey } })
      .withResponse();
  const [first, second] = [await send(), await send()];
  assert.equal(second.response.headers.get("x-signalbox-run"), first.response.headers.get("x-signalbox-run"));
  assert.equal(second.data.choices[0].message.content, first.data.choices[0].message.content);
});
