import { checkOptions } from "@lowrank/core/internal";
import type { Job } from "bullmq";
import { nameKey } from "../storage/jobKeys.ts";
import { fairOrder } from "./fairOrder.ts";
import { JobStopped } from "./job.ts";
import {
  defaultQueueLimits,
  type JobQueue,
  type JobWorker,
  type QueueLimits,
  queueKeys,
  type Working,
} from "./jobQueue.ts";
import { compareIds, type OpenJob } from "./jobStore.ts";

/** Options for `bullQueue`. */
export interface BullQueueOptions extends QueueLimits {
  /** Address of the Redis server: "redis://127.0.0.1:6379". */
  readonly url: string;
  /** Name of the base model. Workers take only jobs of their model. */
  readonly model: string;
  /**
   * Number of seconds after which the job of a crashed worker is given to another worker. A running worker renews the
   * lock on its job twice within this time. Default 30.
   */
  readonly lockSeconds?: number;
  /**
   * Maximum number of times that a job is restarted after its worker crashed. After one more crash, the job fails.
   * Default 5.
   */
  readonly deaths?: number;
  /** Receives connection errors. The connection is restored automatically. Default: `console.warn`. */
  readonly onError?: (error: Error) => void;
}

/**
 * Highest priority value in BullMQ, which means the lowest priority. A new job gets this value until `arrange` sets its
 * position in the fair order.
 */
const lastPriority = 2 ** 21 - 1;

/** Milliseconds by which a job is postponed if its owner already has `perOwner` running jobs. */
const roomMs = 1000;

/** Creates a job queue with BullMQ on Redis, for any number of servers and workers. */
export async function bullQueue(options: BullQueueOptions): Promise<JobQueue> {
  checkOptions("bullQueue", options, {
    ...queueKeys,
    ...({ url: true, model: true, lockSeconds: true, deaths: true, onError: true } as const),
  });
  const bull = await needed(import("bullmq"), "bullmq");
  return queueOn({ ...bull, ...(await needed(import("ioredis"), "ioredis")) }, options);
}

/** Libraries for a queue on Redis. */
type Libraries = Pick<typeof import("bullmq"), "Queue" | "Worker" | "DelayedError"> &
  Pick<typeof import("ioredis"), "Redis">;

/** Creates a job queue with these libraries. */
export function queueOn({ Queue, Worker, DelayedError, Redis }: Libraries, options: BullQueueOptions): JobQueue {
  const {
    url,
    model,
    lockSeconds = 30,
    deaths = 5,
    onError = (error) => console.warn(error.message),
    ...own
  } = options;
  const { atOnce, perOwner, attempts, backoffMs } = { ...defaultQueueLimits, ...own };
  const name = `lowrank-${nameKey(model)}`;
  const connect = () => {
    // Commands wait while Redis restarts.
    const client = new Redis(url, { maxRetriesPerRequest: null });
    client.on("error", onError);
    return client;
  };
  const client = connect();
  const queue = new Queue<OpenJob>(name, { connection: client });
  queue.on("error", onError);

  /**
   * Ids of jobs whose final failure `run` has already reported to `worker.failed`. BullMQ's event "failed" then does
   * not report it again.
   */
  const settled = new Set<string>();
  const servedKey = queue.toKey("served");
  /** Sets the priority of each waiting job to its position in the fair order. */
  const arrange = async (): Promise<void> => {
    const [waiting, served] = await Promise.all([
      queue.getJobs(["prioritized", "waiting", "delayed"]),
      client.hgetall(servedKey),
    ]);
    const jobs = waiting.filter((job) => job !== undefined && job !== null);
    jobs.sort((a, b) => a.timestamp - b.timestamp || compareIds(String(a.id), String(b.id)));
    const numbered = jobs.map((bull, number) => ({ bull, job: bull.data, number }));
    const times = new Map(Object.entries(served).map(([owner, time]) => [owner, Number(time)]));
    for (const [i, { bull }] of fairOrder(numbered, times).entries()) {
      // A job that has started in the meantime keeps its priority.
      if (bull.priority !== i + 1) await bull.changePriority({ priority: i + 1 }).catch(() => undefined);
    }
  };
  /**
   * Records the time at which an owner's job starts, and updates the fair order. Waiting jobs of other owners then come
   * first.
   */
  const serve = async ({ owner }: OpenJob): Promise<void> => {
    // All workers use the clock of Redis.
    const [seconds, micros] = await client.time();
    await client.hset(servedKey, owner, seconds * 1e6 + Number(micros));
    await arrange();
  };

  /** Runs a job, or postpones it if its owner already has too many running jobs. */
  const run = async (worker: JobWorker, job: Job<OpenJob>, token: string | undefined, signal: AbortSignal) => {
    const later = async (milliseconds: number): Promise<never> => {
      await job.moveToDelayed(Date.now() + milliseconds, token);
      throw new DelayedError();
    };
    if (Number.isFinite(perOwner) && (await placeAmongActive(job)) >= perOwner) await later(roomMs);
    await serve(job.data);
    try {
      await worker.run(job.data, job.attemptsMade + 1, signal);
    } catch (error) {
      if (error instanceof JobStopped) await later(0);
      // The end must be in the store before BullMQ forgets the job, which otherwise would be added again.
      if (job.attemptsMade + 1 >= attempts) {
        await worker.failed(job.data, error as Error).then(() => settled.add(job.data.id), onError);
      }
      throw error;
    }
  };

  /** Returns how many of the owner's active jobs became active before this one. */
  const placeAmongActive = async (job: Job<OpenJob>): Promise<number> => {
    const active = (await queue.getActive()).filter((other) => other?.data.owner === job.data.owner);
    const when = (other: Job) => other.processedOn ?? Number.POSITIVE_INFINITY;
    const before = (a: Job, b: Job) => when(a) - when(b) || compareIds(String(a.id), String(b.id));
    return active.sort(before).findIndex(({ id }) => id === job.id);
  };

  return {
    add: async (job) => {
      if (await queue.getJob(job.id)) return;
      await queue.add("fine-tune", job, {
        jobId: job.id,
        // BullMQ runs jobs without a priority before all others.
        priority: lastPriority,
        attempts,
        backoff: { type: "exponential", delay: backoffMs },
        // The end of a job is in the store.
        removeOnComplete: true,
        removeOnFail: true,
      });
      await arrange();
    },
    remove: async (id) => {
      // A running job is locked, and continues.
      await queue.remove(id).catch(() => undefined);
    },
    work: async (worker): Promise<Working> => {
      const stop = new AbortController();
      const connection = connect();
      const running = new Worker<OpenJob>(name, (job, token) => run(worker, job, token, stop.signal), {
        connection,
        concurrency: atOnce,
        lockDuration: lockSeconds * 1000,
        stalledInterval: lockSeconds * 500,
        maxStalledCount: deaths,
        // Seconds between polls of an idle worker, for delayed jobs.
        drainDelay: Math.min(5, lockSeconds),
      });
      running.on("error", onError);
      running.on("failed", (job, error) => {
        if (job && settled.delete(job.data.id)) return;
        if (job?.finishedOn) void worker.failed(job.data, error).catch(onError);
      });
      await running.waitUntilReady();
      return {
        close: async () => {
          stop.abort();
          await running.close();
          connection.disconnect();
        },
      };
    },
    counts: async () => {
      const counts = await queue.getJobCounts("wait", "prioritized", "delayed", "active");
      const { active = 0, ...waiting } = counts;
      return { waiting: Object.values(waiting).reduce((sum, count) => sum + count, 0), running: active };
    },
    close: async () => {
      await queue.close();
      client.disconnect();
    },
  };
}

/** Awaits the import of an optional package. Throws an error with the install command if it is missing. */
async function needed<T>(loading: Promise<T>, name: string): Promise<T> {
  return loading.catch((error) => {
    if ((error as { code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new Error(`a queue on Redis needs the package ${name}, which is not installed: npm install bullmq ioredis`, {
      cause: error,
    });
  });
}
