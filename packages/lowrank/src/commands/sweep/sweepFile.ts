import { Generator } from "@lowrank/core";
import type { JobMethod, OptionValue } from "@lowrank/serve/jobs";
import { z } from "zod";
import { readRunFile } from "../../cli/options/runFile.ts";
import { type NamedOptions, parseTrainOptions } from "../../fineTuning/trainOptions.ts";

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

/** Values among which a sweep chooses for an option: a list, or a range. */
type Choices =
  | { readonly values: readonly OptionValue[] }
  | { readonly min: number; readonly max: number; readonly log: boolean; readonly whole: boolean };

/** Options of one trial, without the options that all trials share. */
export type Trial = Readonly<Record<string, OptionValue>>;

/** Returns all combinations of values. The last option varies fastest. Throws for a range. */
export function gridOf(varied: Readonly<Record<string, Choices>>): Trial[] {
  let trials: Trial[] = [{}];
  for (const [name, choices] of Object.entries(varied)) {
    if (!("values" in choices)) {
      throw new Error(
        `sweep: ${name} is a range, which has no finite grid; list values, or set the number of trials, such as "trials: 20"`,
      );
    }
    trials = trials.flatMap((trial) => choices.values.map((value) => ({ ...trial, [name]: value })));
  }
  return trials;
}

/**
 * Draws random trials without repeats. Returns fewer than `count` trials if 20 x `count` draws do not give enough
 * different ones. Trial i depends only on `varied` and `seed`, so a larger `count` only adds trials.
 */
export function drawTrials(varied: Readonly<Record<string, Choices>>, count: number, seed: number): Trial[] {
  const generator = new Generator(seed);
  const found = new Map<string, Trial>();
  for (let drawn = 0; found.size < count && drawn < 20 * count; drawn++) {
    const numbers = new Float32Array(Object.keys(varied).length);
    generator.fillUniform(numbers);
    const entries = Object.entries(varied).map(([name, choices], i) => [name, valueAt(choices, numbers[i])]);
    const trial = Object.fromEntries(entries) as Trial;
    found.set(JSON.stringify(trial), trial);
  }
  return [...found.values()];
}

/**
 * Returns a value from a list or range. `place` is the position: 0 is the start of the list or range, 1 its end.
 * Fractional values are rounded to four significant digits.
 */
function valueAt(choices: Choices, place: number): OptionValue {
  if ("values" in choices) return choices.values[Math.floor(place * choices.values.length)];
  const { min, max, log, whole } = choices;
  if (whole) return Math.min(max, Math.floor(log ? min * ((max + 1) / min) ** place : min + place * (max + 1 - min)));
  return Number((log ? min * (max / min) ** place : min + place * (max - min)).toPrecision(4));
}
