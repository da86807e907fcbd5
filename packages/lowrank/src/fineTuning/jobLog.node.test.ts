import type { FineTuneJob, JobEvent, JobStore } from "@lowrank/serve/jobs";
import { expect, test, vi } from "vitest";
import { checkpointEvery, JobLog, resultFile, secondsLeft } from "./jobLog.ts";
import type { JobPlaces } from "./jobPlaces.ts";

const job = { id: "ftjob-abc-1", owner: "red" } as FineTuneJob;

test("a log is written when events were added, in one part between two checkpoints", async () => {
  const written: [step: number, messages: string[]][] = [];
  const store = {
    writeLog: async (_: FineTuneJob, step: number, events: readonly JobEvent[]) => {
      written.push([step, events.map(({ message }) => message)]);
    },
  } as unknown as JobStore;
  const log = new JobLog(store, job, 0);
  await log.flush();
  expect(written).toEqual([]);
  log.add("a", { message: "one" });
  await log.flush();
  await log.flush();
  log.add("b", { message: "two", data: { step: 1 } });
  await log.turn(5);
  await log.turn(6);
  log.add("c", { message: "three" });
  await log.flush();
  expect(written).toEqual([
    [0, ["one"]],
    [0, ["one", "two"]],
    [6, ["three"]],
  ]);
});

test("events have their time, and are metrics if they have values", async () => {
  const before = Math.floor(Date.now() / 1000);
  let events: readonly JobEvent[] = [];
  const writeLog = async (_: FineTuneJob, __: number, given: readonly JobEvent[]) => {
    events = given;
  };
  const log = new JobLog({ writeLog } as unknown as JobStore, job, 0);
  log.add("a", { message: "one" });
  log.add("b", { message: "two", data: { step: 1 }, level: "warn" });
  await log.flush();
  expect(events).toMatchObject([
    { key: "a", level: "info", type: "message", message: "one" },
    { key: "b", level: "warn", type: "metrics", message: "two", data: { step: 1 } },
  ]);
  expect(events[0].at).toBeGreaterThanOrEqual(before);
  expect(events[0].at).toBeLessThanOrEqual(Date.now() / 1000);
});

test("a growing log is written when more than a second has passed", async () => {
  let writes = 0;
  const log = new JobLog({ writeLog: async () => void writes++ } as unknown as JobStore, job, 0);
  const clock = vi.spyOn(performance, "now");
  const tick = async (ms: number) => {
    clock.mockReturnValue(ms);
    log.add(`${ms}`, { message: "m" });
    await log.tick();
    return writes;
  };
  const seen: number[] = [];
  for (const ms of [1000, 1001, 2000, 2001, 2002, 3003]) seen.push(await tick(ms));
  clock.mockRestore();
  expect(seen).toEqual([0, 1, 1, 1, 2, 3]);
});

test("metrics are a line per step, in order, of all its events", async () => {
  const log = [
    { message: "start" },
    { data: { step: 10, train_loss: 0.5, learning_rate: 0.1 } },
    { data: { other: 1 } },
    { data: { step: 2, train_loss: 1 } },
    { data: { step: 10, valid_loss: 0.25, train_loss: 0 } },
  ];
  let text = "";
  let facts: unknown;
  const places = {
    jobs: { log: async () => log },
    files: {
      add: async (owner: string, content: AsyncIterable<Uint8Array>, given: object, id: string) => {
        for await (const piece of content) text += new TextDecoder().decode(piece);
        facts = { owner, ...given, id };
      },
    },
  } as unknown as JobPlaces;
  await resultFile(places, job);
  expect(text).toBe("step,train_loss,learning_rate,valid_loss\n2,1,,\n10,0,0.1,0.25\n");
  expect(facts).toEqual({
    ...{ owner: "red", filename: "step_metrics.csv", purpose: "fine-tune-results", slot: null, id: "file-abc-1" },
  });
});

test("checkpoints are a tenth of a run apart, at most 100 steps", () => {
  expect([1, 10, 11, 990, 1000, 1001, 5000].map(checkpointEvery)).toEqual([1, 1, 2, 99, 100, 100, 100]);
});

test("the rest of a run takes as long per step as the steps so far", () => {
  expect(secondsLeft(6000, [1, 3, 8])).toBe(10);
  expect(secondsLeft(6000, [3, 3, 4])).toBe(6);
  expect(secondsLeft(1001, [5, 5, 6])).toBe(2);
  expect(secondsLeft(6000, [1, 3, 3])).toBe(0);
});
