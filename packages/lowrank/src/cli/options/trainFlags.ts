import { describeDifference, ResumeError, type RunDifference } from "@lowrank/train";

/** Options of the command whose names are not those of the library. */
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

/** "batchSize": --batch-size. A field of an adapter's configuration is "<file>: <field>". */
function flagOf(name: string): string {
  const own = name.slice(name.lastIndexOf(" ") + 1);
  const dashes = (letter: string) => `-${letter.toLowerCase().replace("_", "")}`;
  return flags[own] ?? `--${own.replace(/[A-Z]|_(?=[a-z])/g, dashes)}`;
}

/** Returns a message of the trainer with the command's options in the place of the library's. */
export function withFlags(message: string): string {
  const names =
    /\b(learningRate|maxGradNorm|maxLength|batchSize|gradientAccumulationSteps|warmupSteps|minLr|minLrRate|metricForBestModel|loadBestModelAtEnd)\b/g;
  return message
    .replace(/^Trainer: /, "")
    .replace(/^evaluate: metrics has/, "--metrics has")
    .replace(names, flagOf);
}

/** "--seed is 2, and 1 in the checkpoint" */
const inFlags = (difference: RunDifference): string => describeDifference(difference, flagOf(difference.name));

/** The error of `--resume`, in the command's own words; other errors as they are. */
export function resumeFailure(folder: string, error: unknown): unknown {
  if (!(error instanceof ResumeError)) return error;
  const list = error.differences.map(inFlags).join("; ");
  return new Error(`--resume ${folder} is of another run: ${list}; give the same, or --allow-changes`, {
    cause: error,
  });
}
