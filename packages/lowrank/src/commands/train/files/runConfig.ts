import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import type { Backend } from "@lowrank/core";
import { ownVersion } from "../../../cli/version.ts";
import type { TrainCommandOptions } from "../train.ts";
import type { FileDigest } from "./fileDigests.ts";

/** All that was asked of a run, and what it ran with: config.json in its folder. */
export interface RunConfig {
  /** The version. */
  readonly lowrank: string;
  readonly node: string;
  /** The system and the processor's family: "linux x64". */
  readonly platform: string;
  readonly processor: { readonly model: string; readonly features: readonly string[] };
  readonly backend: Readonly<Record<string, unknown>>;
  /** The options by their names, defaults included. `lowrank train config.json` takes them. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Facts that follow from options, data and model. */
  readonly resolved: Readonly<Record<string, unknown>>;
  readonly data: readonly FileDigest[];
  readonly model: readonly FileDigest[];
}

/** The extensions of processors that WebAssembly's SIMD and its fused operations compile to. */
const known = ["sse4_1", "ssse3", "avx", "avx2", "fma", "avx512f", "avx_vnni", "asimd", "asimddp", "neon"];

/** The extensions of this processor, as Linux names them; none where it does not tell. */
async function processorFeatures(): Promise<string[]> {
  const text = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const [, flags = ""] = /^(?:flags|Features)\s*:(.*)$/m.exec(text) ?? [];
  const own = new Set(flags.trim().split(/\s+/));
  return known.filter((name) => own.has(name));
}

/** Options that say how this process runs, and not what it trains. */
const passing: readonly (keyof TrainCommandOptions)[] = ["resume", "allowChanges", "overwrite", "dryRun"];

/** Options whose default says nothing where another one is given. */
const replacedBy: Readonly<Record<string, keyof TrainCommandOptions>> = {
  epochs: "steps",
  validationFraction: "validation",
  samples: "samplePrompt",
};

/** The options that another run is to be given, so that it is the same. */
function askedOptions(options: TrainCommandOptions, found: Partial<TrainCommandOptions>): Record<string, unknown> {
  const isAsked = ([name, value]: [string, unknown]) => {
    const other = replacedBy[name];
    const isReplaced = other !== undefined && options[other] !== undefined;
    return value !== undefined && !isReplaced && !(passing as readonly string[]).includes(name);
  };
  return Object.fromEntries(Object.entries({ ...options, ...found }).filter(isAsked));
}

/** The parts of a run's config that its start finds out. */
export interface RunStart {
  readonly options: TrainCommandOptions;
  /** Defaults that depend on model and method. */
  readonly found: Partial<TrainCommandOptions>;
  readonly resolved: Readonly<Record<string, unknown>>;
  readonly backend: Backend;
  readonly data: readonly FileDigest[];
  readonly model: readonly FileDigest[];
}

/** Returns what `config.json` of a run says. It is the same for runs that are. */
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
