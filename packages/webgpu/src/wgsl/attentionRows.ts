import { type Shader, type ShaderParts, shader } from "../kernel/shader.ts";
import { orderCode } from "./math.ts";
import { rowsCode } from "./rows.ts";

/** WGSL with which `attentionRows` makes a kernel: how to find a row's query, and its keys and values. */
interface RowParts extends Pick<ShaderParts<string, string>, "name" | "bindings" | "uniforms"> {
  /** Maximum number of elements in a head. */
  readonly size: number;
  /** WGSL functions that the other code calls. */
  readonly helpers: string;
  /**
   * WGSL that declares the offset `qAt` of the query's first element, and the range `first` to `end` of the keys to
   * visit.
   */
  readonly begin: string;
  /**
   * Body of `fn placeOf(row: u32, j: u32) -> i32`, which returns the offset of key j's first element, or -1 if the key
   * is masked.
   */
  readonly place: string;
  /**
   * WGSL that one thread runs at the end. It can read `top`, the highest score, and `mass`, the sum of exp(score -
   * top).
   */
  readonly end: string;
}

/** Number of keys that a workgroup processes at a time, one per thread. */
const together = 64;

/**
 * Makes an attention kernel with one workgroup per row (a query of one head), for few queries and many keys, as in
 * decoding. Masked keys are skipped, since their memory may hold anything, even NaN.
 */
export function attentionRows({ name, bindings, uniforms, size, helpers, begin, place, end }: RowParts): Shader {
  const parts = Array.from({ length: Math.ceil(size / together) }, (_, c) => c);
  return shader({
    name,
    bindings,
    uniforms: { ...uniforms, rows: "u32" },
    code: (subgroups) => `${helpers}
${orderCode}
var<workgroup> query: array<f32, ${parts.length * together}>;
var<workgroup> weights: array<f32, ${together}>;
var<workgroup> places: array<u32, ${together}>;
var<workgroup> range: vec2u;
fn placeOf(row: u32, j: u32) -> i32 {
${place}
}
${rowsCode(
  subgroups,
  false,
  `  ${begin}
  if (part == 0u) { range = vec2u(first, end); }
  for (var d = part; d < u.size; d += width) { query[d] = q[qAt + d]; }
  let keys = workgroupUniformLoad(&range);
  var top = lowest;
  var mass = 0.0;
  ${parts.map((c) => `var o${c} = 0.0;`).join(" ")}
  for (var key0 = keys.x; key0 < keys.y; key0 += width) {
    var score = lowest;
    var place = -1;
    if (key0 + part < keys.y) { place = placeOf(row, key0 + part); }
    if (place >= 0) {
      var sum = 0.0;
      for (var d = 0u; d < u.size; d++) { sum += query[d] * k[u32(place) + d]; }
      score = scoreOf(sum);
    }
    let best = bitcast<f32>(bitsOfOrder(max(orderOf(bitcast<u32>(top)), most(part, orderOf(bitcast<u32>(score))))));
    var weight = 0.0;
    if (place >= 0) { weight = expOf(score - best); }
    weights[part] = weight;
    places[part] = u32(max(place, 0));
    let shrink = expOf(top - best);
    mass = mass * shrink + total(part, weight);
    top = best;
    ${parts.map((c) => `o${c} *= shrink;`).join(" ")}
    for (var t = 0u; t < min(width, keys.y - key0); t++) {
      if ((bitcast<u32>(weights[t]) & 0x7fffffffu) == 0u) { continue; }
      ${parts
        .map(
          (c) =>
            `if (part + ${c * together}u < u.size) { o${c} += weights[t] * v[places[t] + part + ${c * together}u]; }`,
        )
        .join("\n      ")}
    }
    workgroupBarrier();
  }
  ${parts
    .map(
      (c) =>
        `if (part + ${c * together}u < u.size) { out[qAt + part + ${c * together}u] = select(o${c} / mass, 0.0, mass == 0.0); }`,
    )
    .join("\n  ")}
  if (part == 0u) { ${end} }`,
)}`,
  });
}
