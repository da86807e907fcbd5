import { type Backend, mean, square, tensor, valueAndGrad } from "@lowrank/core";
import { loraLinear } from "@lowrank/core/internal";
import { prepareMatmul } from "../lowrankGemm.ts";
import type { GpuPeer } from "./gpuPeer.ts";

/** Returns a peer for Lowrank on a backend. */
export function lowrankGpu(name: string, backend: Backend): GpuPeer {
  return {
    name,
    prepare: prepareMatmul(backend),
    async prepareLayer({ rows, features, rank, scaling, ...numbers }) {
      const x = tensor(numbers.x, { shape: [rows, features], backend });
      const w = tensor(numbers.w, { shape: [features, features], backend });
      const a = tensor(numbers.a, { shape: [rank, features], backend });
      const b = tensor(numbers.b, { shape: [features, rank], backend });
      const step = valueAndGrad((p, q, s) => mean(square(loraLinear(s, w, p, q, { scaling }))), { argnums: [0, 1, 2] });
      return async () => {
        const { value, grads } = step(a, b, x);
        const [loss] = await Promise.all([value, ...grads].map((t) => t.data()));
        for (const t of [value, ...grads]) t.dispose();
        return loss![0]!;
      };
    },
  };
}
