import type { ModelKind } from "../kinds/modelKind.ts";
import type { MetricsLine } from "./metrics.ts";
import type { RunConfig } from "./runConfig.ts";

/** All that is known of a run at its end, for its files and for people. */
export interface RunRecord {
  /** The name of its folder. */
  readonly name: string;
  readonly config: RunConfig;
  readonly metrics: readonly MetricsLine[];
  readonly steps: number;
  readonly maxSteps: number;
  /** The kind of model that trained. */
  readonly kind: Pick<ModelKind, "pipelineTag" | "usage">;
  /** The names of a classifier's labels; none for other models. */
  readonly labels: readonly string[];
  /** PEFT's name of the method; null where the whole model trained. */
  readonly peftType: string | null;
  /** The base model, by its hub id or path. */
  readonly baseModel: string;
  /** Lines about the modules that train. */
  readonly targets: readonly string[];
  readonly parameters: { readonly trainable: number; readonly all: number };
  /** The data in words. */
  readonly data: string;
  readonly tokens: number;
  /** Of this process's steps. */
  readonly seconds: number;
  readonly peakMemory: number;
  /** Warnings of the run, in words. */
  readonly warnings: readonly string[];
}
