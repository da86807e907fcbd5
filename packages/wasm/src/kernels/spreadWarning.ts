import type { Shape } from "@lowrank/core/backend";
import type { Kernels } from "../kernelTypes.gen.ts";

/** Kernels whose user was warned. */
const warned = new WeakSet<Kernels>();

/** Warns, once for a backend, of the larger of two shares of numbers that round to zero. */
export function warnOfSpread(k: Kernels, shape: Shape, ofWeight: number, ofRows: number): void {
  if (warned.has(k)) return;
  warned.add(k);
  const what = ofWeight > ofRows ? "a weight" : "rows that meet a weight";
  const share = (100 * Math.max(ofWeight, ofRows)).toFixed(0);
  console.warn(
    `wasm: ${share} % of the numbers of ${what} [${shape}] round to zero in high precision, beside others in their blocks that are thousands of times larger; set the weight's \`precision\` to "highest" if that matters`,
  );
}
