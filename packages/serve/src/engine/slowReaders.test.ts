import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import type { ServingEvent } from "../api/api.ts";
import { createApp } from "../http/createApp.ts";
import type { ServingLogger } from "../http/metrics/observers.ts";
import { collect, requestOf } from "../testing/collect.ts";
import { post } from "../testing/post.ts";
import { tinyLlama, tinySizes, tinyTokenizer } from "../testing/tinyModel.ts";
import { createEngine } from "./createEngine.ts";
import type { EngineOptions } from "./engineOptions.ts";

const tokenizer = tinyTokenizer();

beforeAll(() => init(reference()));

const make = (options: Partial<EngineOptions> = {}) =>
  createEngine({ model: tinyLlama(tinySizes, 192), tokenizer, servedModelName: "tiny", blockSize: 8, ...options });
const long = { maxNewTokens: 180, ignoreEos: true };
const tokensOf = (events: readonly ServingEvent[]) =>
  events.flatMap((event) => (event.type === "token" ? [event.token] : []));

/** Reads one event of a request and leaves the others unread. */
async function readOne(engine: Awaited<ReturnType<typeof make>>, signal?: AbortSignal) {
  const reader = engine.generate(requestOf(long), signal)[Symbol.asyncIterator]();
  const { value } = await reader.next();
  await expect.poll(async () => (await engine.stats()).paused, { timeout: 10_000 }).toBe(1);
  return { reader, first: value as ServingEvent };
}

test("a reader that stops pauses its sequence at 128 events; others go on, and it can take the rest", async () => {
  const engine = await make();
  const whole = (await collect(engine, long)).tokens;
  const { newTokens: before } = await engine.stats();
  const { reader, first } = await readOne(engine);
  const stats = await engine.stats();
  expect(stats.newTokens - before).toBe(128);
  expect([stats.running, stats.waiting, stats.requests[0].state]).toEqual([0, 0, "paused"]);
  expect((await collect(engine, { maxNewTokens: 20 })).tokens).toEqual(whole.slice(0, 20));
  expect((await engine.stats()).requests[0].newTokens).toBe(128);
  const events = [first];
  for (let next = await reader.next(); !next.done; next = await reader.next()) events.push(next.value);
  expect(tokensOf(events)).toEqual(whole);
  await engine.close();
});

test("its pages go to those that need them, and are computed again when it reads on", async () => {
  // Pages for one sequence of this length.
  const engine = await make({ numBlocks: 24 });
  const whole = (await collect(engine, long)).tokens;
  const { reader, first } = await readOne(engine);
  // Another tenant shares no pages with it.
  expect((await collect(engine, { ...long, tenant: "u" })).tokens).toEqual(whole);
  expect((await engine.stats()).preemptions).toBe(1);
  const events = [first];
  for (let next = await reader.next(); !next.done; next = await reader.next()) events.push(next.value);
  expect(tokensOf(events)).toEqual(whole);
  await engine.close();
});

test("its place goes to others", async () => {
  const engine = await make({ maxNumSeqs: 1, maxNumBatchedTokens: 8 });
  const leave = new AbortController();
  await readOne(engine, leave.signal);
  expect((await collect(engine, { maxNewTokens: 20 })).tokens).toHaveLength(20);
  leave.abort(new Error("enough"));
  await engine.close();
});

test("an abort frees a sequence whose reader never comes back", async () => {
  const engine = await make();
  const leave = new AbortController();
  const { reader } = await readOne(engine, leave.signal);
  leave.abort(new Error("enough"));
  await expect.poll(async () => (await engine.stats()).requests).toEqual([]);
  expect((await engine.stats()).pages.used).toBe(0);
  await expect(reader.next()).rejects.toThrow("enough");
  await engine.drain();
  await engine.close();
});

test("over HTTP a client that reads nothing loses its connection, with a line in the log", async () => {
  const engine = await make();
  const lines: Record<string, unknown>[] = [];
  const take = (fields: object, message: string) => void lines.push({ ...fields, message });
  const logger: ServingLogger = { info: take, warn: take, error: take };
  const app = createApp({ engine, logger, limits: { sendSeconds: 0.3 } });
  const body = { model: "tiny", prompt: "hello", max_tokens: 180, ignore_eos: true, stream: true, temperature: 0 };
  const response = await post(app, "/v1/completions", body);
  expect(response.status).toBe(200);
  expect((await engine.stats()).requests).toHaveLength(1);
  await expect.poll(async () => (await engine.stats()).requests, { timeout: 10_000 }).toEqual([]);
  expect((await engine.stats()).pages.used).toBe(0);
  await expect.poll(() => lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    message: "refused",
    route: "/v1/completions",
    code: "client_stalled",
    reason: "The client has read nothing of its answer for 0.3 seconds, so its connection was closed.",
  });
  // Browsers have their own error messages for a body that failed.
  await expect(response.text()).rejects.toThrow();
  await engine.close();
});
