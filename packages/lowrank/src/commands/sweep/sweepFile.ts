import type { JobMethod, OptionValue } from "@lowrank/serve/jobs";
import { z } from "zod";
import { readRunFile } from "../../cli/options/runFile.ts";
import { type NamedOptions, parseTrainOptions } from "../../fineTuning/trainOptions.ts";
import { type Choices, drawTrials, gridOf, type Trial } from "./trials.ts";

/** Sweep over training options, as read from its file. */
export interface SweepPlan {
  readonly model: string;
  readonly data: readonly string[];
  readonly validation: string | null;
  readonly output: string | null;
  readonly method: JobMethod;
  /** Options that all trials share, by the names of their flags. */
  readonly shared: NamedOptions;
  /** Names of the options that differ between trials. */
  readonly varied: readonly string[];
  readonly trials: readonly Trial[];
}

const value = z.union([z.string(), z.number(), z.boolean()]);
const range = z.strictObject({ min: z.number(), max: z.number(), scale: z.enum(["linear", "log"]).default("linear") });
const ownSchema = z.strictObject({
  model: z.string().min(1),
  data: z.union([z.string(), z.array(z.string()).min(1)]).transform((given) => [given].flat()),
  validation: z.string().optional(),
  output: z.string().optional(),
  task: z.enum(["supervised", "dpo"]).default("supervised"),
  trials: z.int().min(1).optional(),
  sweepSeed: z.int().min(0).default(0),
  sweep: z.record(z.string(), z.union([z.array(value).min(1), value, range])),
});

/** Returns the flag of an option without dashes: "loraDropout" and "lora_dropout" become lora-dropout. */
const flagOf = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll("_", "-");

/** Reads a sweep file. Throws an error with the file and the option if a value cannot be used for training. */
export async function readSweep(path: string): Promise<SweepPlan> {
  const { entries } = await readRunFile(path);
  const given = Object.fromEntries(entries.map(({ key, value }) => [key, value]));
  const isOwn = ([key]: [string, unknown]) => key in ownSchema.shape;
  const own = ownSchema.safeParse(Object.fromEntries(Object.entries(given).filter(isOwn)));
  if (!own.success) {
    const [{ path: at, message }] = own.error.issues;
    throw new Error(`${path}: ${at.join(".")}: ${message[0].toLowerCase()}${message.slice(1)}; correct it`);
  }
  const { model, data, validation, output, task, trials: count, sweepSeed, sweep } = own.data;
  const shared = sharedOptions(
    path,
    Object.entries(given).filter((entry) => !isOwn(entry)),
  );
  const varied = Object.fromEntries(
    Object.entries(sweep).map(([name, choices]) => [flagOf(name), choicesOf(path, name, choices)]),
  );
  const both = Object.keys(varied).find((name) => name in shared);
  if (both !== undefined)
    throw new Error(`${path}: ${both} is set both inside and outside of "sweep"; remove one of them`);
  const trials = count === undefined ? gridOf(varied) : drawTrials(varied, count, sweepSeed);
  for (const trial of trials) {
    try {
      parseTrainOptions({ ...shared, ...trial });
    } catch (error) {
      throw new Error(`${path}: trial ${JSON.stringify(trial)}: ${(error as Error).message}`, { cause: error });
    }
  }
  const plan = { model, data, validation: validation ?? null, output: output ?? null, method: task, shared, trials };
  return { ...plan, varied: Object.keys(varied) };
}

function sharedOptions(path: string, entries: readonly [string, unknown][]): Record<string, OptionValue> {
  const shared: Record<string, OptionValue> = {};
  for (const [name, given] of entries) {
    const text = Array.isArray(given) ? given.join(",") : given;
    const found = value.safeParse(text);
    if (!found.success) throw new Error(`${path}: ${name} is ${JSON.stringify(given)}; give a text or a number`);
    shared[flagOf(name)] = found.data;
  }
  return shared;
}

function choicesOf(path: string, name: string, given: z.infer<typeof ownSchema>["sweep"][string]): Choices {
  if (typeof given !== "object") return { values: [given] };
  if (Array.isArray(given)) return { values: given };
  const { min, max, scale } = given;
  if (min < max && (scale === "linear" || min > 0)) {
    return { min, max, log: scale === "log", whole: Number.isInteger(min) && Number.isInteger(max) };
  }
  const expected = scale === "log" ? "0 < min < max" : "min < max";
  throw new Error(`${path}: sweep.${name} goes from ${min} to ${max}; expected ${expected}`);
}
