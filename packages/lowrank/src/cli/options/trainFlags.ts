import { ResumeError, type RunDifference } from "@lowrank/train";
import { describeDifference } from "@lowrank/train/internal";
import { type FlagOf, flagName } from "../inFlags.ts";

/**
 * Returns the flag of `lowrank train` for a library option. Returns null for options of `generate`, for which `lowrank
 * train` has no flags.
 */
export const trainFlag: FlagOf = (option, where) => (where === "generate" ? null : flagName(option, where));

/**
 * Describes a setting whose value differs in the checkpoint, with the setting's flag: "--seed is 2, and 1 in the
 * checkpoint".
 */
function describeFlag(difference: RunDifference): string {
  // The name may begin with a file, as in "adapter_config.json: lora_alpha".
  return describeDifference(difference, flagName(difference.name.split(" ").at(-1)!));
}

/**
 * For a `ResumeError`, returns an error whose message names the settings by the command's flags. Returns other errors
 * unchanged.
 */
export function resumeFailure(folder: string, error: unknown): unknown {
  if (!(error instanceof ResumeError)) return error;
  const list = error.differences.map(describeFlag).join("; ");
  return new Error(`--resume ${folder} is of another run: ${list}; give the same, or --allow-changes`, {
    cause: error,
  });
}
