import { ResumeError, type RunDifference } from "@lowrank/train";
import { describeDifference } from "@lowrank/train/internal";

/** Flags of `lowrank train` for options that have another name in the library. */
const flags: Readonly<Record<string, string>> = {
  gradientAccumulationSteps: "--accumulate",
  learningRate: "--lr",
  maxSteps: "--steps (or --epochs)",
  evaluationEvery: "--eval-every",
  evaluationExamples: "--validation",
  examples: "--data",
  arithmetic: "the backend's arithmetic (--backend, --wide-simd, processor)",
  lora_alpha: "--alpha",
};

/**
 * Returns the flag of a library option: "batchSize" becomes --batch-size. `name` may begin with a file, as in
 * "adapter_config.json: lora_alpha", which becomes --lora-alpha.
 */
function flagOf(name: string): string {
  const own = name.slice(name.lastIndexOf(" ") + 1);
  const dashes = (letter: string) => `-${letter.toLowerCase().replace("_", "")}`;
  return flags[own] ?? `--${own.replace(/[A-Z]|_(?=[a-z])/g, dashes)}`;
}

/** Replaces the library's option names in a trainer's message by the command's flags. */
export function withFlags(message: string): string {
  const names =
    /\b(learningRate|maxGradNorm|maxLength|batchSize|gradientAccumulationSteps|warmupSteps|minLr|minLrRate|metricForBestModel|loadBestModelAtEnd)\b/g;
  return message
    .replace(/^Trainer: /, "")
    .replace(/^evaluate: metrics lists/, "--metrics lists")
    .replace(names, flagOf);
}

/**
 * Describes a setting whose value differs in the checkpoint, with the setting's flag: "--seed is 2, and 1 in the
 * checkpoint".
 */
const inFlags = (difference: RunDifference): string => describeDifference(difference, flagOf(difference.name));

/** Rewrites a `ResumeError` with the command's flags. Returns other errors unchanged. */
export function resumeFailure(folder: string, error: unknown): unknown {
  if (!(error instanceof ResumeError)) return error;
  const list = error.differences.map(inFlags).join("; ");
  return new Error(`--resume ${folder} is of another run: ${list}; give the same, or --allow-changes`, {
    cause: error,
  });
}
