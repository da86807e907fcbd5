import type { rope } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";

export const ropeKernel: WasmKernel = kernel<typeof rope>(
  "rope",
  (k, [x, cos, sin], [out], { offset = 0, inverse }) => {
    const [batch, tokens, heads, size] = x.shape;
    const half = cos.shape[cos.shape.length - 1];
    const perToken = cos.shape.length === 3;
    for (let b = 0; b < batch; b++) {
      const at = 4 * b * tokens * heads * size;
      const row = 4 * half * (perToken ? b * tokens : offset);
      const [c, s] = [cos.ptr + row, sin.ptr + row];
      k.rope(x.ptr + at, c, s, out.ptr + at, tokens, heads, size, half, inverse ? -1 : 1);
    }
  },
);
