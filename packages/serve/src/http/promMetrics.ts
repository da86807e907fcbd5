import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ServingStats } from "../api.ts";
import type { ServingMetrics } from "./observers.ts";

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Numbers of the engine, by their name for Prometheus. Counts grow; levels go up and down. */
const counts: Readonly<Record<string, readonly [help: string, value: (stats: ServingStats) => number]>> = {
  lowrank_passes_total: ["Passes through the model.", (stats) => stats.passes],
  lowrank_prompt_tokens_total: ["Tokens of prompts.", (stats) => stats.promptTokens],
  lowrank_cached_tokens_total: ["Tokens of prompts that the cache had.", (stats) => stats.cachedTokens],
  lowrank_generated_tokens_total: ["New tokens.", (stats) => stats.newTokens],
  lowrank_preemptions_total: ["Requests sent back to the queue.", (stats) => stats.preemptions],
  lowrank_adapter_hits_total: ["Uses of an adapter in memory.", (stats) => stats.adapters.hits],
  lowrank_adapter_loads_total: ["Adapters read into memory.", (stats) => stats.adapters.loads],
  lowrank_adapter_evictions_total: ["Adapters put out of memory.", (stats) => stats.adapters.evictions],
  lowrank_adapter_failures_total: ["Loads of adapters that failed.", (stats) => stats.adapters.failures],
};
const levels: typeof counts = {
  lowrank_requests_waiting: ["Requests in the queue.", (stats) => stats.waiting],
  lowrank_requests_running: ["Requests in the batch.", (stats) => stats.running],
  lowrank_requests_paused: ["Requests whose readers are behind.", (stats) => stats.paused],
  lowrank_batch_rows: ["Rows of the last pass.", (stats) => stats.batchRows],
  lowrank_decode_rows: ["Rows of the last pass that decode.", (stats) => stats.decodeRows],
  lowrank_cache_pages: ["Pages of the cache.", (stats) => stats.pages.total],
  lowrank_cache_pages_used: ["Pages that requests hold.", (stats) => stats.pages.used],
  lowrank_cache_pages_kept: ["Pages kept for prefixes to come.", (stats) => stats.pages.cached],
  lowrank_adapters_registered: ["Adapters that requests can name.", (stats) => stats.adapters.registered],
  lowrank_adapters_resident: ["Adapters in memory.", (stats) => stats.adapters.resident],
  lowrank_adapter_bytes: ["Bytes of adapters in memory.", (stats) => stats.adapters.bytes],
};

/**
 * Counts for Prometheus, by prom-client. So many adapters are counted by name; those seen later
 * are "other".
 */
export function promMetrics(adapterLabels: number = 100): ServingMetrics {
  const registry = new Registry();
  const registers = [registry];
  const byAdapter = { labelNames: ["adapter"] as const, registers };
  const answers = new Counter({
    name: "lowrank_http_requests_total",
    help: "Answered requests.",
    labelNames: ["route", "status"] as const,
    registers,
  });
  const answerSeconds = new Histogram({
    name: "lowrank_http_request_seconds",
    help: "Time from a request to the end of its answer.",
    labelNames: ["route"] as const,
    buckets: seconds,
    registers,
  });
  const first = new Histogram({
    name: "lowrank_time_to_first_token_seconds",
    help: "Time from a request's body to its first new token.",
    buckets: seconds,
    ...byAdapter,
  });
  const next = new Histogram({
    name: "lowrank_time_per_token_seconds",
    help: "Time from one new token of a request to the next.",
    buckets: seconds,
    ...byAdapter,
  });
  const finished = new Counter({ name: "lowrank_sequences_total", help: "Finished sequences.", ...byAdapter });
  const newTokens = new Counter({
    name: "lowrank_adapter_generated_tokens_total",
    help: "New tokens by adapter.",
    ...byAdapter,
  });
  const promptTokens = new Counter({
    name: "lowrank_adapter_prompt_tokens_total",
    help: "Tokens of prompts by adapter.",
    ...byAdapter,
  });
  const engineCounts = Object.entries(counts).map(([name, [help, value]]) => {
    return { counter: new Counter({ name, help, registers }), value };
  });
  const engineLevels = Object.entries(levels).map(([name, [help, value]]) => {
    return { gauge: new Gauge({ name, help, registers }), value };
  });

  const byBudget = { labelNames: ["key", "budget"] as const, registers };
  const budgetUsed = new Gauge({ name: "lowrank_key_budget_used", help: "What a key uses of a budget.", ...byBudget });
  const budgetLimit = new Gauge({
    name: "lowrank_key_budget_limit",
    help: "The most that a key may use of a budget.",
    ...byBudget,
  });

  const named = new Set<string>();
  const label = (adapter: string | null): { adapter: string } => {
    if (adapter === null) return { adapter: "" };
    if (named.size < adapterLabels) named.add(adapter);
    return { adapter: named.has(adapter) ? adapter : "other" };
  };
  return {
    contentType: registry.contentType,
    answered(route, status, took) {
      answers.inc({ route, status });
      answerSeconds.observe({ route }, took);
    },
    firstToken: (adapter, took) => first.observe(label(adapter), took),
    nextToken: (adapter, took) => next.observe(label(adapter), took),
    finished(adapter, prompt, generated) {
      finished.inc(label(adapter));
      promptTokens.inc(label(adapter), prompt);
      newTokens.inc(label(adapter), generated);
    },
    render(stats, budgets) {
      for (const { counter, value } of engineCounts) {
        counter.reset();
        counter.inc(value(stats));
      }
      for (const { gauge, value } of engineLevels) gauge.set(value(stats));
      for (const { tenant: key, budget, used, limit } of budgets) {
        budgetUsed.set({ key, budget }, used);
        budgetLimit.set({ key, budget }, limit);
      }
      return registry.metrics();
    },
  };
}
