import type { GenerateOptions } from "@lowrank/models";
import { Option } from "commander";
import { integer, number } from "../argument.ts";

/** Options that control how a command samples tokens. */
export interface SamplingCommandOptions {
  temperature?: number;
  topK?: number;
  topP?: number;
  seed: number;
  greedy?: boolean;
}

/** Returns the command-line options that control sampling. */
export function samplingOptions(): Option[] {
  return [
    new Option("--temperature <t>", "sample with this temperature; 0 means --greedy").argParser(number({ least: 0 })),
    new Option("--top-k <k>", "sample among the k most probable tokens; 0 means all").argParser(integer(0)),
    new Option(
      "--top-p <p>",
      "nucleus sampling: sample among the most probable tokens whose probabilities sum to p",
    ).argParser(number({ above: 0, most: 1 })),
    new Option("--seed <n>", "seed of the random generator; the same seed gives the same text")
      .argParser(integer(0))
      .default(0),
    new Option("--greedy", "always take the most probable token").conflicts(["temperature", "topK", "topP"]),
  ];
}

/** Returns the generation settings that were given. The model's generation config supplies the others. */
export function samplingSettings({
  greedy,
  seed,
  temperature,
  topK,
  topP,
}: SamplingCommandOptions): Pick<GenerateOptions, "doSample" | "temperature" | "topK" | "topP" | "seed"> {
  if (greedy || temperature === 0) return { doSample: false };
  const asked = [temperature, topK, topP].some((value) => value !== undefined);
  return { ...(asked && { doSample: true }), temperature, topK, topP, seed };
}
