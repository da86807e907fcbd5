import { checkOptions } from "@lowrank/core/internal";
import { version } from "../../api/version.ts";
import { AdapterLabels, engineMetrics } from "../../metrics/engineMetrics.ts";
import { HistogramFamily, loadBounds, NumberFamily } from "../../metrics/families.ts";
import type { ServingMetrics } from "./observers.ts";
import { processMetrics } from "./processMetrics.ts";

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Options for `promMetrics`. */
export interface PromMetricsOptions {
  /**
   * Maximum number of adapters that have their own label in metrics at a time. All others share the label "other".
   * Default 100.
   */
  readonly adapterLabels?: number;
  /** Seconds without a request after which an adapter's label may be given to another. Default 900. */
  readonly labelIdleSeconds?: number;
  /** Clock in milliseconds. Default: the system's. */
  readonly now?: () => number;
}

/**
 * Creates metrics in Prometheus's text format. Metrics that vLLM also has get vLLM's names. Counters never decrease.
 * When an adapter loses its label, its series end; if it gets a label again, they start again at 0.
 */
export function promMetrics(options: PromMetricsOptions = {}): ServingMetrics {
  const known = { adapterLabels: true, labelIdleSeconds: true, now: true } as const;
  checkOptions<PromMetricsOptions>("promMetrics", options, known);
  const { adapterLabels = 100, labelIdleSeconds = 900, now } = options;
  const histogram = (name: string, help: string) => new HistogramFamily(name, help, seconds);
  const counter = (name: string, help: string) => new NumberFamily("counter", name, help);
  const gauge = (name: string, help: string) => new NumberFamily("gauge", name, help);
  const answers = counter("lowrank_http_requests_total", "Answered requests.");
  const answerSeconds = histogram("lowrank_http_request_seconds", "Time from a request to the end of its answer.");
  const first = histogram("vllm:time_to_first_token_seconds", "Time from a request's body to its first new token.");
  const next = histogram("vllm:inter_token_latency_seconds", "Time from one new token of a request to the next.");
  const queue = histogram("vllm:request_queue_time_seconds", "Time from a request's arrival to its first pass.");
  const whole = histogram("vllm:e2e_request_latency_seconds", "Time from a request's body to its last token.");
  const finished = counter("vllm:request_success_total", "Finished sequences.");
  const newTokens = counter("lowrank_adapter_generated_tokens_total", "New tokens by adapter.");
  const promptTokens = counter("lowrank_adapter_prompt_tokens_total", "Tokens of prompts by adapter.");
  const loads = new HistogramFamily("lowrank_adapter_load_seconds", "Time to load an adapter.", loadBounds);
  const jobs = gauge("lowrank_jobs", "Fine-tunes of the store by status.");
  const build = gauge("lowrank_build_info", "The version of the server and its model.");
  const budgetUsed = gauge("lowrank_key_budget_used", "Used amount of a key's budget.");
  const budgetLimit = gauge("lowrank_key_budget_limit", "The most that a key may use of a budget.");
  const byAdapter = [first, next, queue, whole, finished, newTokens, promptTokens];
  const labels = new AdapterLabels({
    ...{ most: adapterLabels, idleMs: labelIdleSeconds * 1000, now },
    onDrop: (adapter) => {
      for (const family of byAdapter) family.drop("adapter", adapter);
    },
  });
  const label = (adapter: string | null) => ({ adapter: labels.of(adapter) });
  const ofProcess = processMetrics();
  return {
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    answered(route, status, took) {
      answers.inc({ route, status });
      answerSeconds.observe({ route }, took);
    },
    queued: (adapter, took) => queue.observe(label(adapter), took),
    firstToken: (adapter, took) => first.observe(label(adapter), took),
    nextToken: (adapter, took) => next.observe(label(adapter), took),
    finished(adapter, { promptTokens: prompt, newTokens: generated, reason, seconds: took }) {
      const own = label(adapter);
      finished.inc({ ...own, finished_reason: reason });
      whole.observe(own, took);
      promptTokens.inc(own, prompt);
      newTokens.inc(own, generated);
    },
    async render({ stats, budgets, model, jobs: counted }) {
      const engine = engineMetrics(stats);
      if (stats.adapters.loadTimes) loads.set({}, stats.adapters.loadTimes);
      build.set({ version, model }, 1);
      for (const [status, count] of Object.entries(counted)) jobs.set({ status }, count);
      budgetUsed.clear();
      budgetLimit.clear();
      for (const { tenant: key, budget, used, limit } of budgets) {
        const name = budget.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
        budgetUsed.set({ key, budget: name }, used);
        budgetLimit.set({ key, budget: name }, limit);
      }
      const vllm = [...engine.vllm, first, next, queue, whole, finished];
      const own = [
        ...engine.own,
        newTokens,
        promptTokens,
        loads,
        answers,
        answerSeconds,
        jobs,
        budgetUsed,
        budgetLimit,
      ];
      const lines = [
        ...vllm.flatMap((family) => family.lines({ model_name: model })),
        ...[...own, build, ...(await ofProcess())].flatMap((family) => family.lines()),
      ];
      return `${lines.join("\n")}\n`;
    },
  };
}
