import type {
  attentionBackward,
  attentionOp,
  documentAttentionBackward,
  documentAttentionOp,
  rope,
} from "@lowrank/core/backend";
import { kernel, type Scratch, type WasmKernel, type WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** Sizes of an attention call, as the function `plan` of the attention op returns them. */
type Geometry = ReturnType<(typeof attentionOp)["definition"]["plan"]>;

/** Tensors that determine which keys a query attends to, in addition to the parameters `causal` and `window`. */
interface Seen {
  readonly mask?: WasmTensor;
  readonly starts?: WasmTensor;
}

function forward(
  k: Kernels,
  [q, key, v]: readonly WasmTensor[],
  [out, lse]: readonly WasmTensor[],
  { mask, starts }: Seen,
  g: Geometry,
  scratch: Scratch,
): void {
  const [mb, mh, mi] = g.maskStrides;
  const { queries, keys, capacity, heads, group, size, scale, window, softcap } = g;
  // biome-ignore format: the kernel's arguments in its own order
  k.attention(
    q.ptr, key.ptr, v.ptr, mask?.ptr ?? 0, out.ptr, lse.ptr, scratch(k.attentionScratch()), 0, g.batch * g.kvHeads,
    queries, keys, capacity, heads, group, size, scale, Number(g.causal), window, softcap, mb, mh, mi, starts?.ptr ?? 0,
  );
}

function backward(
  k: Kernels,
  [dout, q, key, v, out, lse]: readonly WasmTensor[],
  [dq, dk, dv]: readonly WasmTensor[],
  { mask, starts }: Seen,
  g: Geometry,
  scratch: Scratch,
): void {
  const [mb, mh, mi] = g.maskStrides;
  k.fill(dk.ptr, dk.size, 0);
  k.fill(dv.ptr, dv.size, 0);
  const { queries, keys, capacity, heads, group, size, scale, window, softcap } = g;
  // biome-ignore format: the kernel's arguments in its own order
  k.attentionBackward(
    dout.ptr, q.ptr, key.ptr, v.ptr, out.ptr, lse.ptr, mask?.ptr ?? 0, dq.ptr, dk.ptr, dv.ptr,
    scratch(k.attentionScratch()), 0, g.batch * g.kvHeads, queries, keys, capacity, heads, group, size, scale,
    Number(g.causal), window, softcap, mb, mh, mi, starts?.ptr ?? 0,
  );
}

export const attentionOpKernel: WasmKernel = kernel<typeof attentionOp>(
  "attention",
  (k, inputs, outputs, params, scratch, { plan }) =>
    forward(k, inputs, outputs, { mask: inputs[3] }, plan(inputs, outputs, params), scratch),
);

export const attentionBackwardKernel: WasmKernel = kernel<typeof attentionBackward>(
  "attentionBackward",
  (k, inputs, outputs, params, scratch, { plan }) =>
    backward(k, inputs, outputs, { mask: inputs[6] }, plan(inputs, outputs, params), scratch),
);

export const documentAttentionKernel: WasmKernel = kernel<typeof documentAttentionOp>(
  "documentAttention",
  (k, inputs, outputs, params, scratch, { plan }) =>
    forward(k, inputs, outputs, { starts: inputs[3] }, plan(inputs, outputs, params), scratch),
);

export const documentAttentionBackwardKernel: WasmKernel = kernel<typeof documentAttentionBackward>(
  "documentAttentionBackward",
  (k, inputs, outputs, params, scratch, { plan }) =>
    backward(k, inputs, outputs, { starts: inputs[6] }, plan(inputs, outputs, params), scratch),
);

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
