import { type Shader, shader, variants } from "../kernel/shader.ts";
import {
  accumulate,
  attentionUniforms,
  declareSums,
  dropUniforms,
  eachChunk,
  eachPair,
  keyPlace,
  load,
  maskBinding,
  pairCode,
  products,
  queryPlace,
  storeSums,
  tile,
  tileEntry,
  tileMemory,
} from "../wgsl/attentionTiles.ts";

const queries = { base: "qAt", row0: "tile0", rows: "u.queries", step: "u.heads * u.size" } as const;
const keys = { base: "kAt", row0: "key0", rows: "u.keys", step: "u.kvHeads * u.size" } as const;

/**
 * Kernel that computes attention for a tile of queries. It visits the keys tile by tile and updates each row's maximum
 * score and sum of exponentials (FlashAttention, Dao et al. 2022, https://arxiv.org/abs/2205.14135).
 */
export const attentionTiles: (chunks: number, masked: boolean, dropped: boolean) => Shader = variants(
  (chunks: number, masked: boolean, dropped: boolean) =>
    shader({
      name: `attention, ${32 * chunks} numbers a head${masked ? ", masked" : ""}${dropped ? ", dropout" : ""}`,
      bindings: {
        ...({ q: "read f32", k: "read f32", v: "read f32" } as const),
        ...maskBinding(masked),
        ...({ out: "write f32", lse: "write f32" } as const),
      },
      uniforms: { ...attentionUniforms, ...(dropped ? dropUniforms : {}) },
      code: `${pairCode(masked, dropped)}
${tileMemory}
var<workgroup> tops: array<f32, 64>;
var<workgroup> sums: array<f32, 64>;
var<workgroup> shrinks: array<f32, ${tile}>;
${tileEntry(`
  let h = groupId.y;
  let qAt = ${queryPlace};
  let kAt = ${keyPlace};
  let row = lane % ${tile}u;
  let begin = (lane / ${tile}u) * 16u;
  var top = lowest;
  var mass = 0.0;
${declareSums(chunks, "o")}
  var first = 0u;
  var end = u.keys;
  if (u.causal != 0u) {
    let own = i32(u.keys) - i32(u.queries) + i32(tile0);
    end = u32(clamp(own + ${tile}, 0, i32(u.keys)));
    if (u.window > 0u) { first = u32(max(own - i32(u.window) + 1, 0)) / ${tile}u * ${tile}u; }
  }
  for (var key0 = first; key0 < end; key0 += ${tile}u) {
${products(
  chunks,
  "s",
  (c) => load({ to: "left", binding: "q", ...queries, chunk: c, across: true }),
  (c) => load({ to: "right", binding: "k", ...keys, chunk: c, across: true }),
)}
${eachPair(
  (i, j) => `left[x + ${j}][y + ${i}] =
        select(lowest, scoreOf(s[${i}][${j}]), isSeen(b, h, tile0 + y + ${i}, key0 + x + ${j}));`,
)}
    workgroupBarrier();
    var most = top;
    for (var c = begin; c < begin + 16u; c++) { most = max(most, left[c][row]); }
    tops[lane] = most;
    workgroupBarrier();
    most = max(tops[row], tops[row + ${tile}u]);
    let shrink = expOf(top - most);
    top = most;
    var sum = 0.0;
    for (var c = begin; c < begin + 16u; c++) {
      var weight = 0.0;
      if (!(left[c][row] == lowest)) { weight = expOf(left[c][row] - most); }
      sum += weight;
      left[c][row] = weight * factorOf(b, h, tile0 + row, key0 + c);
    }
    sums[lane] = sum;
    if (lane < ${tile}u) { shrinks[lane] = shrink; }
    workgroupBarrier();
    mass = mass * shrink + (sums[row] + sums[row + ${tile}u]);
    for (var i = 0u; i < 4u; i++) { ${eachChunk(chunks, (c) => `o${c}[i] *= shrinks[y + i];`)} }
${accumulate(chunks, "o", (c) => load({ to: "right", binding: "v", ...keys, chunk: c }))}
    workgroupBarrier();
  }
  workgroupBarrier();
  if (lane < ${tile}u) {
    sums[lane] = mass;
    if (tile0 + lane < u.queries) {
      var logMass = 0.0;
      if (!(mass == 0.0)) { logMass = top + logOf(mass); }
      lse[(b * u.heads + h) * u.queries + tile0 + lane] = logMass;
    }
  }
  workgroupBarrier();
${storeSums(chunks, "o", { binding: "out", ...queries }, "select(sum / sums[y + i], 0.0, sums[y + i] == 0.0)")}
`)}`,
    }),
);
