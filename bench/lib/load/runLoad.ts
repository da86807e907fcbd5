import { setTimeout } from "node:timers/promises";
import { Generator } from "@lowrank/core";
import type { ServingEngine, ServingRequest } from "@lowrank/serve";
import { exponential } from "./draws.ts";
import { type RequestRecord, recordRequest } from "./requestRecord.ts";

type Generates = Pick<ServingEngine, "generate">;

/** Runs all requests, `concurrency` at a time: the next starts when one ends. */
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
 * Keeps `concurrency` requests running until the signal, and resolves when they have ended. Throws the first error of a
 * request.
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

/** Parameters of requests that arrive as a Poisson process. */
export interface PoissonOptions {
  /** Arrivals per second. */
  readonly rate: number;
  readonly seed: number;
}

/**
 * Starts each request at its scheduled time, independent of earlier requests. Waiting counts from the scheduled time,
 * even if the engine starts a request late.
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
