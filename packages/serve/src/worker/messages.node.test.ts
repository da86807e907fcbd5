import { describe, expect, test } from "vitest";
import { ServingError, type ServingEvent, type ServingRequest } from "../api/api.ts";
import { connectEngine } from "./connectEngine.ts";
import { type FromWorker, fromWire, outbox, type ToWorker, toWire } from "./wire.ts";

const turnsUntil = async (isDone: () => boolean) => {
  let turns = 0;
  for (; !isDone() && turns < 100; turns++) await null;
  return turns;
};

test("items of sixteen turns are sent in one message, in order", async () => {
  const sent: number[][] = [];
  const tell = outbox<number>((items) => void sent.push(items));
  for (let round = 1; round <= 2; round++) {
    tell(1);
    tell(2);
    await null;
    tell(3);
    expect(await turnsUntil(() => sent.length === round)).toBe(15);
  }
  expect(sent).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ]);
  expect(await turnsUntil(() => sent.length > 2)).toBe(100);
});

describe("an error that is sent", () => {
  const sent = (error: unknown) => fromWire(structuredClone(toWire(error)));

  test("keeps its code, parameter, time and cause", () => {
    const error = new ServingError("queue_full", "no place", "n", 7);
    error.cause = new Error("many");
    const found = sent(error) as ServingError;
    expect(found).toBeInstanceOf(ServingError);
    expect(found).toMatchObject({ code: "queue_full", message: "no place", param: "n", retryAfter: 7 });
    expect([(found.cause as Error).message, found.stack]).toEqual(["many", error.stack]);
  });

  test("keeps its name; other values become an error", () => {
    const found = sent(new RangeError("too far"));
    expect([found.name, found.message, found.cause]).toEqual(["RangeError", "too far", undefined]);
    expect(found).not.toBeInstanceOf(ServingError);
    expect(sent(new Error("x", { cause: "text" })).cause).toBe(undefined);
    const text = sent("a text");
    expect([text.name, text.message]).toEqual(["Error", "a text"]);
    expect(text.stack).toContain("Error");
  });
});

describe("a remote engine", () => {
  const request: ServingRequest = {
    id: "r",
    prompt: { text: "a" },
    adapter: null,
    tenant: "",
    sampling: { temperature: 0 },
  };
  const event: ServingEvent = { type: "token", token: 1, text: "x", prompt: false };
  const start = () => {
    const sent: ToWorker[] = [];
    let receive: (told: unknown) => void = () => {};
    const engine = connectEngine({
      postMessage: (message: unknown) => void sent.push(message as ToWorker),
      on: (name: string, listener: (told: unknown) => void) => {
        if (name === "message") receive = listener;
      },
      terminate: () => undefined,
    });
    return { engine, sent, tell: (...told: FromWorker[]) => receive(told) };
  };
  const idOf = (sent: readonly ToWorker[]) => (sent.find(({ type }) => type === "generate") as { id: number }).id;
  const ofType = (sent: readonly ToWorker[], type: string) => sent.filter((message) => message.type === type);

  test("reports every 32 events that were taken", async () => {
    const { engine, sent, tell } = start();
    const stream = engine.generate(request)[Symbol.asyncIterator]();
    const first = stream.next();
    const id = idOf(sent);
    tell(...Array.from({ length: 70 }, (): FromWorker => ({ type: "event", id, event })));
    await first;
    const counts = () => ofType(sent, "taken").flatMap((message) => (message as ToWorker & { type: "taken" }).counts);
    const reports: number[] = [];
    for (let taken = 2; taken <= 70; taken++) {
      await stream.next();
      for (let turn = 0; turn < 20; turn++) await null;
      if (counts().length > reports.length) reports.push(taken);
    }
    // An event counts as taken when the next one is asked for.
    expect(reports).toEqual([33, 65]);
    expect(counts()).toEqual([
      [id, 32],
      [id, 32],
    ]);
    tell({ type: "ended", id });
    expect((await stream.next()).done).toBe(true);
    expect(ofType(sent, "abort")).toEqual([]);
  });

  test("drops events that wait when its signal is aborted, and ends the request once", async () => {
    const { engine, sent, tell } = start();
    const leave = new AbortController();
    const stream = engine.generate(request, leave.signal)[Symbol.asyncIterator]();
    const first = stream.next();
    const id = idOf(sent);
    tell(...Array.from({ length: 5 }, (): FromWorker => ({ type: "event", id, event })));
    expect((await first).value).toEqual(event);
    leave.abort(new Error("enough"));
    await expect(stream.next()).rejects.toThrow("enough");
    expect(ofType(sent, "abort")).toEqual([{ type: "abort", id }]);
    tell({ type: "event", id, event });
    expect((await stream.next()).done).toBe(true);
  });
});
