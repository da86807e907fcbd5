import { isPacked, type Tensor, to } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import type { PeftModel } from "@lowrank/peft";
import { positionOf, short } from "../comparing/differences.ts";
import { layerAt, unwrapped } from "../comparing/layerCalls.ts";
import { PropertyError } from "../errors/propertyError.ts";
import { UnfitError } from "../errors/unfitError.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type ConfigSubject, checkMerges, withAdapter } from "./shared/withAdapter.ts";

const property = "requantizedMergeWithinBound";

/**
 * The largest distance from a value to the nearest value that a code stands for, as a share of the block's largest
 * magnitude: half of the largest gap between neighbouring codes.
 *
 * - nf4: between -1 and -0.6961928 (Dettmers et al. 2023, appendix E).
 * - fp4: between 2/3 and 1.
 */
const shares: Readonly<Record<string, number>> = { nf4: (1 - 0.6961928) / 2, fp4: (1 - 2 / 3) / 2 };

/**
 * With `doubleQuant`, scales are 8-bit codes: the largest distance from a scale to the nearest code, as a share of the
 * largest distance between a scale and the mean of all scales in a group. It is half of the step between 64 even steps
 * from 0.1 to 1 (Dettmers 2015), the largest gap of these codes.
 */
const scaleShare = 0.9 / 64 / 2;

/** Number of scales in a group of `doubleQuant`. */
const scalesInGroup = 256;

/**
 * A merge with `requantize: true` rounds each weight by at most half of the format's largest step. The step is a share
 * of the largest magnitude in the weight's block of the merged weights: 0.152 for nf4, 0.167 for fp4. Rounding of the
 * scale and of the comparison in f32 adds 8 · 2^-24 of this magnitude. If the scales are quantised too
 * (`doubleQuant`), the rounding of the scale is added: at most 0.00703 of the largest difference between a scale of
 * its group of 256 blocks and the mean scale of the weight.
 *
 * The model needs quantised weights.
 *
 * Throws `PropertyError` with code "requantized_differs" and the first layer beyond the bound.
 *
 * @example
 * ```ts
 * await requantizedMergeWithinBound({ ...smallestModel, quantized: "nf4" }, new LoraConfig({ r: 2 }));
 * ```
 */
export async function requantizedMergeWithinBound(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  await withAdapter(property, model, config, options, async ({ peft, seed }) => {
    checkMerges(peft);
    const packed = packedWeights(peft);
    if (packed.size === 0) throw new UnfitError("the adapter changes no quantised weight");
    await peft.mergeAdapter({ dtype: "f32", verify: false });
    const exact = await valuesAt(peft, packed.keys());
    peft.unmergeAdapter();
    await peft.mergeAdapter({ requantize: true, verify: false });
    const rounded = await valuesAt(peft, packed.keys());
    peft.unmergeAdapter();
    for (const [layer, { dtype, packing, shape }] of packed) {
      const [wanted, found] = [exact, rounded].map((values) => values.get(layer) as Float32Array);
      const { blockSize } = packing;
      const magnitudes = magnitudesOf(wanted, blockSize);
      const scaleErrors = packing.nested ? scaleErrorsOf(magnitudes) : null;
      for (let start = 0; start < wanted.length; start += blockSize) {
        const block = wanted.subarray(start, start + blockSize);
        const magnitude = magnitudes[start / blockSize];
        const scaleError = scaleErrors?.[Math.floor(start / blockSize / scalesInGroup)] ?? 0;
        const bound = magnitude * (shares[dtype] + 8 * 2 ** -24) + scaleError;
        for (const [i, x] of block.entries()) {
          const difference = Math.abs(x - found[start + i]);
          if (difference <= bound) continue;
          const position = positionOf(start + i, shape);
          const detail = `${layer} is the first layer whose requantised weight is beyond the bound: weight [${position.join(", ")}] is ${short(found[start + i])} and ${short(x)} before rounding, a difference of ${short(difference)}, and half a step of ${dtype} is ${short(bound)}${scaleErrors ? " with the rounding of the scale" : ""}`;
          throw new PropertyError({
            code: "requantized_differs",
            property,
            layer,
            difference,
            bound,
            position,
            seed,
            detail,
          });
        }
      }
    }
  });
}

/** Returns the largest magnitude of each block. */
function magnitudesOf(values: Float32Array, blockSize: number): number[] {
  return Array.from({ length: Math.ceil(values.length / blockSize) }, (_, block) => {
    const part = values.subarray(block * blockSize, (block + 1) * blockSize);
    return part.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  });
}

/** Returns the largest rounding error of the quantised scales in each group, with rounding of their mean in f32. */
function scaleErrorsOf(scales: readonly number[]): number[] {
  const mean = scales.reduce((sum, scale) => sum + scale, 0) / scales.length;
  return Array.from({ length: Math.ceil(scales.length / scalesInGroup) }, (_, group) => {
    const part = scales.slice(group * scalesInGroup, (group + 1) * scalesInGroup);
    const farthest = Math.max(...part.map((scale) => Math.abs(scale - mean)));
    return scaleShare * farthest + 64 * 2 ** -24 * (mean + farthest);
  });
}

interface PackedWeight {
  readonly dtype: string;
  readonly packing: { readonly blockSize: number; readonly nested: boolean };
  readonly shape: readonly number[];
}

/** Returns the quantised weights that the active adapter changes, by the layer's path. */
function packedWeights(peft: PeftModel): Map<string, PackedWeight> {
  const found = new Map<string, PackedWeight>();
  for (const path of peft.targetReport?.matched ?? []) {
    const { weight } = unwrapped(layerAt(peft.baseModel, path)) as { weight?: Tensor };
    if (!weight || !isPacked(weight.dtype)) continue;
    const { dtype, packing, shape } = weight;
    if (!packing || !(dtype in shares)) throw new UnfitError(`merges into ${dtype} are not quantised again`);
    found.set(path, { dtype, packing, shape });
  }
  return found;
}

/** Returns the values of the weights at these paths, as f32. */
async function valuesAt(peft: PeftModel, paths: Iterable<string>): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const path of paths) {
    const { weight } = unwrapped(layerAt(peft.baseModel, path)) as Linear;
    values.set(path, await floats(weight));
  }
  return values;
}

async function floats(weight: Tensor): Promise<Float32Array> {
  if (weight.dtype === "f32") return ((await weight.data()) as Float32Array).slice();
  using wide = to(weight, { dtype: "f32" });
  return (await wide.data()) as Float32Array;
}
