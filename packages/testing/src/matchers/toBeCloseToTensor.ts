import { type DType, formatShape, OptionError, Tensor, tensor, to } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { positionOf, short } from "../comparing/differences.ts";
import { type MatcherResult, result } from "./matcher.ts";

/** Options of `toBeCloseToTensor`. */
export interface CloseToTensorOptions {
  /** Largest relative difference. Default, by dtype: f32 1.3e-6, f16 1e-3, bf16 1.6e-2, others 0. */
  rtol?: number;
  /** Largest absolute difference. Default: 1e-5 for floating-point dtypes, others 0. */
  atol?: number;
}

/** Default relative tolerances of `torch.testing.assert_close`. */
const relative: Readonly<Partial<Record<DType, number>>> = { f32: 1.3e-6, f16: 1e-3, bf16: 1.6e-2 };

type Numbers = number | readonly Numbers[];

/**
 * Passes if two tensors have the same shape and |received - expected| <= atol + rtol |expected| for each element. The
 * default tolerances equal `torch.testing.assert_close`'s for the less precise dtype. `expected` is a tensor or
 * nested arrays.
 */
export async function toBeCloseToTensor(
  received: Tensor,
  expected: Tensor | Numbers,
  options: CloseToTensorOptions = {},
): Promise<MatcherResult> {
  checkOptions("toBeCloseToTensor", options, { rtol: true, atol: true });
  if (!(received instanceof Tensor)) {
    throw new OptionError("toBeCloseToTensor", "received", received, "is no tensor; give the output's tensor");
  }
  const isMade = !(expected instanceof Tensor);
  const other = isMade ? tensor(expected as number[]) : expected;
  try {
    if (formatShape(received.shape) !== formatShape(other.shape)) {
      return result(
        false,
        `expected shape ${formatShape(other.shape)}, and received ${formatShape(received.shape)}`,
        "",
      );
    }
    const own = Math.max(relative[received.dtype] ?? 0, relative[other.dtype] ?? 0);
    const { rtol = own, atol = own > 0 ? 1e-5 : 0 } = options;
    const [found, wanted] = await Promise.all([numbersOf(received), numbersOf(other)]);
    let [worst, count] = [-1, 0];
    for (const [i, x] of wanted.entries()) {
      if (isClose(found[i], x, rtol, atol)) continue;
      count++;
      if (worst < 0 || !(Math.abs(found[i] - x) <= Math.abs(found[worst] - wanted[worst]))) worst = i;
    }
    const within = `within atol ${short(atol)} + rtol ${short(rtol)}`;
    if (count === 0) return result(true, "", `expected tensors to differ, and all elements are equal ${within}`);
    const at = `[${positionOf(worst, other.shape).join(", ")}]`;
    const apart = short(Math.abs(found[worst] - wanted[worst]));
    const message = `${count} of ${wanted.length} elements differ; the largest difference is ${apart} at ${at}: received ${short(found[worst])}, expected ${short(wanted[worst])} ${within}`;
    return result(false, message, "");
  } finally {
    if (isMade) other.dispose();
  }
}

function isClose(x: number, y: number, rtol: number, atol: number): boolean {
  if (Object.is(x, y) || x === y) return true;
  return Number.isFinite(x) && Number.isFinite(y) && Math.abs(x - y) <= atol + rtol * Math.abs(y);
}

async function numbersOf(t: Tensor): Promise<number[]> {
  using wide = t.dtype === "f16" || t.dtype === "bf16" ? to(t, { dtype: "f32" }) : null;
  return Array.from((await (wide ?? t).data()) as ArrayLike<number | bigint>, Number);
}
