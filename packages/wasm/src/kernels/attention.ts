import type { attentionBackward, attentionOp } from "@lowrank/core/backend";
import { geometry } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "../kernel.ts";

export const attentionOpKernel: WasmKernel = kernel<typeof attentionOp>(
  "attention",
  (k, [q, key, v, mask], [out, lse], params, scratch) => {
    const g = geometry("attention", mask ? [q, key, v, mask] : [q, key, v], params);
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
  (k, [dout, q, key, v, out, lse, mask], [dq, dk, dv], params, scratch) => {
    const g = geometry("attentionBackward", mask ? [q, key, v, mask] : [q, key, v], params);
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
