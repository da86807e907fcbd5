import type { sampleTokensOp } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { shader, variants } from "../kernel/shader.ts";
import { state as exampleState, f32 } from "../selfCheck/shrink.ts";
import { mathCode, rankCode } from "../wgsl/math.ts";
import { philoxCode, philoxUniforms, philoxValues } from "../wgsl/philox.ts";
import { rowGroups, rowsCode } from "../wgsl/rows.ts";

const each = (body: string): string =>
  `for (var i = part; i < u.n; i += width) { let x = logits[at + i]; let key = keyOf(x); ${body} }`;

/**
 * Returns WGSL that finds the largest integer key for which the condition `enough` holds, and stores it in the variable
 * `name`. It sets the key bit by bit. For each candidate key `tried`, the threads run the WGSL `count` for every token;
 * `count` adds to the variable `counted`. Then `enough` can read the total over all tokens as `reached`.
 */
const largestKey = (name: string, count: string, enough: string): string => `var ${name} = 0u;
  for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
    let tried = ${name} | bit;
    var counted = 0.0;
    ${each(count)}
    let reached = total(part, counted);
    if (${enough}) { ${name} = tried; }
  }`;

/**
 * WGSL that computes `odd`: the probability of token i divided by the highest probability, or 0 if top-k, top-p or
 * min-p removes the token. Keys are integers in the order of the logits. The lowest key that top-p still admits is
 * `edge`. Several tokens may have this key; `tie` is the number of such tokens before token i.
 */
const oddCode = (nucleus: boolean): string => `let x = logits[at + i];
      let key = keyOf(x);
      var odd = expOf((x - top) * u.scale);
      if (key < least || odd < u.minP) { odd = 0.0; }
      ${
        nucleus
          ? `if (key < edge) { odd = 0.0; }
      if (key == edge) {
        if (mass + tie * odd >= limit) { odd = 0.0; }
        tie += 1.0;
      }`
          : ""
      }`;

/**
 * Kernel that samples a token from each row. Each logit is mapped to an integer key, so that higher logits have higher
 * keys. The lowest key that top-k or top-p still admits is found bit by bit, without sorting. If rounding keeps the
 * total probability below top-p, top-p removes no token.
 */
const drawn = variants((limited: boolean, nucleus: boolean) =>
  shader({
    name: `sampleTokens${limited ? ", top-k" : ""}${nucleus ? ", top-p" : ""}`,
    bindings: { logits: "read f32", out: "write i32" },
    uniforms: {
      ...({ rows: "u32", n: "u32", k: "f32", topP: "f32", minP: "f32", scale: "f32" } as const),
      ...philoxUniforms,
    },
    code: (subgroups) => `${mathCode("exp")}${rankCode}${philoxCode}
fn keyOf(x: f32) -> u32 { return bitcast<u32>(rankOf(bitcast<u32>(x))) ^ 0x80000000u; }
${rowsCode(
  subgroups,
  false,
  `  let at = row * u.n;
  var order = -2139095041;
  for (var i = part; i < u.n; i += width) { order = max(order, orderOf(bitcast<u32>(logits[at + i]))); }
  let top = bitcast<f32>(bitsOfOrder(most(part, order)));
  ${limited ? largestKey("least", "counted += select(0.0, 1.0, key >= tried);", "reached >= u.k") : "let least = 0u;"}
  var sum = 0.0;
  ${each("if (key >= least) { sum += expOf((x - top) * u.scale); }")}
  let limit = total(part, sum) * u.topP;
  ${
    nucleus
      ? `${largestKey("passed", "if (key > tried && key >= least) { counted += expOf((x - top) * u.scale); }", "reached >= limit")}
  var above = 0.0;
  ${each("if (key > passed && key >= least) { above += expOf((x - top) * u.scale); }")}
  let edge = select(passed + 1u, 0u, total(part, above) < limit);
  var likelier = 0.0;
  ${each("if (key > edge && key >= least) { likelier += expOf((x - top) * u.scale); }")}
  let mass = total(part, likelier);`
      : ""
  }
  let run = (u.n + width - 1u) / width;
  let first = min(part * run, u.n);
  let end = min(first + run, u.n);
  ${
    nucleus
      ? `var ties = 0.0;
  for (var i = first; i < end; i++) { if (keyOf(logits[at + i]) == edge) { ties += 1.0; } }
  let tiesBefore = before(part, ties).x;`
      : ""
  }
  var kept = 0.0;
  var last = -1;
  var tie = ${nucleus ? "tiesBefore" : "0.0"};
  for (var i = first; i < end; i++) { ${oddCode(nucleus)} if (odd > 0.0) { kept += odd; last = i32(i); } }
  let reach = before(part, kept);
  let place = row + u.skipped;
  let uniform01 = f32(philox(place >> 2u)[place & 3u] >> 8u) * 5.9604644775390625e-8;
  let wanted = uniform01 * reach.y;
  var token = -1;
  var sumSoFar = reach.x;
  if (wanted >= reach.x && wanted < reach.x + kept) {
    tie = ${nucleus ? "tiesBefore" : "0.0"};
    for (var i = first; i < end; i++) {
      ${oddCode(nucleus)}
      sumSoFar += odd;
      if (odd > 0.0 && wanted < sumSoFar) { token = i32(i); break; }
    }
    if (token < 0) { token = last; }
  }
  let found = most(part, token);
  let fallback = most(part, last);
  if (part == 0u) {
    out[row] = select(select(found, fallback, found < 0), -1, magnitudeOf(top) >= 0x7f800000u);
  }`,
)}`,
  }),
);

export const sampleTokensKernel: WebGpuKernel = kernel<typeof sampleTokensOp>(
  "sampleTokens",
  ([logits], [out], { state, temperature = 1, topK = 0, topP = 1, minP = 0 }) => {
    const [rows, n] = logits.shape;
    const limited = topK > 0 && topK < n;
    const values = { rows, n, k: topK, topP, minP, scale: 1 / temperature, ...philoxValues(state) };
    return [drawn(limited, topP < 1).dispatch({ logits, out }, values, rowGroups(rows, false))];
  },
  {
    example: ([{ shape }], params) => ({
      inputs: [f32(4, Math.min(shape[1], 60))],
      params: { ...params, state: exampleState },
    }),
  },
);
