import { JobStopped } from "../job.ts";
import type { JobQueue, QueueLimits } from "../jobQueue.ts";
import type { OpenJob } from "../jobStore.ts";

/** Test case that every queue must pass. Throws if the queue does not. */
interface QueueCase {
  readonly name: string;
  run(open: (limits: QueueLimits) => Promise<JobQueue>): Promise<void>;
}

const job = (id: string, owner = "a", priority = 0): OpenJob => ({ id, owner, priority });

async function until(done: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1500 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  if (!done()) throw new Error(`${what} did not come to pass`);
}

function expectSame(found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`expected ${b}, and got ${a}`);
}

/** Test cases that every queue must pass. */
export const queueCases: readonly QueueCase[] = [
  {
    name: "jobs run once each, owners in turn, those of smaller priority first, then the older ones",
    run: async (open) => {
      const queue = await open({});
      const ran: string[] = [];
      for (const added of [job("j1", "a", 5), job("j2"), job("j3"), job("j2"), job("j4", "b", 1)])
        await queue.add(added);
      expectSame(await queue.counts(), { waiting: 4, running: 0 });
      const working = await queue.work({
        run: async ({ id }) => void ran.push(id),
        failed: async () => undefined,
      });
      await until(() => ran.length === 4, "the end of four jobs");
      expectSame(ran, ["j2", "j4", "j3", "j1"]);
      // A finished job may be added again, as a failed one may.
      await queue.add(job("j2"));
      await until(() => ran.length === 5, "another run");
      await working.close();
      await queue.close();
    },
  },
  {
    name: "one owner's many jobs delay another owner's job by the one that runs alone",
    run: async (open) => {
      const queue = await open({});
      const ran: string[] = [];
      const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
      const many = Array.from({ length: 6 }, (_, i) => `a${i}`);
      for (const id of many) await queue.add(job(id, "a"));
      const working = await queue.work({
        run: async ({ id }) => {
          ran.push(id);
          await gate;
        },
        failed: async () => undefined,
      });
      await until(() => ran.length === 1, "the start of a job");
      // Priorities order the jobs of one owner. They do not move a job ahead of other owners' jobs.
      await queue.add(job("b0", "b", 9));
      await queue.add(job("a6", "a", 0));
      await queue.add(job("b1", "b", 8));
      openGate();
      await until(() => ran.length === 9, "the end of nine jobs");
      expectSame(ran, ["a0", "b1", "a1", "b0", "a2", "a3", "a4", "a5", "a6"]);
      await working.close();
      await queue.close();
    },
  },
  {
    name: "an owner that orders again and again does not delay one that waits",
    run: async (open) => {
      const queue = await open({});
      const ran: string[] = [];
      for (const id of ["a0", "a1", "a2"]) await queue.add(job(id, "a"));
      const working = await queue.work({
        run: async ({ id }) => {
          ran.push(id);
          // The next job exists before this one ends.
          if (ran.length < 6) await queue.add(job(`b${ran.length}`, "b"));
          await new Promise((resolve) => setTimeout(resolve, 50));
        },
        failed: async () => undefined,
      });
      await until(() => ran.length === 8, "the end of eight jobs");
      expectSame(ran.slice(0, 6).join(" "), "a0 b1 a1 b2 a2 b3");
      await working.close();
      await queue.close();
    },
  },
  {
    name: "one that waits is taken out",
    run: async (open) => {
      const queue = await open({});
      const ran: string[] = [];
      await queue.add(job("j1"));
      await queue.add(job("j2"));
      await queue.remove("j1");
      await queue.remove("nothing");
      const working = await queue.work({ run: async ({ id }) => void ran.push(id), failed: async () => undefined });
      await until(() => ran.length === 1, "the end of a job");
      expectSame(ran, ["j2"]);
      await working.close();
      await queue.close();
    },
  },
  {
    name: "a failure is tried again after a pause, and the last one is told",
    run: async (open) => {
      const queue = await open({ attempts: 3, backoffMs: 50 });
      const attempts: [string, number][] = [];
      const dead: string[] = [];
      const working = await queue.work({
        run: async ({ id }, attempt) => {
          attempts.push([id, attempt]);
          if (id === "bad" || attempt < 2) throw new Error(`attempt ${attempt} failed`);
        },
        failed: async ({ id }, error) => void dead.push(`${id}: ${error.message}`),
      });
      await queue.add(job("bad"));
      await queue.add(job("once"));
      await until(() => dead.length === 1 && attempts.length === 5, "the last attempt");
      expectSame(dead, ["bad: attempt 3 failed"]);
      const of = (wanted: string) => attempts.filter(([id]) => id === wanted).map(([, attempt]) => attempt);
      expectSame(
        [of("bad"), of("once")],
        [
          [1, 2, 3],
          [1, 2],
        ],
      );
      await working.close();
      await queue.close();
    },
  },
  {
    name: "no owner has more running than it may, and others go on",
    run: async (open) => {
      const queue = await open({ atOnce: 3, perOwner: 1 });
      const running = new Map<string, number>();
      let most = 0;
      let mostOfOne = 0;
      let done = 0;
      for (const id of ["a1", "a2", "a3", "b1", "b2", "c1"]) await queue.add(job(id, id[0]));
      const working = await queue.work({
        run: async ({ owner }) => {
          running.set(owner, (running.get(owner) ?? 0) + 1);
          mostOfOne = Math.max(mostOfOne, running.get(owner) as number);
          most = Math.max(
            most,
            [...running.values()].reduce((a, b) => a + b),
          );
          await new Promise((resolve) => setTimeout(resolve, 300));
          running.set(owner, (running.get(owner) as number) - 1);
          done++;
        },
        failed: async () => undefined,
      });
      await until(() => done === 6, "the end of six jobs");
      expectSame(mostOfOne, 1);
      if (most < 2) throw new Error("jobs of different owners never ran at once");
      await working.close();
      await queue.close();
    },
  },
  {
    name: "one that was stopped goes back, and is the first of another worker",
    run: async (open) => {
      const queue = await open({});
      const ran: string[] = [];
      await queue.add(job("j1"));
      const first = await queue.work({
        run: (_, attempt, signal) =>
          new Promise((_, reject) => {
            ran.push(`start ${attempt}`);
            signal.addEventListener("abort", () => reject(new JobStopped()));
          }),
        failed: async () => undefined,
      });
      await until(() => ran.length === 1, "the start of a job");
      expectSame(await queue.counts(), { waiting: 0, running: 1 });
      await first.close();
      expectSame(await queue.counts(), { waiting: 1, running: 0 });
      const second = await queue.work({
        run: async ({ id }, attempt) => void ran.push(`${id} ${attempt}`),
        failed: async () => undefined,
      });
      await until(() => ran.length === 2, "another run");
      // A stop is not a failure.
      expectSame(ran, ["start 1", "j1 1"]);
      await second.close();
      await queue.close();
    },
  },
];
