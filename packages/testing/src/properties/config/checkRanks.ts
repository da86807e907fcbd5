import { Generator } from "@lowrank/core";
import type { AnyMethod, PeftConfig, PeftModel } from "@lowrank/peft";
import { PropertyError } from "../../errors/propertyError.ts";
import { declaredRank } from "../shared/declaredFields.ts";
import type { Adapted } from "../shared/withAdapter.ts";

type Shapes = ReadonlyMap<string, readonly number[]>;

/**
 * Checks that the rank and the rank of a single layer set the shapes of an adapter's tensors. Returns false if no other
 * rank fits.
 */
export async function checkRanks({ peft, config, seed }: Adapted): Promise<boolean> {
  const { method } = peft.base_model.adapter("default");
  const r = declaredRank(method, config);
  if (r === null) return false;
  const fail = (layer: string, problem: string) => {
    const detail = `${layer} ${problem}`;
    throw new PropertyError({ code: "config_ignored", property: "configIsApplied", layer, seed, detail });
  };
  const hasPattern = "rankPattern" in config;
  const shapesAt = (rank: number, rankPattern: Readonly<Record<string, number>> = {}) =>
    shapesOf(peft, () => config.with({ r: rank, ...(hasPattern && { rankPattern }) }), seed);
  const checkFactors = (shapes: Shapes, rankAt: (key: string) => number) => {
    for (const [key, shape] of shapes) {
      const found = rankOfFactor(method, key, shape);
      if (found === null || found === rankAt(key)) continue;
      fail(key, `is [${shape.join(", ")}], so that its rank is ${found}; the configuration has rank ${rankAt(key)}`);
    }
  };
  const usual = await shapesAt(r);
  if (!usual) return false;
  checkFactors(usual, () => r);
  const tried: number[] = [];
  for (const other of [r + 1, 2 * r, r + 2, 1]) {
    const changed = other === r ? null : await shapesAt(other);
    if (!changed) continue;
    tried.push(other);
    checkFactors(changed, () => other);
    if (firstDifference(usual, changed) === null) continue;
    if (!hasPattern) return true;
    const path = peft.targetReport?.matched[0] ?? "";
    const isOwn = (key: string) => key.includes(`.${path}.`);
    const single = await shapesAt(r, { [path]: other });
    if (!single) return true;
    checkFactors(single, (key) => (isOwn(key) ? other : r));
    const part = (shapes: Shapes, own: boolean) => [...shapes].filter(([key]) => isOwn(key) === own);
    const expected: Shapes = new Map([...part(usual, false), ...part(changed, true)]);
    const wrong = firstDifference(expected, single);
    if (wrong === null) return true;
    const [found, wanted] = [single, expected].map((shapes) => `[${shapes.get(wrong)?.join(", ") ?? "missing"}]`);
    fail(wrong, `is ${found} with rankPattern { "${path}": ${other} } and r ${r}; it must be ${wanted}`);
  }
  if (tried.length > 0) fail([...usual.keys()][0], `has the same shape with r ${[r, ...tried].join(", ")}`);
  return false;
}

/** Returns the shapes of a new adapter's tensors by file key; null if the adapter cannot be added. */
async function shapesOf(peft: PeftModel, make: () => PeftConfig, seed: number): Promise<Shapes | null> {
  try {
    await peft.addAdapter("sized", make(), { generator: new Generator(seed) });
  } catch {
    return null;
  }
  try {
    return new Map([...peft.base_model.trained("sized")].map(([key, { shape }]) => [key, shape]));
  } finally {
    peft.deleteAdapter("sized");
  }
}

/** Returns the rank of a tensor that is a factor A [rank, in] or B [out, rank]; null for other tensors. */
function rankOfFactor(method: AnyMethod, key: string, shape: readonly number[]): number | null {
  const { combines } = method;
  if (combines?.kind !== "products") return null;
  for (const { a, b } of combines.factors) {
    if (key.endsWith(`.${a}`)) return shape[0];
    if (key.endsWith(`.${b}`)) return shape[1];
  }
  return null;
}

/** Returns the first tensor whose shape differs or that only one side has; null if all shapes are equal. */
function firstDifference(a: Shapes, b: Shapes): string | null {
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    if (a.get(key)?.join() !== b.get(key)?.join()) return key;
  }
  return null;
}
