import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import type { Backend } from "@lowrank/core";
import { ownVersion } from "../../../cli/process/nodeVersion.ts";
import type { ModelKind } from "../kinds/modelKind.ts";
import type { TrainCommandOptions } from "../train.ts";
import type { FileDigest } from "./fileDigests.ts";
import type { MetricsLine } from "./metricsLog.ts";

/** Options and environment of a run, saved as config.json in its folder. */
interface RunConfig {
  /** Version of the package "lowrank" that trained the run. */
  readonly lowrank: string;
  readonly node: string;
  /** Operating system and CPU architecture: "linux x64". */
  readonly platform: string;
  readonly processor: { readonly model: string; readonly features: readonly string[] };
  readonly backend: Readonly<Record<string, unknown>>;
  /** Options by name, with defaults. `lowrank train config.json` runs with them again. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Values derived from options, data and model. */
  readonly resolved: Readonly<Record<string, unknown>>;
  readonly data: readonly FileDigest[];
  readonly model: readonly FileDigest[];
}

/** Names of the CPU extensions to record. WebAssembly SIMD and its fused operations compile to these extensions. */
const known = ["sse4_1", "ssse3", "avx", "avx2", "fma", "avx512f", "avx_vnni", "asimd", "asimddp", "neon"];

/** Returns the extensions of this CPU by their Linux names; an empty list if /proc/cpuinfo is missing. */
async function processorFeatures(): Promise<string[]> {
  const text = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const [, flags = ""] = /^(?:flags|Features)\s*:(.*)$/m.exec(text) ?? [];
  const own = new Set(flags.trim().split(/\s+/));
  return known.filter((name) => own.has(name));
}

/** Options that are not recorded, since they do not affect what is trained. */
const passing: readonly (keyof TrainCommandOptions)[] = ["resume", "allowChanges", "overwrite", "dryRun"];

/** Options that have no effect if another option is given: the name of the option, and the option that replaces it. */
const replacedBy: Readonly<Record<string, keyof TrainCommandOptions>> = {
  epochs: "steps",
  validationFraction: "validation",
  samples: "samplePrompt",
};

/**
 * Returns the options to save in config.json. A run with these options repeats this run. `found` contains default
 * values that depend on the model or the method. Omits options that do not affect the training or that another option
 * replaces.
 */
function askedOptions(options: TrainCommandOptions, found: Partial<TrainCommandOptions>): Record<string, unknown> {
  const isAsked = ([name, value]: [string, unknown]) => {
    const other = replacedBy[name];
    const isReplaced = other !== undefined && options[other] !== undefined;
    return value !== undefined && !isReplaced && !(passing as readonly string[]).includes(name);
  };
  return Object.fromEntries(Object.entries({ ...options, ...found }).filter(isAsked));
}

/** Parts of a run's config that are determined at its start. */
export interface RunStart {
  readonly options: TrainCommandOptions;
  /** Values of options that were not given and whose defaults depend on the model or the method. */
  readonly found: Partial<TrainCommandOptions>;
  readonly resolved: Readonly<Record<string, unknown>>;
  readonly backend: Backend;
  readonly data: readonly FileDigest[];
  readonly model: readonly FileDigest[];
}

/** Returns the content of a run's `config.json`. Equal runs have equal content. */
export async function runConfigOf({ options, found, resolved, backend, data, model }: RunStart): Promise<RunConfig> {
  const { name, adapter } = backend;
  const { build, threads, wideSimd } = backend as Backend & Readonly<Record<string, unknown>>;
  return {
    lowrank: ownVersion(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    processor: { model: cpus()[0]?.model.trim() ?? "unknown", features: await processorFeatures() },
    backend: { name, adapter, build, threads, wideSimd },
    options: askedOptions(options, found),
    resolved,
    data,
    model,
  };
}

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
  /** Time in seconds of the steps that this process ran, without the steps before a resume. */
  readonly seconds: number;
  readonly peakMemory: number;
  /** Warning messages of the run. */
  readonly warnings: readonly string[];
}
