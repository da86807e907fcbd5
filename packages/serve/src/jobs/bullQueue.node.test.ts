import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type BullQueueOptions, queueOn } from "./bullQueue.ts";
import { JobStopped } from "./job.ts";
import { defaultQueueLimits, type JobWorker } from "./jobQueue.ts";
import type { OpenJob } from "./jobStore.ts";

/** Job as BullMQ has it. */
interface FakeJob {
  readonly id: string;
  readonly data: OpenJob;
  readonly timestamp: number;
  readonly attemptsMade: number;
  readonly processedOn?: number;
  readonly finishedOn?: number;
  priority: number;
  changePriority(to: { priority: number }): Promise<void>;
  moveToDelayed(at: number, token?: string): Promise<void>;
}

type Process = (job: FakeJob, token: string) => Promise<void>;

/** Calls that reached the stubs of BullMQ and of Redis. */
let calls: unknown[][];
let waiting: (FakeJob | null | undefined)[];
let active: (FakeJob | undefined)[];
let served: Record<string, string>;
let counts: Record<string, number>;
let process: Process;
const handlers = new Map<string, (...args: never[]) => void>();
const note = (...call: unknown[]) => void calls.push(call);
const noted = (name: string) => calls.filter(([called]) => called === name).map(([, ...args]) => args);

class Redis {
  constructor(url: string, options: object) {
    note("Redis", url, options);
  }
  on(event: string, handler: never) {
    handlers.set(`redis ${event}`, handler);
  }
  hgetall = async () => served;
  hset = async (...args: unknown[]) => note("hset", ...args);
  time = async () => [1700, "25"];
  disconnect = () => note("disconnect");
}

class Queue {
  constructor(name: string) {
    note("Queue", name);
  }
  on(event: string, handler: never) {
    handlers.set(`queue ${event}`, handler);
  }
  toKey = (name: string) => `key of ${name}`;
  getJobs = async (types: string[]) => {
    note("getJobs", ...types);
    return waiting;
  };
  getJob = async (id: string) => waiting.find((job) => job?.id === id);
  getActive = async () => active;
  add = async (name: string, data: OpenJob, options: object) => {
    note("add", name, data, options);
    const { priority } = options as { priority: number };
    waiting.push(jobOf(data.id, { owner: data.owner, timestamp: 50, priority }));
  };
  remove = async (id: string) => {
    note("remove", id);
    if (id === "locked") throw new Error("the job is locked");
    return 1;
  };
  getJobCounts = async (...types: string[]) => {
    note("getJobCounts", ...types);
    return counts;
  };
  close = async () => note("close");
}

class Worker {
  constructor(name: string, run: Process, options: object) {
    process = run;
    const { connection, ...others } = options as { connection: unknown };
    note("Worker", name, connection instanceof Redis, others);
  }
  on(event: string, handler: never) {
    handlers.set(`worker ${event}`, handler);
  }
  waitUntilReady = async () => note("ready");
  close = async () => note("close the worker");
}

class DelayedError extends Error {}

function jobOf(id: string, more: Partial<FakeJob & OpenJob> = {}): FakeJob {
  const { owner = "a", ...others } = more;
  const job: FakeJob = {
    ...{ id, data: { id, owner, priority: 0 }, timestamp: 1, attemptsMade: 0, priority: 0 },
    changePriority: async ({ priority }) => {
      note("priority", id, priority);
      if (id === "started") throw new Error("the job has started");
      job.priority = priority;
    },
    moveToDelayed: async (...args) => note("later", id, ...args),
    ...others,
  };
  return job;
}

const open = (options: Partial<BullQueueOptions> = {}) => {
  return queueOn({ Queue, Worker, DelayedError, Redis } as never, { url: "redis://x", model: "org/base", ...options });
};

beforeEach(() => {
  [calls, waiting, active, served, counts] = [[], [], [], {}, {}];
  handlers.clear();
  vi.spyOn(Date, "now").mockReturnValue(50_000);
});
afterEach(() => void vi.restoreAllMocks());

const added: OpenJob = { id: "j1", owner: "a", priority: 3 };

test("a queue is named by its model, and its commands wait while Redis restarts", async () => {
  const errors: unknown[] = [];
  const queue = open({ onError: (error) => void errors.push(error) });
  expect(noted("Queue")).toEqual([["lowrank-org_2f_base"]]);
  expect(noted("Redis")).toEqual([["redis://x", { maxRetriesPerRequest: null }]]);
  const lost = new Error("lost") as never;
  for (const name of ["redis error", "queue error"]) handlers.get(name)?.(lost);
  expect(errors).toEqual([lost, lost]);
  await queue.close();
  expect(calls.slice(-2)).toEqual([["close"], ["disconnect"]]);
});

describe("a job", () => {
  test("is added with the limits of the queue, unless it is there", async () => {
    const queue = open({ attempts: 4, backoffMs: 70 });
    await queue.add(added);
    await queue.add(added);
    expect(noted("add")).toEqual([
      [
        "fine-tune",
        added,
        {
          ...{ jobId: "j1", priority: 2_097_151, attempts: 4, backoff: { type: "exponential", delay: 70 } },
          ...{ removeOnComplete: true, removeOnFail: true },
        },
      ],
    ]);
    expect(noted("priority")).toEqual([["j1", 1]]);
    expect(noted("getJobs")).toEqual([["prioritized", "waiting", "delayed"]]);
  });

  test("has the limits that are documented, if the queue has none", async () => {
    expect(defaultQueueLimits).toEqual({ atOnce: 1, perOwner: Number.POSITIVE_INFINITY, attempts: 3, backoffMs: 5000 });
    await open().add(added);
    expect(noted("add")[0][2]).toMatchObject({ attempts: 3, backoff: { type: "exponential", delay: 5000 } });
  });

  test("gets the position of its turn: owners by turns, the one served longest ago first, then the oldest", async () => {
    served = { a: "2000", b: "1000" };
    waiting = [
      undefined,
      jobOf("a2", { timestamp: 5 }),
      jobOf("b2", { owner: "b", timestamp: 2 }),
      jobOf("b1", { owner: "b", timestamp: 2 }),
      null,
      jobOf("a1", { timestamp: 4, priority: 3 }),
      jobOf("c1", { owner: "c", timestamp: 9 }),
      jobOf("started", { owner: "b", timestamp: 7 }),
    ];
    await open().add({ id: "c2", owner: "c", priority: 0 });
    // The order is c1, b1, a1, then c2, b2, a2, then the last of b. a1 has its priority already.
    expect(noted("priority").map((change) => change.join(" "))).toEqual([
      ...["c1 1", "b1 2", "c2 4", "b2 5", "a2 6", "started 7"],
    ]);
  });

  test("is removed, unless it runs", async () => {
    const queue = open();
    await queue.remove("j1");
    await queue.remove("locked");
    expect(noted("remove")).toEqual([["j1"], ["locked"]]);
  });

  test.each<[Record<string, number>, number, number]>([
    [{ wait: 1, prioritized: 20, delayed: 300, active: 4 }, 321, 4],
    [{ wait: 0 }, 0, 0],
    [{}, 0, 0],
  ])("is counted: %j are %i that wait and %i that run", async (found, wait, running) => {
    counts = found;
    expect(await open().counts()).toEqual({ waiting: wait, running });
    expect(noted("getJobCounts")).toEqual([["wait", "prioritized", "delayed", "active"]]);
  });
});

describe("a worker", () => {
  const start = async (options: Partial<BullQueueOptions> = {}, worker: Partial<JobWorker> = {}) => {
    const runs: unknown[][] = [];
    const failures: unknown[][] = [];
    const queue = open(options);
    const working = await queue.work({
      run: async (...args) => void runs.push(args),
      failed: async (...args) => void failures.push(args),
      ...worker,
    });
    return { working, runs, failures };
  };
  const fail = (job: FakeJob | undefined, error: Error) =>
    handlers.get("worker failed")?.(job as never, error as never);

  test.each<[Partial<BullQueueOptions>, object]>([
    [{}, { concurrency: 1, lockDuration: 30_000, stalledInterval: 15_000, maxStalledCount: 5, drainDelay: 5 }],
    [
      { lockSeconds: 2, deaths: 7, atOnce: 3 },
      { concurrency: 3, lockDuration: 2000, stalledInterval: 1000, maxStalledCount: 7, drainDelay: 2 },
    ],
    [
      { lockSeconds: 5.5 },
      { concurrency: 1, lockDuration: 5500, stalledInterval: 2750, maxStalledCount: 5, drainDelay: 5 },
    ],
  ])("of a queue with %j has BullMQ's options %j", async (options, expected) => {
    await start(options);
    expect(noted("Worker")).toEqual([["lowrank-org_2f_base", true, expected]]);
    expect(noted("ready")).toHaveLength(1);
  });

  test("runs a job with its attempt, after its owner was recorded as served", async () => {
    const { runs, working } = await start();
    await process(jobOf("j1", { attemptsMade: 1 }), "t");
    expect(runs).toEqual([[{ id: "j1", owner: "a", priority: 0 }, 2, expect.any(AbortSignal)]]);
    expect(noted("hset")).toEqual([["key of served", "a", 1_700_000_025]]);
    const signal = runs[0][2] as AbortSignal;
    expect(signal.aborted).toBe(false);
    await working.close();
    expect(signal.aborted).toBe(true);
    expect(calls.slice(-2)).toEqual([["close the worker"], ["disconnect"]]);
  });

  test.each<[perOwner: number, id: string, runs: boolean]>([
    [1, "first", true],
    [1, "second", false],
    [2, "second", true],
    [2, "third", false],
    [3, "third", true],
    [3, "unknown", false],
    [4, "unknown", true],
    [Number.POSITIVE_INFINITY, "unknown", true],
  ])("with %d jobs of an owner at once runs the %s one: %s", async (perOwner, id, expected) => {
    active = [
      jobOf("unknown"),
      undefined,
      jobOf("third", { processedOn: 20 }),
      jobOf("second", { processedOn: 20 }),
      jobOf("other", { owner: "b", processedOn: 1 }),
      jobOf("first", { processedOn: 10 }),
    ];
    const { runs } = await start({ perOwner });
    const job = active.find((one) => one?.id === id) as FakeJob;
    if (expected) await process(job, "token");
    else await expect(process(job, "token")).rejects.toBeInstanceOf(DelayedError);
    expect([runs.length, noted("later")]).toEqual(expected ? [1, []] : [0, [[id, 51_000, "token"]]]);
    expect(noted("hset")).toHaveLength(expected ? 1 : 0);
  });

  test("lets a job that was stopped wait again at once", async () => {
    const { failures } = await start({}, { run: () => Promise.reject(new JobStopped()) });
    await expect(process(jobOf("j1", { attemptsMade: 2 }), "token")).rejects.toBeInstanceOf(DelayedError);
    expect([noted("later"), failures]).toEqual([[["j1", 50_000, "token"]], []]);
  });

  test.each([
    [0, 0],
    [1, 0],
    [2, 1],
    [3, 1],
  ])("reports a job that failed after %i earlier attempts %i times", async (attemptsMade, times) => {
    const broken = new Error("broken");
    const { failures } = await start({}, { run: () => Promise.reject(broken) });
    const job = jobOf("j1", { attemptsMade });
    await expect(process(job, "t")).rejects.toBe(broken);
    fail({ ...job, finishedOn: times === 1 ? 9 : undefined }, broken);
    expect(failures).toEqual(Array(times).fill([job.data, broken]));
  });

  test("reports a job whose worker died once too often", async () => {
    const dead = new Error("job stalled more than allowable limit");
    const { failures } = await start();
    fail(undefined, dead);
    fail(jobOf("j1"), dead);
    expect(failures).toEqual([]);
    fail(jobOf("j1", { finishedOn: 9 }), dead);
    fail(jobOf("j2", { finishedOn: 9 }), dead);
    expect(failures.map(([job]) => (job as OpenJob).id)).toEqual(["j1", "j2"]);
  });

  test("reports a failure again that could not be stored, and a later one of the same job", async () => {
    const errors: unknown[] = [];
    const [broken, full] = [new Error("broken"), new Error("the store is full")];
    let isFull = true;
    const stored: OpenJob[] = [];
    await start(
      { onError: (error) => void errors.push(error), attempts: 1 },
      {
        run: () => Promise.reject(broken),
        failed: async (job) => {
          if (isFull) throw full;
          stored.push(job);
        },
      },
    );
    const job = jobOf("j1", { finishedOn: 9 });
    await expect(process(job, "t")).rejects.toBe(broken);
    expect(errors).toEqual([full]);
    isFull = false;
    fail(job, broken);
    expect(stored).toEqual([job.data]);
    await expect(process(job, "t")).rejects.toBe(broken);
    fail(job, broken);
    expect(stored).toHaveLength(2);
    fail(job, broken);
    expect(stored).toHaveLength(3);
    isFull = true;
    fail(job, broken);
    await Promise.resolve();
    await Promise.resolve();
    expect(errors).toEqual([full, full]);
  });
});
