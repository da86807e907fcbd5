import type { rope } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

export const ropeKernel: WasmKernel = kernel<typeof rope>(
  "rope",
  (k, [x, cos, sin], [out], { offset = 0, inverse }) => {
    const [batch, tokens, heads, size] = x.shape;
    const half = cos.shape[cos.shape.length - 1];
    const sign = inverse ? -1 : 1;
    if (cos.shape.length === 3) {
      k.rope(x.ptr, cos.ptr, sin.ptr, out.ptr, batch * tokens, heads, size, half, sign);
      return;
    }
    const row = 4 * half * offset;
    for (let b = 0; b < batch; b++) {
      const at = 4 * b * tokens * heads * size;
      k.rope(x.ptr + at, cos.ptr + row, sin.ptr + row, out.ptr + at, tokens, heads, size, half, sign);
    }
  },
);
