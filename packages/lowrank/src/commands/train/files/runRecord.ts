import type { ModelKind } from "../kinds/modelKind.ts";
import type { MetricsLine } from "./metrics.ts";
import type { RunConfig } from "./runConfig.ts";

/** Facts about a finished run, for its files and its summary. */
export interface RunRecord {
  /** Name of the run's folder. */
  readonly name: string;
  readonly config: RunConfig;
  readonly metrics: readonly MetricsLine[];
  readonly steps: number;
  readonly maxSteps: number;
  /** Kind of model that was trained. */
  readonly kind: Pick<ModelKind, "pipelineTag" | "usage">;
  /** Label names of a classifier; empty for other models. */
  readonly labels: readonly string[];
  /** PEFT's name of the method; null for full fine-tuning. */
  readonly peftType: string | null;
  /** Base model, as hub id or path. */
  readonly baseModel: string;
  /** Lines about the trained modules. */
  readonly targets: readonly string[];
  readonly parameters: { readonly trainable: number; readonly all: number };
  /** Description of the data. */
  readonly data: string;
  readonly tokens: number;
  /** Duration of this process's steps in seconds. */
  readonly seconds: number;
  readonly peakMemory: number;
  /** Warning messages of the run. */
  readonly warnings: readonly string[];
}
