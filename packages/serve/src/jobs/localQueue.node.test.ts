import { expect, it } from "vitest";
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
