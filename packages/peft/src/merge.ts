import { abs, affine, copyInto, type DType, max, mean, noGrad, scope, sub, sum, type Tensor, to } from "@lowrank/core";
import { type Linear, type Module, Parameter } from "@lowrank/nn";
import { wide } from "./layers/tunerLayer.ts";
import type { Replacement } from "./layers/wrapper.ts";
import { placesOf, Swap, setValue, valueAt } from "./swap.ts";

/** How far a merged half-precision weight lies from the exact sum, by rounding. */
export interface MergeDrift {
  path: string;
  dtype: DType;
  maxAbs: number;
  meanAbs: number;
}

type Steps = Iterable<() => Replacement[]>;

/** The merged value in the dtype of what it replaces; a bias where there was none takes the weight's. */
function rounded({ owners: [owner], key, value }: Replacement): Tensor {
  const dtype = (valueAt({ owner, key }) ?? (owner as Linear).weight).dtype;
  return value.dtype === dtype ? value : to(value, { dtype });
}

/**
 * Looks at every merged value before any is written, one at a time. Throws, naming the parameter, where one is not
 * finite; tells how far half-precision values drift.
 */
export async function checkMerge(steps: Steps, adapters: readonly string[]): Promise<MergeDrift[]> {
  const drifts: MergeDrift[] = [];
  for (const step of steps) {
    const measured = noGrad(() => scope(() => step().map(measure)));
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

function measure(replacement: Replacement) {
  const { path, value } = replacement;
  const stored = rounded(replacement);
  const kept = wide(stored);
  // 0 for finite numbers, NaN for others.
  const probe = sum(affine(kept, { scale: 0 }));
  if (stored === value) return { path, dtype: stored.dtype, probe, drift: null };
  const difference = abs(sub(kept, value));
  return { path, dtype: stored.dtype, probe, drift: { largest: max(difference), average: mean(difference) } };
}

/** Puts merged values in the place of the old ones, which the swaps keep. */
export function swapMerged(steps: Steps): Swap[] {
  const swaps: Swap[] = [];
  for (const step of steps) {
    noGrad(() =>
      scope(() => {
        for (const replacement of step()) {
          const { owners, key } = replacement;
          const value = new Parameter(rounded(replacement), { requiresGrad: false });
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
export function writeMerged(model: Module, steps: Steps): void {
  const places = placesOf(model);
  for (const step of steps) {
    noGrad(() =>
      scope(() => {
        for (const replacement of step()) {
          const { owners, key } = replacement;
          const value = rounded(replacement);
          const before = valueAt({ owner: owners[0], key });
          if (before && (places.get(before)?.length ?? 1) <= owners.length) {
            copyInto(before, value);
            continue;
          }
          const merged = new Parameter(value, { requiresGrad: false });
          for (const owner of owners) setValue({ owner, key }, merged);
        }
      }),
    );
  }
}
