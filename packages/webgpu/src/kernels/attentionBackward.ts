import { type Binding, type Shader, shader, variants } from "../kernel/shader.ts";
import {
  accumulate,
  attentionUniforms,
  declareSums,
  dropUniforms,
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
import { rowsCode } from "../wgsl/rows.ts";

/**
 * Kernel that writes two values for each row (a query of one head) to `numbers` [B, H, T, 2]: the log-sum-exp of its
 * scores, and the dot product of its dout and out.
 */
export const rowStatistics: Shader = shader({
  name: "attentionBackward, rows",
  bindings: { dout: "read f32", out: "read f32", lse: "read f32", numbers: "write f32" },
  uniforms: { rows: "u32", queries: "u32", heads: "u32", size: "u32" },
  code: (subgroups) =>
    rowsCode(
      subgroups,
      false,
      `  let i = row % u.queries;
  let h = (row / u.queries) % u.heads;
  let at = (((row / u.queries / u.heads) * u.queries + i) * u.heads + h) * u.size;
  var sum = 0.0;
  for (var d = part; d < u.size; d += width) { sum += dout[at + d] * out[at + d]; }
  let delta = total(part, sum);
  if (part == 0u) { numbers[2u * row] = lse[row]; numbers[2u * row + 1u] = delta; }`,
    ),
});

const queries = { base: "qAt", row0: "row0", rows: "u.queries", step: "u.heads * u.size" } as const;
const keys = { base: "kAt", row0: "key0", rows: "u.keys", step: "u.kvHeads * u.size" } as const;

const bindingsOf = (masked: boolean): Record<string, Binding> => ({
  ...({ dout: "read f32", q: "read f32", k: "read f32", v: "read f32", numbers: "read f32" } as const),
  ...maskBinding(masked),
});

/**
 * WGSL that computes, for a thread's 4 by 4 (query, key) pairs, the attention weights in `s` and the gradients of the
 * scores in `g`.
 */
const pairs = (chunks: number): string => `${products(
  chunks,
  "s",
  (c) => load({ to: "left", binding: "q", ...queries, chunk: c, across: true }),
  (c) => load({ to: "right", binding: "k", ...keys, chunk: c, across: true }),
)}
${products(
  chunks,
  "g",
  (c) => load({ to: "left", binding: "dout", ...queries, chunk: c, across: true }),
  (c) => load({ to: "right", binding: "v", ...keys, chunk: c, across: true }),
)}
    for (var i = 0u; i < 4u; i++) {
      let query = row0 + y + i;
      let row = 2u * ((b * u.heads + h) * u.queries + min(query, u.queries - 1u));
      for (var j = 0u; j < 4u; j++) {
        let seen = isSeen(b, h, query, key0 + x + j);
        let score = scoreOf(s[i][j]);
        var weight = 0.0;
        if (seen) { weight = expOf(score - numbers[row]); }
        let factor = factorOf(b, h, query, key0 + x + j);
        var slope = u.scale;
        if (u.softcap > 0.0) { let bent = score / u.softcap; slope *= 1.0 - bent * bent; }
        var dscore = 0.0;
        if (seen) { dscore = weight * (g[i][j] * factor - numbers[row + 1u]) * slope; }
        s[i][j] = weight * factor;
        g[i][j] = dscore;
      }
    }`;

/** Kernel that computes dq for a tile of queries, summed over tiles of keys. */
export const queryGradient: (chunks: number, masked: boolean, dropped: boolean) => Shader = variants(
  (chunks: number, masked: boolean, dropped: boolean) =>
    shader({
      name: `attentionBackward, queries, ${32 * chunks} numbers a head`,
      bindings: { ...bindingsOf(masked), dq: "write f32" },
      uniforms: { ...attentionUniforms, ...(dropped ? dropUniforms : {}) },
      code: `${pairCode(masked, dropped)}
${tileMemory}
${tileEntry(`
  let h = groupId.y;
  let qAt = ${queryPlace};
  let kAt = ${keyPlace};
  let row0 = tile0;
${declareSums(chunks, "o")}
  var first = 0u;
  var end = u.keys;
  if (u.causal != 0u) {
    let own = i32(u.keys) - i32(u.queries) + i32(row0);
    end = u32(clamp(own + ${tile}, 0, i32(u.keys)));
    if (u.window > 0u) { first = u32(max(own - i32(u.window) + 1, 0)) / ${tile}u * ${tile}u; }
  }
  for (var key0 = first; key0 < end; key0 += ${tile}u) {
${pairs(chunks)}
${eachPair((i, j) => `left[x + ${j}][y + ${i}] = g[${i}][${j}];`)}
${accumulate(chunks, "o", (c) => load({ to: "right", binding: "k", ...keys, chunk: c }))}
    workgroupBarrier();
  }
${storeSums(chunks, "o", { binding: "dq", ...queries }, "sum")}
`)}`,
    }),
);

/**
 * Kernel that computes dk and dv for a tile of keys, summed in order over the queries of all heads that share the keys.
 */
export const keyGradient: (chunks: number, masked: boolean, dropped: boolean) => Shader = variants(
  (chunks: number, masked: boolean, dropped: boolean) =>
    shader({
      name: `attentionBackward, keys, ${32 * chunks} numbers a head`,
      bindings: { ...bindingsOf(masked), dk: "write f32", dv: "write f32" },
      uniforms: { ...attentionUniforms, ...(dropped ? dropUniforms : {}) },
      code: `${pairCode(masked, dropped)}
${tileMemory}
${tileEntry(`
  let key0 = tile0;
${declareSums(chunks, "o")}
${declareSums(chunks, "w")}
  var first = 0u;
  var end = u.queries;
  if (u.causal != 0u) {
    let own = i32(key0) - (i32(u.keys) - i32(u.queries));
    first = u32(max(own, 0)) / ${tile}u * ${tile}u;
    if (u.window > 0u) { end = u32(clamp(own + ${tile - 1} + i32(u.window), 0, i32(u.queries))); }
  }
  if (key0 >= u.keys) { end = 0u; }
  for (var h = groupId.y * u.group; h < (groupId.y + 1u) * u.group; h++) {
    let qAt = ${queryPlace};
    let kAt = ${keyPlace};
    for (var row0 = first; row0 < end; row0 += ${tile}u) {
${pairs(chunks)}
${eachPair((i, j) => `left[y + ${i}][x + ${j}] = s[${i}][${j}];`)}
${accumulate(chunks, "w", (c) => load({ to: "right", binding: "dout", ...queries, chunk: c }))}
    workgroupBarrier();
${eachPair((i, j) => `left[y + ${i}][x + ${j}] = g[${i}][${j}];`)}
${accumulate(chunks, "o", (c) => load({ to: "right", binding: "q", ...queries, chunk: c }))}
    workgroupBarrier();
    }
  }
  let kAt = (b * u.capacity * u.kvHeads + groupId.y) * u.size;
${storeSums(chunks, "o", { binding: "dk", ...keys, rows: "u.capacity" }, "sum")}
${storeSums(chunks, "w", { binding: "dv", ...keys, rows: "u.capacity" }, "sum")}
`)}`,
    }),
);
