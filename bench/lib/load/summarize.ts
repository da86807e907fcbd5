import type { RequestRecord } from "./requestRecord.ts";

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
