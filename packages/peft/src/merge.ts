import {
  abs,
  affine,
  copyInto,
  type DType,
  isPacked,
  max,
  mean,
  noGrad,
  type QuantType,
  quantize4bit,
  scope,
  sub,
  sum,
  type Tensor,
  to,
} from "@lowrank/core";
import { type Linear, type Module, Parameter } from "@lowrank/nn";
import { wide } from "./layers/tunerLayer.ts";
import type { Replacement } from "./layers/wrapper.ts";
import { placesOf, Swap, setValue, valueAt } from "./swap.ts";

/** What becomes of quantised weights in a merge; one of the two must be said where there are any. */
export interface PackedMerge {
  /** Give back full weights of this dtype. */
  dtype?: "f32" | "f16" | "bf16";
  /** Quantise the sum as the weight was, which rounds away part of what the adapter learned. */
  requantize?: boolean;
}

/** How far a merged weight lies from the exact sum, by rounding to half precision or to 4 bits. */
export interface MergeDrift {
  path: string;
  dtype: DType;
  maxAbs: number;
  meanAbs: number;
}

type Steps = Iterable<() => Replacement[]>;

/** Throws where a merge would write into a quantised weight without being told how. */
export function checkPackedMerge(path: string, weights: Iterable<Tensor>, { dtype, requantize }: PackedMerge): void {
  for (const { dtype: stored } of weights) {
    if (!isPacked(stored)) continue;
    if (dtype !== undefined && requantize) throw new Error("merging takes dtype or requantize: true, not both");
    if (requantize && stored !== "nf4" && stored !== "fp4") {
      throw new Error(`${path} is ${stored}, which weights cannot be quantised to here; merge with dtype: "bf16"`);
    }
    if (dtype !== undefined || requantize) continue;
    throw new Error(
      `${path} is ${stored}: quantised again after a merge, it would lose part of what the adapter learned. Pass dtype: "bf16" (or "f16", "f32") to merge into full weights, or requantize: true and see mergeReport for what it cost`,
    );
  }
}

/** The merged value in the dtype of what it replaces; a bias where there was none takes the weight's. */
function rounded(
  { path, owners: [owner], key, value }: Replacement,
  { dtype = "f32", requantize }: PackedMerge,
): Tensor {
  const before = valueAt({ owner, key });
  const stored = (before ?? (owner as Linear).weight).dtype;
  const wanted = isPacked(stored) ? dtype : stored;
  if (before?.packing && requantize) {
    const { blockSize, nested } = before.packing;
    try {
      return quantize4bit(value, { quantType: stored as QuantType, blockSize, doubleQuant: nested });
    } catch (error) {
      throw new Error(`merging into ${path}: ${(error as Error).message}`, { cause: error });
    }
  }
  return value.dtype === wanted ? value : to(value, { dtype: wanted });
}

/**
 * Looks at every merged value before any is written, one at a time. Throws, naming the parameter, where one is not
 * finite; tells how far values that are rounded drift.
 */
export async function checkMerge(
  steps: Steps,
  adapters: readonly string[],
  packed: PackedMerge,
): Promise<MergeDrift[]> {
  const drifts: MergeDrift[] = [];
  for (const step of steps) {
    const measured = noGrad(() => scope(() => step().map((replacement) => measure(replacement, packed))));
    for (const { path, dtype, probe, drift } of measured) {
      if ((await probe.item()) !== 0) {
        throw new Error(
          `merging ${adapters.join(", ")} would give ${path} a NaN or an infinity${dtype === "f16" ? " (f16 ends at 65504)" : ""}; the adapter seems to be broken. Nothing was merged`,
        );
      }
      probe.dispose();
      if (!drift) continue;
      drifts.push({ path, dtype, maxAbs: await drift.largest.item(), meanAbs: await drift.average.item() });
      drift.largest.dispose();
      drift.average.dispose();
    }
  }
  return drifts;
}

function measure(replacement: Replacement, packed: PackedMerge) {
  const { path, value } = replacement;
  const stored = rounded(replacement, packed);
  const kept = wide(stored);
  // 0 for finite numbers, NaN for others.
  const probe = sum(affine(kept, { scale: 0 }));
  if (stored === value) return { path, dtype: stored.dtype, probe, drift: null };
  const difference = abs(sub(kept, value));
  return { path, dtype: stored.dtype, probe, drift: { largest: max(difference), average: mean(difference) } };
}

/** Puts merged values in the place of the old ones, which the swaps keep. */
export function swapMerged(steps: Steps, packed: PackedMerge): Swap[] {
  const swaps: Swap[] = [];
  for (const step of steps) {
    noGrad(() =>
      scope(() => {
        for (const replacement of step()) {
          const { owners, key } = replacement;
          const value = new Parameter(rounded(replacement, packed), { requiresGrad: false });
          const swap = new Swap(
            owners.map((owner) => ({ owner, key })),
            value,
          );
          swap.set(true);
          swaps.push(swap);
        }
      }),
    );
  }
  return swaps;
}

/** Writes merged values into the base model for good: into its own parameters, or where these are tied, beside them. */
export function writeMerged(model: Module, steps: Steps, packed: PackedMerge): void {
  const places = placesOf(model);
  for (const step of steps) {
    noGrad(() =>
      scope(() => {
        for (const replacement of step()) {
          const { owners, key } = replacement;
          const value = rounded(replacement, packed);
          const before = valueAt({ owner: owners[0], key });
          const own = before !== null && (places.get(before)?.length ?? 1) <= owners.length;
          if (own && !isPacked(before.dtype)) {
            copyInto(before, value);
            continue;
          }
          const merged = new Parameter(value, { requiresGrad: false });
          for (const owner of owners) setValue({ owner, key }, merged);
          if (own) before.dispose();
        }
      }),
    );
  }
}
