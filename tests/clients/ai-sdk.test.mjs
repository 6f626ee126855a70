// The Vercel AI SDK with its OpenAI provider. Run by test_javascript.py, which sets BASE_URL and API_KEY.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { embed, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const provider = createOpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY });
const model = (name) => provider.chat(name);

const balance = tool({
  description: "Balance of an account",
  inputSchema: z.object({ account: z.string() }),
  execute: async ({ account }) => ({ account, eur: 12 }),
});

test("generateText", async () => {
  const answer = await generateText({ model: model("small"), prompt: "Hello", maxRetries: 0 });
  assert.ok(answer.text.length > 0);
  assert.equal(answer.finishReason, "stop");
  assert.ok(answer.usage.totalTokens > 0);
  assert.equal(answer.response.headers["x-signalbox-route"], "small");
});

test("streamText adds up, with usage and finish reason", async () => {
  const whole = (await generateText({ model: model("simulated"), prompt: "Tell me", maxRetries: 0 })).text;
  const result = streamText({ model: model("simulated"), prompt: "Tell me", maxRetries: 0 });
  const pieces = [];
  for await (const piece of result.textStream) pieces.push(piece);
  assert.ok(pieces.length > 3);
  assert.equal(pieces.join(""), whole);
  assert.equal(await result.finishReason, "stop");
  assert.ok((await result.usage).outputTokens > 0);
});

test("generateText calls a tool and goes on with its result", async () => {
  const answer = await generateText({
    model: model("small"),
    prompt: "What is on account A1?",
    tools: { account_balance: balance },
    maxRetries: 0,
    stopWhen: stepCountIs(2),
    // The tool is required in the first step only: then the model has to put its result into words.
    prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }),
  });
  assert.equal(answer.steps[0].toolCalls[0].toolName, "account_balance");
  assert.equal(answer.steps[0].toolResults[0].output.eur, 12);
  assert.ok(answer.text.length > 0);
});

test("streamText streams a tool call", async () => {
  const result = streamText({
    model: model("small"),
    prompt: "What is on account A1?",
    tools: { account_balance: balance },
    toolChoice: "required",
    maxRetries: 0,
  });
  const kinds = [];
  for await (const part of result.fullStream) kinds.push(part.type);
  assert.ok(kinds.includes("tool-call") && kinds.includes("tool-result"), kinds.join());
  assert.equal(await result.finishReason, "tool-calls");
});

test("structured output", async () => {
  const { output } = await generateText({
    model: model("large"),
    prompt: "Judge this",
    maxRetries: 0,
    output: Output.object({ schema: z.object({ topic: z.string(), urgent: z.boolean() }) }),
  });
  assert.equal(typeof output.topic, "string");
  assert.equal(typeof output.urgent, "boolean");
});

test("embed", async () => {
  const { embedding } = await embed({ model: provider.embedding("simulated"), value: "lost card", maxRetries: 0 });
  assert.ok(embedding.length > 8);
});

test("faults are API call errors with our status, and down providers are not asked again and again", async () => {
  const failing = async (name) => {
    try {
      await generateText({ model: model(name), prompt: "Hello", maxRetries: 0 });
    } catch (error) {
      return error.statusCode;
    }
    return assert.fail(`${name} gave an answer`);
  };
  assert.equal(await failing("no-such-model"), 404);
  assert.equal(await failing("sim-429"), 429);
  assert.ok([502, 503].includes(await failing("unreachable")));
  assert.equal(await failing("sim-garbage"), 502);
});

test("stream that breaks is an error part and no finish", async () => {
  const errors = [];
  const result = streamText({
    model: model("sim-break-stream"),
    prompt: "Tell me",
    maxRetries: 0,
    onError: ({ error }) => errors.push(error),
  });
  const parts = [];
  for await (const part of result.fullStream) parts.push(part);
  assert.ok(
    parts.some((part) => part.type === "error"),
    parts.map((part) => part.type).join(),
  );
  assert.ok(errors.length > 0);
  assert.ok(!parts.some((part) => part.type === "finish" && part.finishReason === "stop"));
});
