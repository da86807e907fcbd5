import { Generator } from "@lowrank/core";
import type { ServingEngine, ServingRequest } from "@lowrank/serve";
import { expect, it } from "vitest";
import { endlessRequests, exponential, makeRequests, uniform, zipf } from "./makeRequests.ts";
import { percentile, recordRequest, runConcurrent, runPoisson, runUntil, summarize } from "./runLoad.ts";

const draws = 20_000;

function frequencies(draw: (generator: Generator) => number, n: number): number[] {
  const generator = new Generator(3);
  const counts = new Array<number>(n).fill(0);
  for (let i = 0; i < draws; i++) counts[draw(generator)]! += 1;
  return counts.map((count) => count / draws);
}

it("draws ranks by Zipf's law, and numbers of a range alike", () => {
  const harmonic = 1 + 1 / 2 + 1 / 3 + 1 / 4;
  for (const [k, share] of frequencies(zipf(4, 1), 4).entries()) expect(share).toBeCloseTo(1 / (k + 1) / harmonic, 1);
  for (const share of frequencies(zipf(4, 0), 4)) expect(share).toBeCloseTo(0.25, 1);
  const even = frequencies(uniform(2, 5), 6);
  expect(even.slice(0, 2)).toEqual([0, 0]);
  for (const share of even.slice(2)) expect(share).toBeCloseTo(0.25, 1);
});

it("draws gaps of a Poisson process: mean and deviation are one over the rate", () => {
  const generator = new Generator(5);
  const gap = exponential(4);
  const gaps = Array.from({ length: draws }, () => gap(generator));
  const mean = gaps.reduce((a, b) => a + b, 0) / draws;
  const variance = gaps.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws;
  expect(mean).toBeCloseTo(0.25, 2);
  expect(Math.sqrt(variance)).toBeCloseTo(0.25, 2);
});

const kinds = {
  ...{ count: 6, seed: 1, adapters: ["a", null], popularity: uniform(0, 1) },
  ...{ promptTokens: uniform(3, 5), newTokens: uniform(2, 4), vocabSize: 10 },
};

it("makes the same requests from the same seed, each kind by itself", () => {
  const requests = makeRequests(kinds);
  expect(makeRequests(kinds)).toEqual(requests);
  expect(makeRequests({ ...kinds, seed: 2 })).not.toEqual(requests);
  const longer = makeRequests({ ...kinds, newTokens: uniform(7, 7) });
  expect(longer.map(({ prompt, adapter }) => ({ prompt, adapter }))).toEqual(
    requests.map(({ prompt, adapter }) => ({ prompt, adapter })),
  );
  expect(longer.every(({ maxNewTokens }) => maxNewTokens === 7)).toBe(true);
});

/** An engine with the given milliseconds between tokens. `seen.most` is the maximum number of concurrent requests. */
function engine(milliseconds: number, fails: (request: ServingRequest) => boolean = () => false) {
  let running = 0;
  const seen = { most: 0 };
  const generate: ServingEngine["generate"] = async function* (request) {
    running += 1;
    seen.most = Math.max(seen.most, running);
    try {
      yield { type: "started", promptTokens: 1, cachedTokens: 0, version: null };
      for (let i = 0; i < request.maxNewTokens!; i++) {
        await new Promise((resolve) => setTimeout(resolve, milliseconds));
        if (fails(request)) throw new Error("out of order");
        yield { type: "token", token: 1, text: "", prompt: false };
      }
      yield { type: "finished", reason: "length", promptTokens: 1, newTokens: 2, cachedTokens: 0 };
    } finally {
      running -= 1;
    }
  };
  return { generate, seen };
}

it("runs so many requests at a time, and records tokens and failures", async () => {
  const requests = makeRequests(kinds);
  const bad = requests[2]!.id;
  const { generate, seen } = engine(2, ({ id }) => id === bad);
  const records = await runConcurrent({ generate }, requests, 3);
  expect(seen.most).toBe(3);
  expect(records.map(({ request }) => request)).toEqual(requests);
  for (const { request, tokens, error } of records) {
    expect(tokens.length).toBe(request.id === bad ? 0 : request.maxNewTokens);
    expect(error?.message).toBe(request.id === bad ? "out of order" : undefined);
  }
});

it("goes on with new requests until it is told to stop, or one fails", async () => {
  const over = new AbortController();
  const ids: string[] = [];
  const { generate, seen } = engine(0);
  const noted: ServingEngine["generate"] = (request) => {
    ids.push(request.id);
    return generate(request);
  };
  const running = runUntil(over.signal, { generate: noted }, endlessRequests(kinds), 3);
  while (ids.length < 20) await new Promise((resolve) => setTimeout(resolve, 1));
  over.abort();
  await running;
  expect([seen.most, new Set(ids).size]).toEqual([3, ids.length]);
  expect(ids.slice(0, 7)).toEqual(["1-0", "1-1", "1-2", "1-3", "1-4", "1-5", "2-0"]);
  const failing = engine(0, ({ id }) => id === "2-1");
  const unending = new AbortController().signal;
  const failed = runUntil(unending, failing, endlessRequests(kinds), 1);
  await expect(failed).rejects.toThrow("out of order");
});

it("records a stream that breaks off without its last event as failed", async () => {
  const [request] = makeRequests(kinds);
  const generate: ServingEngine["generate"] = async function* () {
    yield { type: "token", token: 1, text: "", prompt: false };
  };
  expect((await recordRequest({ generate }, request!)).error?.message).toMatch(/ended after 1 tokens without/);
});

it("lets requests of a Poisson process come at their times, however slow the engine is", async () => {
  const { generate, seen } = engine(30);
  const records = await runPoisson({ generate }, makeRequests(kinds), { rate: 200, seed: 4 });
  expect(seen.most).toBeGreaterThan(2);
  const gaps = records.slice(1).map(({ due }, i) => due - records[i]!.due);
  const gap = exponential(0.2);
  const generator = new Generator(4);
  gap(generator);
  for (const found of gaps) expect(found).toBeCloseTo(gap(generator), 6);
});

it("sums up what comes after the warm-up, and waits from when a request was due", () => {
  const [request] = makeRequests(kinds);
  const record = (due: number, tokens: number[], error: Error | null = null) => ({
    ...{ request: request!, due, tokens, end: tokens.at(-1) ?? due, error },
  });
  const summary = summarize(
    [
      record(0, [100, 5000]),
      record(1000, [1100, 1200, 1300]),
      record(1500, [], new Error("no")),
      record(2000, [2050, 2150]),
      record(3000, [3700, 4000]),
    ],
    1,
  );
  expect(summary).toEqual({
    ...{ requests: 4, failed: 1, tokensPerSecond: 5 / 2, requestsPerSecond: 2 / 2 },
    timeToFirstToken: { p50: 100, p95: 700, p99: 700 },
    timePerToken: { p50: 100, p95: 300, p99: 300 },
  });
  expect(() => summarize([record(1, [2])])).toThrow("came over no time");
  expect(percentile([4, 1, 3, 2], 0.5)).toBe(2);
  expect(percentile([4, 1, 3, 2], 0.95)).toBe(4);
});
