import type { RequestRecord } from "./requestRecord.ts";

/** Percentiles of a set of times, in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** The speed of an engine under a load, without its warm-up. */
export interface LoadSummary {
  /** Those that count, so without the warm-up. */
  readonly requests: number;
  /** Of all, those that did not run to their end. */
  readonly failed: number;
  /** New tokens a second, of all requests together. */
  readonly tokensPerSecond: number;
  readonly requestsPerSecond: number;
  /** From the moment a request was to come to its first token. */
  readonly timeToFirstToken: Percentiles;
  /** The mean time from one token to the next, of each request with two or more. */
  readonly timePerToken: Percentiles;
}

/** Returns the least value that at least a share `p` of all values does not exceed. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}

function percentiles(values: readonly number[]): Percentiles {
  return { p50: percentile(values, 0.5), p95: percentile(values, 0.95), p99: percentile(values, 0.99) };
}

/**
 * Sums up a load that came over some time. Its first `warmUp` requests, in the order in which they
 * came, are left out. Speeds are of the time from the first of the others to the last of all: so
 * neither the warm-up counts nor the end, when few requests are left.
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
