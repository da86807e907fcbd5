import { describe, expect, test, vi } from "vitest";
import { ServingError, type ServingEvent, type ServingRequest } from "../../api/api.ts";
import type { RequestSize } from "../../budgets/budgets.ts";
import { defaultLimits } from "../requests/limits.ts";
import type { AppContext } from "./appContext.ts";
import { type Generation, startGeneration } from "./generation.ts";

type Job = Parameters<typeof startGeneration>[1];
const started = (promptTokens = 3, cachedTokens = 0, more = {}): ServingEvent => {
  return { type: "started", promptTokens, cachedTokens, version: null, ...more };
};
const token = (prompt = false): ServingEvent => ({ type: "token", token: 1, text: "x", prompt });
const finished: ServingEvent = { type: "finished", reason: "stop", promptTokens: 3, newTokens: 2, cachedTokens: 0 };
const answer = [started(), token(), token(), finished];
const request = (more: Partial<ServingRequest> = {}): ServingRequest => ({
  ...{ id: "r-0", prompt: { tokens: [1, 2, 3] }, adapter: null, tenant: "t", sampling: { temperature: 0 }, ...more },
});

interface Setting {
  /** Events of each request; an error is thrown in its place. */
  readonly scripts?: readonly (readonly (ServingEvent | Error)[])[];
  readonly requests?: readonly ServingRequest[];
  readonly choicesPerPrompt?: number;
  readonly limits?: object;
  readonly tokensPerMinute?: number;
  readonly client?: AbortSignal;
  /** Keeps the sequences open after their events. */
  readonly endless?: boolean;
}

/** Starts a generation on a scripted engine, and records the calls of budgets and metrics. */
function start(setting: Setting = {}) {
  const { requests = [request()], scripts = requests.map(() => answer), endless = false } = setting;
  const seen = {
    admitted: [] as RequestSize[],
    checked: [] as object[],
    ended: [] as number[],
    metrics: [] as unknown[],
  };
  const note = (name: string) => (adapter: string | null, value: unknown) =>
    void seen.metrics.push([name, adapter, value]);
  const metrics = Object.fromEntries(
    ["queued", "firstToken", "nextToken", "finished"].map((name) => [name, note(name)]),
  );
  const engine = {
    model: async () => ({ name: "test-base", maxPositions: 100 }),
    tokenize: async ({ text }: { text: string }) => [...text].map(() => 1),
    generate: async function* (one: ServingRequest, signal: AbortSignal) {
      for (const event of scripts[requests.indexOf(one)]) {
        if (event instanceof Error) throw event;
        yield event;
      }
      if (!endless) return;
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
  };
  const budgets = {
    check: (_: unknown, size: object) => void seen.checked.push(size),
    admit: (_: unknown, size: RequestSize) => {
      seen.admitted.push(size);
      return { end: (used: number) => void seen.ended.push(used) };
    },
  };
  const context = { engine, metrics, budgets, limits: { ...defaultLimits, ...setting.limits } };
  const { tokensPerMinute = Number.POSITIVE_INFINITY } = setting;
  const job = {
    ...{ requests, choicesPerPrompt: setting.choicesPerPrompt ?? 1, model: "poet" },
    client: setting.client ?? new AbortController().signal,
    caller: { tenant: "t", budgets: { tokensPerMinute } },
  };
  return { ...seen, generation: startGeneration(context as unknown as AppContext, job as unknown as Job) };
}

async function all(generation: Promise<Generation>) {
  const { events, usage, usageOf } = await generation;
  const found: [number, string][] = [];
  for await (const { choice, event } of events()) found.push([choice, event.type]);
  return { found, usage: usage(), usageOf };
}
const usageOf = (prompt: number, completion: number, cached = 0) => ({
  ...{ prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
  prompt_tokens_details: { cached_tokens: cached },
});

describe("usage", () => {
  test("counts the prompt and new tokens, and the budget gets what was used", async () => {
    const { generation, ended, admitted, checked } = start();
    const { found, usage } = await all(generation);
    expect(found.map(([, type]) => type)).toEqual(["started", "token", "token", "finished"]);
    expect(usage).toEqual(usageOf(3, 2));
    expect(ended[0]).toBe(5);
    expect([checked, admitted]).toEqual([[{ sequences: 1, param: "n" }], [{ sequences: 1, param: "n" }]]);
  });

  test("counts a prompt of several choices once, and each choice by itself", async () => {
    const requests = Array.from({ length: 4 }, (_, i) => request({ id: `r-${i}` }));
    const scripts = [1, 2, 3, 4].map((n) => [started(10 * n, n), ...Array<ServingEvent>(n).fill(token()), finished]);
    const { generation, ended } = start({ requests, scripts, choicesPerPrompt: 2 });
    const { usage, usageOf: ofChoice } = await all(generation);
    // The first and the third choice count the prompts.
    expect(usage).toEqual(usageOf(40, 10, 4));
    expect([0, 1, 2, 3].map(ofChoice)).toEqual([1, 2, 3, 4].map((n) => usageOf(10 * n, n, n)));
    expect(ended[0]).toBe(50);
  });

  test("does not count tokens of an echoed prompt as new", async () => {
    const { generation, ended, metrics } = start({
      scripts: [[started(2), token(true), token(true), token(), finished]],
    });
    expect((await all(generation)).usage).toEqual(usageOf(2, 1));
    expect(ended[0]).toBe(3);
    expect(metrics.map((entry) => (entry as string[])[0])).toEqual(["firstToken", "finished"]);
  });
});

test("metrics are told of the queue, of each choice's first token, of the next ones and of the end", async () => {
  const requests = [request({ id: "a", adapter: "poet" }), request({ id: "b", adapter: "poet" })];
  const scripts = [[started(3, 0, { queueSeconds: 0.25 }), token(), token(), token(), finished], answer];
  const { generation, metrics } = start({ requests, scripts, choicesPerPrompt: 2 });
  await all(generation);
  const named = (name: string) => metrics.filter((entry) => (entry as string[])[0] === name);
  expect(named("queued")).toEqual([["queued", "poet", 0.25]]);
  expect([named("firstToken").length, named("nextToken").length, named("finished").length]).toEqual([2, 3, 2]);
  for (const [, , seconds] of [...named("firstToken"), ...named("nextToken")] as [string, string, number][]) {
    expect(seconds).toBeGreaterThanOrEqual(0);
    expect(seconds).toBeLessThan(30);
  }
  const [[, , end]] = named("finished") as [string, string, { seconds: number }][];
  expect(end).toMatchObject({ promptTokens: 3, newTokens: 2, reason: "stop" });
  expect(end.seconds).toBeGreaterThanOrEqual(0);
  expect(end.seconds).toBeLessThan(30);
});

test("metrics are in seconds", async () => {
  let time = 0;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => {
    time += 2000;
    return time;
  });
  const { generation, metrics } = start({ requests: [request({ adapter: "poet" })] });
  await all(generation);
  clock.mockRestore();
  // The clock was read at the start, at each token and at the end.
  expect(metrics).toEqual([
    ["firstToken", "poet", 2],
    ["nextToken", "poet", 2],
    ["finished", "poet", { promptTokens: 3, newTokens: 2, reason: "stop", seconds: 6 }],
  ]);
});

describe("the size of a request", () => {
  const sizeOf = async (requests: readonly ServingRequest[], choicesPerPrompt = 1) => {
    const { generation, admitted } = start({ requests, choicesPerPrompt, tokensPerMinute: 1000 });
    await all(generation);
    return admitted[0];
  };
  const open = { sequences: 1, param: "n", openEnded: true };

  test("has the tokens of ids and of texts, and the new ones of all choices", async () => {
    expect(await sizeOf([request({ maxNewTokens: 5 })])).toEqual({
      ...{ sequences: 1, param: "n", promptTokens: 3, newTokens: 5, openEnded: false },
    });
    const texts = ["abcd", "abcd", "abcdef", "abcdef"].map((text) => request({ prompt: { text }, maxNewTokens: 5 }));
    expect(await sizeOf(texts, 2)).toEqual({
      ...{ sequences: 4, param: "n", promptTokens: 10, newTokens: 20, openEnded: false },
    });
  });

  test("without a limit has the rest of the context as new tokens", async () => {
    expect(await sizeOf([request()])).toEqual({ ...open, promptTokens: 3, newTokens: 97 });
    const long = request({ prompt: { text: "a".repeat(120) } });
    expect(await sizeOf([long])).toEqual({ ...open, promptTokens: 120, newTokens: 1 });
    const mixed = [request({ maxNewTokens: 5 }), request()];
    expect(await sizeOf(mixed)).toMatchObject({ openEnded: true, newTokens: 102 });
    expect(await sizeOf(mixed.toReversed())).toMatchObject({ openEnded: true, newTokens: 102 });
  });

  test("has a prompt as it is cut", async () => {
    const cut = async (truncatePromptTokens: number, maxNewTokens?: number) => {
      const text = "a".repeat(120);
      const size = await sizeOf([request({ prompt: { text }, truncatePromptTokens, maxNewTokens })]);
      return [size.promptTokens, size.newTokens];
    };
    expect(await cut(7, 5)).toEqual([7, 5]);
    expect(await cut(200, 5)).toEqual([120, 5]);
    expect(await cut(0, 5)).toEqual([0, 5]);
    expect(await cut(-1, 5)).toEqual([95, 5]);
    expect(await cut(-1)).toEqual([99, 1]);
  });
});

describe("failures", () => {
  const failure = async (setting: Setting) => {
    const { generation, ended } = start(setting);
    const { status, code, param, message } = await all(generation).then(
      () => ({}) as never,
      (error) => error,
    );
    // The places are free again after any failure.
    expect(ended.length).toBeGreaterThan(0);
    return [status, code, param, message];
  };
  const throwing = (...args: ConstructorParameters<typeof ServingError>) => [[new ServingError(...args)]];
  const adapter = [request({ adapter: "poet" })];

  test("a prompt is as long as the server's limit, or is refused", async () => {
    await all(start({ limits: { promptTokens: 3 } }).generation);
    expect(await failure({ limits: { promptTokens: 2 } })).toEqual([
      ...[400, "context_length_exceeded", "prompt", "The prompt has 3 tokens, and this server takes 2; shorten it."],
    ]);
  });

  test.each([
    ["not_found", null],
    ["forbidden", null],
    ["invalid_request", "lora_path"],
  ] as const)("an adapter that the client may not see is answered as missing: %s, %s", async (code, param) => {
    const scripts = throwing(code, "there is a secret", param);
    expect(await failure({ requests: adapter, scripts })).toEqual([
      ...[404, "model_not_found", "model", expect.not.stringContaining("secret")],
    ]);
    const late = [[started(), ...scripts[0]]];
    expect((await failure({ requests: adapter, scripts: late }))[1]).toBe("model_not_found");
  });

  test("other failures keep their code; a path is a model here", async () => {
    const scripts = throwing("invalid_request", "no", "stop");
    expect(await failure({ requests: adapter, scripts })).toEqual([400, "invalid_value", "stop", "no"]);
    const refused = throwing("adapter_refused", "no", "lora_path");
    expect(await failure({ requests: adapter, scripts: refused })).toEqual([400, "adapter_refused", "model", "no"]);
    // For the base model, the error itself is shown.
    expect((await failure({ scripts: throwing("forbidden", "no") }))[0]).toBe(403);
    expect((await failure({ scripts: [[new Error("broken")]] }))[0]).toBe(500);
  });

  test("an engine begins with the start", async () => {
    const messageOf = async (setting: Setting) => {
      const error = await start(setting).generation.catch((error) => error);
      return `${error.message} ${error.cause?.message}`;
    };
    expect(await messageOf({ scripts: [[token()]] })).toContain(
      "r-0: the engine's first event is token, expected started",
    );
    expect(await messageOf({ scripts: [[]] })).toContain("r-0: the engine's first event is missing, expected started");
  });

  test("a request that takes too long ends, at its start and later", async () => {
    const limits = { requestSeconds: 0.01 };
    const late = [504, "timeout", null, "The request took longer than 0.01 seconds."];
    expect(await failure({ scripts: [[]], endless: true, limits })).toEqual(late);
    expect(await failure({ scripts: [[started(), token()]], endless: true, limits })).toEqual(late);
  });
});

test("a client that goes away frees its places, also if it never reads", async () => {
  const client = new AbortController();
  const { generation, ended } = start({ scripts: [[started(), token()]], endless: true, client: client.signal });
  await generation;
  expect(ended).toEqual([]);
  client.abort();
  expect(ended[0]).toBe(3);
});

test("the fingerprint is the first ten digits of the SHA-256 of model and version", async () => {
  const fingerprint = async (version: string | null) => {
    const { generation } = start({ scripts: [[{ ...started(), version } as ServingEvent, finished]] });
    const { fingerprint, events } = await generation;
    for await (const _ of events());
    return fingerprint;
  };
  // printf 'test-base\n' | sha256sum
  expect(await fingerprint(null)).toBe("fp_8e35c48a1d");
  expect(await fingerprint("v1")).toBe("fp_10268a6ed4");
});
