import { tensor } from "../create.ts";
import type { Tensor } from "../tensor.ts";
import { add } from "./add.ts";
import { affine } from "./affine.ts";
import { type AttentionParams, type Geometry, geometry, isAllowed } from "./attentionGeometry.ts";
import { expand, sumTo } from "./expand.ts";
import { matmul } from "./matmul.ts";
import { mul } from "./mul.ts";
import { permute } from "./permute.ts";
import { reshape } from "./reshape.ts";
import { rowSum } from "./rows.ts";
import { place, slice } from "./slice.ts";
import { softmax } from "./softmax.ts";
import { square } from "./square.ts";
import { sub } from "./sub.ts";
import { tanh } from "./tanh.ts";
import { to } from "./to.ts";

const swapHeads = (t: Tensor): Tensor => permute(t, { dims: [0, 2, 1, 3] });

/** Keys or values [B, capacity, Hkv, D] in use, repeated for each query head: [B, H, S, D]. */
function repeatHeads(t: Tensor, g: Geometry): Tensor {
  const { batch, kvHeads, group, keys, heads, size } = g;
  const used = swapHeads(slice(t, { dim: 1, end: keys }));
  const grouped = reshape(used, { shape: [batch, kvHeads, 1, keys, size] });
  return reshape(expand(grouped, { shape: [batch, kvHeads, group, keys, size] }), {
    shape: [batch, heads, keys, size],
  });
}

/** The transpose of `repeatHeads`. */
function gatherHeads(t: Tensor, g: Geometry): Tensor {
  const { batch, kvHeads, group, keys, capacity, size } = g;
  const grouped = reshape(t, { shape: [batch, kvHeads, group, keys, size] });
  const summed = reshape(sumTo(grouped, [batch, kvHeads, 1, keys, size]), { shape: [batch, kvHeads, keys, size] });
  return place(swapHeads(summed), { dim: 1, size: capacity, start: 0 });
}

/** 1 where a query may look at a key, else 0; broadcasts to [B, H, T, S]. */
function visibility(g: Geometry, mask: Tensor | undefined, q: Tensor): Tensor {
  const seen = new Float32Array(g.queries * g.keys);
  for (let i = 0; i < seen.length; i++) {
    seen[i] = Number(isAllowed(g, undefined, 0, 0, Math.floor(i / g.keys), i % g.keys));
  }
  const table = tensor(seen, { shape: [g.queries, g.keys], backend: q.storage.backend });
  return mask ? mul(to(to(mask, { dtype: "bool" }), { dtype: "f32" }), table) : table;
}

/** `attentionBackward` in other ops, with all the T x S weights in memory. */
export function composeAttentionBackward(inputs: readonly Tensor[], params: AttentionParams): Tensor[] {
  const [dout, q, k, v, , , mask] = inputs;
  const g = geometry("attentionBackward", mask ? [q, k, v, mask] : [q, k, v], params);
  const [queries, douts] = [q, dout].map(swapHeads);
  const [keys, values] = [k, v].map((t) => repeatHeads(t, g));
  const raw = affine(matmul(queries, keys, { transposeB: true }), { scale: g.scale });
  const bent = g.softcap > 0 ? tanh(affine(raw, { scale: 1 / g.softcap })) : raw;
  const scores = g.softcap > 0 ? affine(bent, { scale: g.softcap }) : raw;
  const seen = visibility(g, mask, q);
  // A finite bias, so that a row without any key has finite weights for `seen` to clear.
  const weights = mul(softmax(add(scores, affine(seen, { scale: 1e30, shift: -1e30 })), { dim: -1 }), seen);
  const dweights = matmul(douts, values, { transposeB: true });
  const inner = mul(weights, sub(dweights, rowSum(mul(dweights, weights))));
  const slope = g.softcap > 0 ? mul(inner, affine(square(bent), { scale: -1, shift: 1 })) : inner;
  const dscores = affine(slope, { scale: g.scale });
  return [
    swapHeads(matmul(dscores, keys, {})),
    gatherHeads(matmul(dscores, queries, { transposeA: true }), g),
    gatherHeads(matmul(weights, douts, { transposeA: true }), g),
  ];
}
