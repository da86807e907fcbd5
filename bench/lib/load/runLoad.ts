import { setTimeout } from "node:timers/promises";
import { Generator } from "@lowrank/core";
import type { ServingEngine, ServingRequest } from "@lowrank/serve";
import { exponential } from "./makeRequests.ts";

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

/** The timeline of one request, in milliseconds of `performance.now()`. */
interface RequestRecord {
  readonly request: ServingRequest;
  /** Scheduled start. Waiting time counts from here, even if the request started late. */
  readonly due: number;
  /** Time of each new token. */
  readonly tokens: readonly number[];
  /** Time of the end. */
  readonly end: number;
  /** The error of a failed request; null if it completed. */
  readonly error: Error | null;
}

/** Runs a request to its end, and records its times even if it fails. */
export async function recordRequest(
  engine: Pick<ServingEngine, "generate">,
  request: ServingRequest,
  due: number = performance.now(),
): Promise<RequestRecord> {
  const tokens: number[] = [];
  let finished = false;
  let error: Error | null = null;
  try {
    for await (const event of engine.generate(request)) {
      if (event.type === "token" && !event.prompt) tokens.push(performance.now());
      finished = event.type === "finished";
    }
    if (!finished) error = new Error(`request ${request.id} ended after ${tokens.length} tokens without saying so`);
  } catch (thrown) {
    error = thrown as Error;
  }
  return { request, due, tokens, end: performance.now(), error };
}

/** Percentiles of times in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** The speed of an engine under a load, without its warm-up. */
export interface LoadSummary {
  /** Number of requests after the warm-up, including failed ones. */
  readonly requests: number;
  /** Number of all requests that failed, including the warm-up. */
  readonly failed: number;
  /** New tokens per second of all requests together. */
  readonly tokensPerSecond: number;
  readonly requestsPerSecond: number;
  /** Time from the scheduled start of a request to its first token. */
  readonly timeToFirstToken: Percentiles;
  /** Mean time between tokens of each request with two or more tokens. */
  readonly timePerToken: Percentiles;
}

/** Returns the smallest value that at least a share `p` of the values does not exceed. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}

function percentiles(values: readonly number[]): Percentiles {
  return { p50: percentile(values, 0.5), p95: percentile(values, 0.95), p99: percentile(values, 0.99) };
}

/**
 * Summarizes a load that arrived over time. Omits the first `warmUp` requests in order of arrival. Speeds are measured
 * from the first to the last arrival of the others, so the warm-up and the end with few running requests are not
 * counted.
 */
export function summarize(records: readonly RequestRecord[], warmUp = 0): LoadSummary {
  const counted = records.toSorted((a, b) => a.due - b.due).slice(warmUp);
  const good = counted.filter(({ error }) => error === null);
  const begin = counted[0]?.due ?? Number.NaN;
  const end = counted.at(-1)?.due ?? Number.NaN;
  if (!(end > begin)) {
    throw new Error(`summarize: ${counted.length} requests after a warm-up of ${warmUp} came over no time; give more`);
  }
  const during = (time: number) => time > begin && time <= end;
  const seconds = (end - begin) / 1000;
  const ended = records.filter((record) => record.error === null && during(record.end));
  return {
    requests: counted.length,
    failed: records.filter(({ error }) => error !== null).length,
    tokensPerSecond: records.flatMap(({ tokens }) => tokens).filter(during).length / seconds,
    requestsPerSecond: ended.length / seconds,
    timeToFirstToken: percentiles(good.map(({ tokens, due }) => tokens[0]! - due)),
    timePerToken: percentiles(
      good
        .filter(({ tokens }) => tokens.length > 1)
        .map(({ tokens }) => (tokens.at(-1)! - tokens[0]!) / (tokens.length - 1)),
    ),
  };
}
