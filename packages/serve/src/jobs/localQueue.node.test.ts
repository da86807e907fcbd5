import { expect, it, vi } from "vitest";
import { localQueue } from "./localQueue.ts";
import { queueCases } from "./testing/queueCases.ts";

it.each(queueCases)("$name", ({ run }) => run(async (limits) => localQueue(limits)));

it("has one worker", async () => {
  const queue = localQueue();
  const worker = { run: async () => undefined, failed: async () => undefined };
  const working = await queue.work(worker);
  await expect(queue.work(worker)).rejects.toThrow("it has a worker already");
  await working.close();
});

it("a job whose time comes while the queue looks is not forgotten", async () => {
  let clock = 0;
  const ticking = vi.spyOn(Date, "now").mockImplementation(() => {
    clock += 25;
    return clock;
  });
  try {
    const queue = localQueue({ attempts: 2, backoffMs: 50 });
    const attempts: number[] = [];
    const working = await queue.work({
      run: async (_, attempt) => {
        attempts.push(attempt);
        if (attempt === 1) throw new Error("once more");
      },
      failed: async () => undefined,
    });
    await queue.add({ id: "j", owner: "a", priority: 0 });
    for (let i = 0; i < 200 && attempts.length < 2; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(attempts).toEqual([1, 2]);
    await working.close();
    await queue.close();
  } finally {
    ticking.mockRestore();
  }
});
