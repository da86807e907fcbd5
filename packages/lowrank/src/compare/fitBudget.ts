import { describeModel, type ModelConfig } from "@lowrank/models";
import {
  describeAdapter,
  type MethodOption,
  type ModelShapes,
  type PeftConfig,
  type RecipeSettings,
} from "@lowrank/peft";
import { compareMethods } from "../report/comparison/compareMethods.ts";
import type { Method, NamedSettings } from "../report/methods.ts";
import { type ChosenSize, jobConfig, type SetOptions, sizeOptionOf } from "./jobConfig.ts";

/** A size that was chosen for a budget, and the trained parameters that a configuration with it has. */
export interface FittedSize extends ChosenSize {
  readonly trainable: number;
}

/** Largest value that is tried: far more than any method needs. */
const largest = 2 ** 20;
/** Values that are tried between two others. */
const between = 24;

/**
 * Returns the size with which a method trains the number of parameters nearest to `budget`, as a ratio. Returns null
 * for a method without a size option. Throws if no size is within a factor of two of the budget.
 */
export async function fitBudget(
  method: Method,
  settings: RecipeSettings,
  named: NamedSettings,
  model: ModelConfig,
  budget: number,
  set: SetOptions = {},
): Promise<FittedSize | null> {
  const option = sizeOptionOf(method);
  if (option === null) return null;
  const { flag } = option;
  const shapes = describeModel(model);
  const found = new Map<number, number>();
  let refusal: Error | null = null;
  const count = async (value: number): Promise<void> => {
    if (found.has(value) || !allows(option, value)) return;
    try {
      const config = jobConfig(method, settings, named, { flag, value }, set) as PeftConfig;
      const trainable = await trainableOf(flag, shapes, config);
      if (trainable > 0) found.set(value, trainable);
    } catch (error) {
      refusal = error as Error;
    }
  };
  const distance = (value: number) => Math.abs(Math.log((found.get(value) as number) / budget));
  const nearest = () => [...found.keys()].sort((a, b) => distance(a) - distance(b))[0];

  const first = isShare(option) ? shares : option.type === "number" ? [...shares, ...powers] : powers;
  for (const value of first) await count(value);
  if (found.size === 0) throw refusal ?? new Error(`${method.title}: --${flag} has no value that trains a parameter`);
  for (let gap = Number.POSITIVE_INFINITY; ; ) {
    const values = [...found.keys()].sort((a, b) => a - b);
    const at = values.indexOf(nearest());
    const [low, high] = [values[Math.max(0, at - 1)], values[Math.min(values.length - 1, at + 1)]];
    if (isShare(option) ? high - low < 1e-6 || high - low >= gap : high - low <= 2 || high - low >= gap) break;
    gap = high - low;
    for (let i = 1; i < between; i++) {
      const value = low + (i * (high - low)) / between;
      await count(isShare(option) ? Number(value.toPrecision(5)) : Math.round(value));
    }
  }
  const value = nearest();
  const trainable = found.get(value) as number;
  if (distance(value) <= Math.LN2) return { flag, value, trainable };
  throw new Error(
    `${method.title} cannot train about ${budget} parameters: --${flag} ${value} is nearest, with ${trainable}; give --budgets within twice or half of that`,
  );
}

/** Counts the trained parameters. Throws if virtual tokens leave too little room for the text of a run. */
async function trainableOf(flag: string, shapes: ModelShapes, config: PeftConfig): Promise<number> {
  if (flag !== "virtual-tokens") return (await describeAdapter(shapes, config)).trainable;
  const { rows, failed } = await compareMethods(shapes, [config]);
  if (rows.length === 0) throw new Error(failed[0].why);
  return rows[0].trainable;
}

/** True for an option whose values are shares, between 0 and 1. */
const isShare = (option: MethodOption): boolean => "most" in option && option.most === 1;

const powers = Array.from({ length: Math.log2(largest) + 1 }, (_, i) => 2 ** i);
const shares = Array.from({ length: 24 }, (_, i) => 0.5 ** (i + 1)).flatMap((share) => [share, 1 - share]);

function allows(option: MethodOption, value: number): boolean {
  const {
    least = 0,
    above = 0,
    most = Number.POSITIVE_INFINITY,
  } = option as {
    least?: number;
    above?: number;
    most?: number;
  };
  return value > above && value >= least && value <= most;
}
