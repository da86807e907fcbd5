import { Generator } from "@lowrank/core";
import type { OptionValue } from "@lowrank/serve/jobs";

/** Values among which a sweep chooses for an option: a list, or a range. */
export type Choices =
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
 * Draws random trials without repeats. Trial i does not depend on `count`. Returns fewer than `count` trials if 20 x
 * `count` draws do not find enough different ones.
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
