import { Worker } from "node:worker_threads";
import { JobRefused } from "@lowrank/serve/jobs";
import type { OrderToCheck, ServedLimits } from "./checkOrder.ts";
import type { OrderAnswer } from "./orderWorker.ts";

/**
 * Maximum time for the check of one order, in milliseconds. If the check takes longer, it is stopped and the order is
 * refused.
 */
const patienceMs = 10_000;

/**
 * Queue of orders for fine-tuning jobs that wait for their check. Checks run one after the other in a Worker, so that
 * they do not block the server. Owners take turns: each has one order checked before the next owner's turn.
 */
export class OrderChecks {
  readonly #served: ServedLimits;
  readonly #plugins: readonly string[];
  readonly #patienceMs: number;
  #worker: Promise<Worker> | null = null;
  /** Waiting checks by owner. Owners take turns in the order of the map's keys. */
  readonly #waiting = new Map<string, (() => Promise<void>)[]>();
  #isRunning = false;

  constructor(served: ServedLimits, plugins: readonly string[], options: { patienceMs?: number } = {}) {
    this.#served = served;
    this.#plugins = plugins;
    this.#patienceMs = options.patienceMs ?? patienceMs;
  }

  /** Checks an order. Rejects with `JobRefused` if the server does not accept it. */
  check(order: OrderToCheck): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { owner } = order.job;
    const own = this.#waiting.get(owner) ?? [];
    own.push(() => this.#check(order).then(resolve, reject));
    this.#waiting.set(owner, own);
    if (!this.#isRunning) void this.#run();
    return promise;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let [turn] = this.#waiting; turn; [turn] = this.#waiting) {
      const [owner, own] = turn;
      await own.shift()?.();
      // Moves the owner to the end, after owners whose orders arrived during the check.
      this.#waiting.delete(owner);
      if (own.length > 0) this.#waiting.set(owner, own);
    }
    this.#isRunning = false;
  }

  /** Terminates the Worker that runs the checks. */
  async close(): Promise<void> {
    const worker = await this.#worker?.catch(() => null);
    await worker?.terminate();
  }

  async #check(order: OrderToCheck): Promise<void> {
    this.#worker ??= this.#start();
    const worker = await this.#worker.catch((error) => {
      this.#worker = null;
      throw error;
    });
    const answer = await this.#answerOf(worker, order);
    if ("refused" in answer) throw new JobRefused(answer.refused);
    if ("failed" in answer) throw new Error(answer.failed);
  }

  async #start(): Promise<Worker> {
    const script = new URL(`./orderWorker${import.meta.filename.slice(-3)}`, import.meta.url);
    const worker = new Worker(script, { workerData: { served: this.#served, plugins: this.#plugins } });
    worker.unref();
    await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    return worker;
  }

  async #answerOf(worker: Worker, order: OrderToCheck): Promise<OrderAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<OrderAnswer>();
    const fail = (error: Error) => {
      this.#worker = null;
      reject(error);
    };
    const timer = setTimeout(() => {
      this.#worker = null;
      void worker.terminate();
      const message = `the options could not be checked in ${this.#patienceMs / 1000} seconds; give target-modules by name`;
      resolve({ refused: { code: "invalid_value", message, param: "lowrank.options" } });
    }, this.#patienceMs);
    worker.once("message", resolve);
    worker.once("error", fail);
    worker.postMessage(order);
    return promise.finally(() => {
      clearTimeout(timer);
      worker.off("message", resolve);
      worker.off("error", fail);
    });
  }
}
