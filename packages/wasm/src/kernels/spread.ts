import type { WasmTensor } from "../kernel.ts";
import type { Kernels } from "../kernelTypes.gen.ts";

/** The share of numbers that may round to zero without a word. */
const mostLost = 0.1;

/** Sides of the blocks of a weight that share a scale. */
const square = 64;

/** Kernels whose user was warned. */
const warned = new WeakSet<Kernels>();

/** Warns once if a tenth of a weight [height,width], or of rows that meet it, gets the code 0. */
export function warnOfSpread(k: Kernels, { ptr, shape }: WasmTensor, x: number, rows: number, from: number): boolean {
  if (warned.has(k)) return true;
  const shares = [k.int16LostShare(ptr, shape[0], shape[1], square), k.int16LostShare(x, rows, from, 1)];
  const at = shares.findIndex((share) => share > mostLost);
  if (at < 0) return true;
  warned.add(k);
  const what = `${at === 0 ? "a weight" : "rows that meet a weight"} [${shape}]`;
  console.warn(
    `wasm: ${(100 * shares[at]).toFixed(0)} % of the numbers of ${what} round to zero in high precision, beside others in their blocks that are thousands of times larger; set the weight's \`precision\` to "highest" if that matters`,
  );
  return true;
}
