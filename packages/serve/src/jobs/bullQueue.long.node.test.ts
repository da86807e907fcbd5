import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasRedis, type RedisServer, startRedis } from "@lowrank/test-support/redis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bullQueue } from "./bullQueue.ts";
import type { QueueLimits } from "./jobQueue.ts";
import { queueCases } from "./testing/queueCases.ts";

let folder: string;
let redis: RedisServer;
let queues = 0;

beforeAll(async () => {
  if (!hasRedis) return;
  folder = await mkdtemp(join(tmpdir(), "lowrank-redis-"));
  redis = await startRedis(folder);
});
afterAll(async () => {
  if (!hasRedis) return;
  await redis.stop();
  await rm(folder, { recursive: true });
});

describe.skipIf(!hasRedis)("on a real Redis (skipped where redis-server is not installed)", () => {
  const open = (limits: QueueLimits & { model?: string; deaths?: number } = {}) =>
    bullQueue({ url: redis.url, model: `model ${queues++}`, lockSeconds: 1, onError: () => {}, ...limits });

  it.each(queueCases)("$name", ({ run }) => run(open), 30_000);

  it("jobs that wait outlive a Redis that is killed, and a worker that waits for it", async () => {
    const queue = await open();
    for (const id of ["j1", "j2", "j3"]) await queue.add({ id, owner: "a", priority: 0 });
    await redis.restart("SIGKILL");
    expect(await queue.counts()).toEqual({ waiting: 3, running: 0 });
    const ran: string[] = [];
    const working = await queue.work({
      run: async ({ id }) => {
        ran.push(id);
        if (id === "j1") await redis.restart("SIGTERM");
      },
      failed: async () => undefined,
    });
    await expect.poll(() => ran, { timeout: 20_000 }).toEqual(["j1", "j2", "j3"]);
    await expect.poll(() => queue.counts(), { timeout: 20_000 }).toEqual({ waiting: 0, running: 0 });
    await working.close();
    await queue.close();
  }, 60_000);
});
