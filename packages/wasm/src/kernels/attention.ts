import type { attentionBackward, attentionOp } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";

export const attentionOpKernel: WasmKernel = kernel<typeof attentionOp>(
  "attention",
  (k, inputs, [out, lse], params, scratch, { plan }) => {
    const [q, key, v, mask] = inputs;
    const g = plan(inputs, [out, lse], params);
    const [mb, mh, mi] = g.maskStrides;
    const [m, space, end] = [mask?.ptr ?? 0, scratch(k.attentionScratch()), g.batch * g.kvHeads];
    const { queries, keys, capacity, heads, group, size, scale, window, softcap } = g;
    // biome-ignore format: the kernel's arguments in its own order
    k.attention(
      q.ptr, key.ptr, v.ptr, m, out.ptr, lse.ptr, space, 0, end, queries, keys, capacity, heads, group, size,
      scale, Number(g.causal), window, softcap, mb, mh, mi,
    );
  },
);

export const attentionBackwardKernel: WasmKernel = kernel<typeof attentionBackward>(
  "attentionBackward",
  (k, inputs, [dq, dk, dv], params, scratch, { plan }) => {
    const [dout, q, key, v, out, lse, mask] = inputs;
    const g = plan(inputs, [dq, dk, dv], params);
    const [mb, mh, mi] = g.maskStrides;
    k.fill(dk.ptr, dk.size, 0);
    k.fill(dv.ptr, dv.size, 0);
    const [m, space, end] = [mask?.ptr ?? 0, scratch(k.attentionScratch()), g.batch * g.kvHeads];
    const { queries, keys, capacity, heads, group, size, scale, window, softcap } = g;
    // biome-ignore format: the kernel's arguments in its own order
    k.attentionBackward(
      dout.ptr, q.ptr, key.ptr, v.ptr, out.ptr, lse.ptr, m, dq.ptr, dk.ptr, dv.ptr, space, 0, end, queries, keys,
      capacity, heads, group, size, scale, Number(g.causal), window, softcap, mb, mh, mi,
    );
  },
);
