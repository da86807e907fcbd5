import { makeRequests, uniform, zipf } from "../load/makeRequests.ts";
import { type LoadSummary, type Percentiles, runConcurrent, runPoisson, summarize } from "../load/runLoad.ts";
import { printTable } from "../measure.ts";
import type { BenchEngine } from "./startEngine.ts";

/** The arrival rate as a share of the engine's maximum speed. */
const load = 0.85;
const seconds = 25;
/** Number of requests for measuring the maximum speed, and how many of them run concurrently. */
const [trial, concurrency] = [64, 32];

/**
 * Runs Poisson requests near the engine's maximum speed, which is measured first with requests that keep all its slots
 * busy. The adapters of requests follow Zipf's law.
 */
export async function poissonLoad(
  { engine, vocabSize }: BenchEngine,
  adapters: readonly string[],
): Promise<Record<string, number>> {
  const kinds = {
    ...{ adapters, popularity: zipf(adapters.length, 1), vocabSize },
    ...{ promptTokens: uniform(16, 64), newTokens: uniform(16, 64) },
  };
  const busy = summarize(
    await runConcurrent(engine, makeRequests({ ...kinds, count: trial, seed: 21 }), concurrency),
    concurrency,
  );
  const rate = load * busy.requestsPerSecond;
  const count = Math.ceil(1.2 * seconds * rate);
  const records = await runPoisson(engine, makeRequests({ ...kinds, count, seed: 22 }), { rate, seed: 23 });
  const open = summarize(records, Math.ceil(count / 5));
  if (busy.failed + open.failed > 0) throw new Error(`serve: ${busy.failed + open.failed} requests failed`);
  console.log(
    `\n${adapters.length} adapters of r 8 by Zipf's law, prompts and answers of 16 to 64 tokens; ` +
      `arrivals ${rate.toFixed(2)} a second, ${load} of ${concurrency} at once`,
  );
  printTable(
    ["", "requests", "requests/s", "tokens/s", "first token p50", "p95", "per token p50", "p95"],
    [row(`${concurrency} at once`, busy), row("Poisson", open)],
  );
  const { timeToFirstToken: first, timePerToken: each } = open;
  return {
    ...{ ttftP50: first.p50, ttftP95: first.p95, tokenP50: each.p50, tokenP95: each.p95 },
    throughput: open.tokensPerSecond,
  };
}

function row(name: string, summary: LoadSummary): string[] {
  const { requests, requestsPerSecond, tokensPerSecond, timeToFirstToken, timePerToken } = summary;
  const times = ({ p50, p95 }: Percentiles) => [`${p50.toFixed(0)} ms`, `${p95.toFixed(0)} ms`];
  return [
    ...[name, String(requests), requestsPerSecond.toFixed(2), tokensPerSecond.toFixed(1)],
    ...[...times(timeToFirstToken), ...times(timePerToken)],
  ];
}
