import { matmul, randn, scope, tensor, truncatedQr } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import type { Draw } from "../shared/draws.ts";
import type { LayerContext } from "../shared/method.ts";
import type { LoraConfig } from "./loraConfig.ts";

/**
 * Initialises A from the even rows and B from the odd rows of a random orthogonal matrix. Both are nonzero, but B A is
 * zero.
 */
export function orthogonal({ base, generator }: LayerContext<LoraConfig>, r: number): { a: Draw; b: Draw } {
  const { backend } = (base as Linear).weight.storage;
  const square = new Float32Array(r * r);
  generator.fillNormal(square, 0, 1);
  const { q } = truncatedQr(square, r, r, r);
  /** Returns every second row of Q, starting with row `first` (0 or 1), divided by 10. The shape is [r/2, r]. */
  const rows = (first: number) => {
    const values = Float32Array.from(
      { length: (r * r) / 2 },
      (_, i) => q[(2 * Math.floor(i / r) + first) * r + (i % r)] / 10,
    );
    return tensor(values, { shape: [r / 2, r], backend });
  };
  const coefficients = (n: number) => randn([n, r / 2], { generator, backend });
  return {
    a: ([, n]) => scope(() => matmul(rows(0), coefficients(n), { transposeA: true, transposeB: true })),
    b: ([n]) => scope(() => matmul(coefficients(n), rows(1))),
  };
}
