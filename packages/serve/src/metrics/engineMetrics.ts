import type { ServingStats } from "../api/api.ts";
import { type Family, NumberFamily } from "./families.ts";

type Reading = readonly [help: string, value: (stats: ServingStats) => number];

/**
 * vLLM's counters that this engine also provides. Keys are vLLM's names; values are a description and a function that
 * reads the counter.
 */
const vllmCounts: Readonly<Record<string, Reading>> = {
  "vllm:prompt_tokens_total": ["Tokens of prompts.", (stats) => stats.promptTokens],
  "vllm:generation_tokens_total": ["New tokens.", (stats) => stats.newTokens],
  "vllm:prefix_cache_queries_total": ["Tokens of prompts that were looked up.", (stats) => stats.promptTokens],
  "vllm:prefix_cache_hits_total": ["Tokens of prompts that the cache had.", (stats) => stats.cachedTokens],
  "vllm:num_preemptions_total": ["Requests sent back to the queue.", (stats) => stats.preemptions],
};
const vllmLevels: typeof vllmCounts = {
  "vllm:num_requests_waiting": ["Requests in the queue.", (stats) => stats.waiting],
  "vllm:num_requests_running": ["Requests in the batch.", (stats) => stats.running],
  "vllm:kv_cache_usage_perc": [
    "The share of the cache's pages that requests hold, from 0 to 1.",
    ({ pages }) => (pages.total === 0 ? 0 : pages.used / pages.total),
  ],
};
const counts: typeof vllmCounts = {
  lowrank_passes_total: ["Passes through the model.", (stats) => stats.passes],
  lowrank_adapter_hits_total: ["Uses of an adapter in memory.", (stats) => stats.adapters.hits],
  lowrank_adapter_loads_total: ["Adapters read into memory.", (stats) => stats.adapters.loads],
  lowrank_adapter_evictions_total: ["Adapters put out of memory.", (stats) => stats.adapters.evictions],
  lowrank_adapter_failures_total: ["Loads of adapters that failed.", (stats) => stats.adapters.failures],
};
const levels: typeof vllmCounts = {
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

/** Returns the engine's statistics as metrics: `vllm` for metrics that vLLM has, `own` for others. */
export function engineMetrics(stats: ServingStats): { vllm: Family[]; own: Family[] } {
  const read = (type: "counter" | "gauge", readings: typeof vllmCounts) =>
    Object.entries(readings).map(([name, [help, value]]) => {
      const family = new NumberFamily(type, name, help);
      family.set({}, value(stats));
      return family;
    });
  return {
    vllm: [...read("counter", vllmCounts), ...read("gauge", vllmLevels)],
    own: [...read("counter", counts), ...read("gauge", levels)],
  };
}

/** Options for `AdapterLabels`. */
interface LabelOptions {
  /** Maximum number of adapters that have their own label at the same time. */
  readonly most: number;
  /** Milliseconds without use after which a label may be given to another adapter. */
  readonly idleMs: number;
  /** Called with the name of an adapter that lost its label. */
  readonly onDrop: (name: string) => void;
  /** Clock in milliseconds. Default: the system's. */
  readonly now?: () => number;
}

/**
 * Chooses the adapters that have their own label in metrics; all others share the label "other". Adapters that were
 * used recently keep their label. A label passes to another adapter only after some time without use. Otherwise, a
 * thousand adapters used in turn would create a new Prometheus series with each request.
 */
export class AdapterLabels {
  readonly #options: LabelOptions;
  readonly #now: () => number;
  /** Time of each adapter's last use in milliseconds, by the adapter's name. The longest unused adapter is first. */
  readonly #used = new Map<string, number>();

  constructor(options: LabelOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Returns the label of an adapter and records a use; "" for the base model. */
  of(adapter: string | null): string {
    if (adapter === null) return "";
    if (!this.#used.delete(adapter) && !this.#hasRoom()) return "other";
    this.#used.set(adapter, this.#now());
    return adapter;
  }

  #hasRoom(): boolean {
    const { most, idleMs, onDrop } = this.#options;
    if (this.#used.size < most) return true;
    const [first] = this.#used;
    if (first === undefined || this.#now() - first[1] < idleMs) return false;
    this.#used.delete(first[0]);
    onDrop(first[0]);
    return true;
  }
}
