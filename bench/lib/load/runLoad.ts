import { setTimeout } from "node:timers/promises";
import { Generator } from "@lowrank/core";
import type { ServingEngine, ServingRequest } from "@lowrank/serve";
import { exponential } from "./draws.ts";
import { type RequestRecord, recordRequest } from "./requestRecord.ts";

type Generates = Pick<ServingEngine, "generate">;

/** Runs all requests, `concurrency` of them at a time: the next starts when one ends. */
export async function runConcurrent(
  engine: Generates,
  requests: readonly ServingRequest[],
  concurrency: number = requests.length,
): Promise<RequestRecord[]> {
  const records: RequestRecord[] = [];
  let next = 0;
  const work = async () => {
    while (next < requests.length) {
      const at = next++;
      records[at] = await recordRequest(engine, requests[at]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, requests.length) }, work));
  return records;
}

/**
 * Keeps `concurrency` requests under way until the signal, and ends when these have ended. Throws
 * the first error of a request.
 */
export async function runUntil(
  signal: AbortSignal,
  engine: Generates,
  requests: Iterator<ServingRequest, never>,
  concurrency: number,
): Promise<void> {
  const work = async () => {
    while (!signal.aborted) {
      const { error } = await recordRequest(engine, requests.next().value);
      if (error) throw error;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}

/** The arrivals of requests as a Poisson process. */
export interface PoissonOptions {
  /** Arrivals a second. */
  readonly rate: number;
  readonly seed: number;
}

/**
 * Runs all requests, each at its time, whatever became of those before it. The times do not wait
 * for the engine: a request that starts late has waited since its time.
 */
export async function runPoisson(
  engine: Generates,
  requests: readonly ServingRequest[],
  { rate, seed }: PoissonOptions,
): Promise<RequestRecord[]> {
  const generator = new Generator(seed);
  const gap = exponential(rate / 1000);
  const running: Promise<RequestRecord>[] = [];
  let due = performance.now();
  for (const request of requests) {
    due += gap(generator);
    const wait = due - performance.now();
    if (wait > 0) await setTimeout(wait);
    running.push(recordRequest(engine, request, due));
  }
  return Promise.all(running);
}
