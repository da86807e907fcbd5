import type { adamStep8bit } from "@lowrank/core/backend";
import { adam8bitBlockSize } from "@lowrank/core/backend";
import { guardOf } from "./guardOf.ts";
import { kernel, type WasmKernel } from "./kernel.ts";

export const adamStep8bitKernel: WasmKernel = kernel<typeof adamStep8bit>(
  "adamStep8bit",
  (k, inputs, _outputs, params, scratch) => {
    const [p, grad, m, v, mScales, vScales, mTable, vTable] = inputs;
    const { lr, beta1, beta2, eps, weightDecay, step } = params;
    const stepSize = lr / (1 - beta1 ** step);
    const rootFactor = 1 / Math.sqrt(1 - beta2 ** step);
    const [rest1, rest2, shrink] = [1 - beta1, 1 - beta2, 1 - lr * weightDecay];
    const room = scratch(8 * adam8bitBlockSize);
    const states = [m.ptr, v.ptr, mScales.ptr, vScales.ptr, mTable.ptr, vTable.ptr] as const;
    k.adamStep8bit(
      ...([p.ptr, grad.ptr, ...states, room, p.size] as const),
      ...([beta1, rest1, beta2, rest2, stepSize, rootFactor, eps, shrink] as const),
      ...guardOf(inputs, params),
    );
  },
);
