import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { post } from "../../testing/post.ts";
import { ScriptedEngine } from "../../testing/scriptedEngine.ts";
import type { AppRequest } from "../app/appContext.ts";
import { createApp } from "../index.ts";
import { type PacedSource, pacedBody, ReaderWatch } from "./pacedBody.ts";
import { sseResponse } from "./sse.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const settled = () => new Promise((resolve) => setTimeout(resolve));

describe("a reader's watch", () => {
  let now: number;
  let timers: [check: () => void, ms: number][];
  beforeEach(() => {
    [now, timers] = [0, []];
    vi.spyOn(performance, "now").mockImplementation(() => now);
    vi.spyOn(globalThis, "setTimeout").mockImplementation(((check: () => void, ms: number) => {
      timers.push([check, ms]);
      return timers.length;
    }) as never);
  });
  afterEach(() => void vi.restoreAllMocks());

  const start = () => {
    const stalls: unknown[] = [];
    return { stalls, watch: new ReaderWatch(2, (error) => void stalls.push(error)) };
  };
  const check = (at: number) => {
    now = at;
    timers.at(-1)?.[0]();
  };
  const waits = () => timers.map(([, ms]) => ms);

  test("has one timer, which counts from the last piece", () => {
    const { watch, stalls } = start();
    watch.offer();
    watch.take();
    now = 1500;
    watch.offer();
    expect(waits()).toEqual([2000]);
    check(2000);
    expect(waits()).toEqual([2000, 1500]);
    check(3499);
    expect([stalls, waits()]).toEqual([[], [2000, 1500, 1]]);
    check(3500);
    expect(stalls).toEqual([
      expect.objectContaining({
        ...{ status: 408, code: "client_stalled" },
        message: "The client has read nothing of its answer for 2 seconds, so its connection was closed.",
      }),
    ]);
    // The watch has ended.
    watch.offer();
    expect(timers).toHaveLength(3);
  });

  test("begins again with the next piece after all were taken", () => {
    const { watch, stalls } = start();
    watch.offer();
    watch.take();
    check(5000);
    expect([stalls, waits()]).toEqual([[], [2000]]);
    watch.offer();
    expect(waits()).toEqual([2000, 2000]);
    check(7000);
    expect(stalls).toHaveLength(1);
  });

  test("that has ended starts no timer", () => {
    const { watch } = start();
    watch.end();
    watch.offer();
    expect(timers).toEqual([]);
  });
});

describe("a body", () => {
  const start = (next: PacedSource["next"], outgoing?: { destroy(): void }, highWaterMark = 1) => {
    const cancelled: unknown[][] = [];
    const source: PacedSource = { next, cancel: (...reason) => void cancelled.push(reason) };
    const c = { env: outgoing && { outgoing } } as unknown as AppRequest;
    return { cancelled, reader: pacedBody(c, 60, source, { highWaterMark }).getReader() };
  };

  test("that fails destroys the connection of Node", async () => {
    const broken = new Error("broken");
    const destroy = vi.fn();
    const { cancelled } = start(() => Promise.reject(broken), { destroy });
    await settled();
    expect([destroy.mock.calls.length, cancelled]).toEqual([1, [[broken]]]);
  });

  test("that fails has the error, on other runtimes", async () => {
    const broken = new Error("broken");
    const { cancelled, reader } = start(() => Promise.reject(broken));
    await expect(reader.read()).rejects.toBe(broken);
    expect(cancelled).toEqual([[broken]]);
  });

  test("cancels its source once, also while a piece is on its way", async () => {
    let bring: (piece: Uint8Array) => void = () => {};
    const { cancelled, reader } = start(
      () =>
        new Promise((resolve) => {
          bring = resolve;
        }),
    );
    await settled();
    await reader.cancel();
    bring(bytes(1));
    await settled();
    expect(cancelled).toEqual([[undefined]]);
  });

  test("whose source has ended does not cancel it", async () => {
    const pieces = [bytes(1), null];
    const { cancelled, reader } = start(async () => pieces.shift() ?? null, undefined, 2);
    await settled();
    expect(pieces).toEqual([]);
    await reader.cancel();
    expect(cancelled).toEqual([]);
  });

  test("has the pieces of its source in order", async () => {
    const pieces = [bytes(1), bytes(2, 3)];
    const { reader } = start(async () => pieces.shift() ?? null);
    const found: number[][] = [];
    for (let next = await reader.read(); !next.done; next = await reader.read()) found.push([...next.value]);
    expect(found).toEqual([[1], [2, 3]]);
  });
});

describe("server-sent events", () => {
  const respond = (method: string, events: AsyncGenerator<string, void, undefined>) => {
    const calls: unknown[] = [];
    const response = sseResponse({ req: { method } } as unknown as AppRequest, events, {
      sendSeconds: 60,
      onError: (error) => void calls.push(["error", error]),
      onCancel: () => void calls.push(["cancel"]),
    });
    return { response, calls };
  };

  test("end with the error that ends their generator", async () => {
    const broken = new Error("broken");
    const { response, calls } = respond(
      "POST",
      (async function* () {
        yield "data: 1\n\n";
        throw broken;
      })(),
    );
    expect(Object.fromEntries(response.headers)).toEqual({
      ...{ "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no" },
    });
    const lines = (await response.text()).split("\n\n");
    expect([lines[0], JSON.parse(lines[1].slice("data: ".length)).error.code, ...lines.slice(2)]).toEqual([
      ...["data: 1", "internal_error", "data: [DONE]", ""],
    ]);
    expect(calls).toEqual([["error", broken]]);
  });

  test("are not made for HEAD", async () => {
    let begun = false;
    const { response, calls } = respond(
      "HEAD",
      (async function* () {
        begun = true;
        yield "";
      })(),
    );
    expect([await response.text(), begun, calls]).toEqual(["", false, [["cancel"]]]);
  });
});

test("an answer was created at the second in which it began", async () => {
  const app = createApp({ engine: new ScriptedEngine() });
  const clock = vi.spyOn(Date, "now").mockReturnValue(1_700_000_000_999);
  const response = await post(app, "/v1/completions", { model: "test-base", prompt: "a" });
  clock.mockRestore();
  expect((await response.json()).created).toBe(1_700_000_000);
});

test("no piece of a stream is empty", async () => {
  const app = createApp({ engine: new ScriptedEngine() });
  const response = await post(app, "/v1/completions", { model: "test-base", prompt: "a", stream: true });
  const lengths: number[] = [];
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) lengths.push(next.value.length);
  // Three words, the end of the choice and [DONE].
  expect(lengths).toHaveLength(5);
  expect(Math.min(...lengths)).toBeGreaterThan(0);
});

test("an answer's time is from its request to its end, in seconds for metrics and milliseconds for the log", async () => {
  let now = 5000;
  const engine = new ScriptedEngine();
  const answered: unknown[] = [];
  const metrics = { answered: (...facts: unknown[]) => void answered.push(facts) };
  const logged: object[] = [];
  const log = (fields: object) => void logged.push(fields);
  const unused = new Proxy(metrics, { get: (own, name) => own[name as "answered"] ?? (() => undefined) });
  const app = createApp({ engine, metrics: unused as never, logger: { info: log, warn: log, error: log } });
  const model = engine.model.bind(engine);
  engine.model = () => {
    now += 1500;
    return model();
  };
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now);
  await app.request("/v1/models");
  await settled();
  clock.mockRestore();
  expect(answered).toEqual([["/v1/models", 200, 1.5]]);
  expect(logged).toEqual([expect.objectContaining({ route: "/v1/models", milliseconds: 1500, gone: false })]);
});

test("without keys, the only caller may have all places", async () => {
  const app = createApp({ engine: new ScriptedEngine(), limits: { pending: 6 } });
  const response = await post(app, "/v1/completions", { model: "test-base", prompt: "a" });
  expect(response.headers.get("x-ratelimit-limit-requests")).toBe("6");
});
