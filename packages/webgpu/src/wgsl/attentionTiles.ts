import type { Binding, Scalar } from "../kernel/shader.ts";
import { mathCode } from "./math.ts";
import { dropCode, philoxCode, philoxUniforms } from "./philox.ts";

/** Number of queries, and number of keys, in a tile. A workgroup's 64 threads compute 4 queries by 4 keys each. */
export const tile = 32;

const chunk = 32;

/** Returns the number of 32-element chunks into which a head of `size` elements is cut. */
export const chunksOf = (size: number): number => Math.ceil(size / chunk);

/** Uniforms of all attention kernels. */
export const attentionUniforms: Readonly<Record<string, Scalar>> = {
  ...({ queries: "u32", keys: "u32", capacity: "u32", heads: "u32", kvHeads: "u32", group: "u32" } as const),
  ...({ size: "u32", scale: "f32", causal: "u32", window: "u32", softcap: "f32" } as const),
  ...({ maskBatch: "u32", maskHead: "u32", maskQuery: "u32" } as const),
};

/** Additional uniforms of kernels with attention dropout. */
export const dropUniforms: Readonly<Record<string, Scalar>> = { ...philoxUniforms, threshold: "u32", kept: "f32" };

/** Returns the binding of the attention mask; an empty object if there is no mask. */
export const maskBinding = (masked: boolean): Record<string, Binding> => (masked ? { mask: "read u32" } : {});

/**
 * WGSL functions for a (query, key) pair. `scoreOf` returns the attention score for a dot product. `isSeen` returns
 * true if the query may attend to the key. `factorOf` returns the factor of dropout.
 */
export const pairCode = (masked: boolean, dropped: boolean): string => `${mathCode("exp", "log", "tanh")}
${
  dropped
    ? `${philoxCode}
${dropCode}`
    : ""
}
const lowest = -3.4028234e38;
fn scoreOf(product: f32) -> f32 {
  let s = product * u.scale;
  if (u.softcap > 0.0) { return u.softcap * tanhOf(s / u.softcap); }
  return s;
}
fn isSeen(b: u32, h: u32, i: u32, j: u32) -> bool {
  if (i >= u.queries || j >= u.keys) { return false; }
  let ahead = i32(j) - (i32(u.keys) - i32(u.queries) + i32(i));
  if (u.causal != 0u && (ahead > 0 || (u.window > 0u && ahead <= -i32(u.window)))) { return false; }
  ${
    masked
      ? `let at = b * u.maskBatch + h * u.maskHead + i * u.maskQuery + j;
  return ((mask[at >> 2u] >> (8u * (at & 3u))) & 255u) != 0u;`
      : "return true;"
  }
}
fn factorOf(b: u32, h: u32, i: u32, j: u32) -> f32 {
  ${
    dropped
      ? `let n = ((b * u.heads + h) * u.queries + i) * u.keys + j + u.skipped;
  return select(u.kept, 0.0, isDropped(philox(n >> 2u)[n & 3u]));`
      : "return 1.0;"
  }
}`;

/** WGSL: the two operands of a 32 by 32 product in workgroup memory. The extra column avoids bank conflicts. */
export const tileMemory: string = `
var<workgroup> left: array<array<f32, ${tile + 1}>, ${chunk}>;
var<workgroup> right: array<array<f32, ${tile + 1}>, ${chunk}>;`;

/**
 * WGSL entry point of a workgroup that computes one tile, with `body` as its code. `y` and `x` are the row and column
 * in the tile at which the thread's 4 by 4 (query, key) pairs begin.
 */
export const tileEntry = (body: string): string => `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) groupId: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile0 = groupId.x * ${tile}u;
  let b = groupId.z;
  let y = (lane / 8u) * 4u;
  let x = (lane % 8u) * 4u;
${body}
}`;

/** WGSL of the offset of head `h`'s first element in the queries. */
export const queryPlace = "(b * u.queries * u.heads + h) * u.size";
/** WGSL of the offset, in the keys or values, of the first element of the key head that query head `h` uses. */
export const keyPlace = "(b * u.capacity * u.kvHeads + h / u.group) * u.size";

interface Load {
  readonly to: "left" | "right";
  /** WGSL name of the binding that holds the matrix. */
  readonly binding: string;
  /** WGSL of the offset at which the matrix starts in the binding. */
  readonly base: string;
  /** WGSL of the tile's first row. */
  readonly row0: string;
  /** WGSL of the number of rows of the matrix. */
  readonly rows: string;
  /** WGSL of the distance between rows, in elements. */
  readonly step: string;
  readonly chunk: number;
  /**
   * True to store the tile transposed in workgroup memory, as products whose sums run over the elements of a head
   * require. Default: false.
   */
  readonly across?: boolean;
}

/** WGSL that copies 32 rows of one chunk of a matrix to workgroup memory. Elements outside the matrix are 0. */
export const load = ({ to, binding, base, row0, rows, step, chunk: c, across = false }: Load): string => `
    for (var e = lane; e < ${tile * chunk}u; e += 64u) {
      let r = e / ${chunk}u;
      let d = e % ${chunk}u;
      var value = 0.0;
      if (${row0} + r < ${rows} && ${c * chunk}u + d < u.size) {
        value = ${binding}[${base} + (${row0} + r) * ${step} + ${c * chunk}u + d];
      }
      ${to}${across ? "[d][r]" : "[r][d]"} = value;
    }`;

/** WGSL that multiplies the transpose of `left` by `right`, and adds the thread's 4 by 4 results to `sums`. */
const multiply = (sums: string): string => `
    for (var p = 0u; p < ${chunk}u; p++) {
      let r = vec4f(right[p][x], right[p][x + 1u], right[p][x + 2u], right[p][x + 3u]);
      ${[0, 1, 2, 3].map((i) => `${sums}[${i}] += left[p][y + ${i}u] * r;`).join(" ")}
    }`;

/** WGSL that repeats `body(c)` for each chunk c of a head. It is unrolled, so that sums stay in registers. */
export const eachChunk = (chunks: number, body: (c: number) => string): string =>
  Array.from({ length: chunks }, (_, c) => body(c)).join("\n");

/** Returns WGSL that runs `body(i, j)` for each of the 16 (query i, key j) pairs of a thread's 4 by 4 tile. */
export const eachPair = (body: (i: string, j: string) => string): string => `
    for (var i = 0u; i < 4u; i++) {
      for (var j = 0u; j < 4u; j++) { ${body("i", "j")} }
    }`;

/**
 * WGSL that declares `name` as the thread's 4 by 4 dot products of queries and keys. `rows(c)` and `columns(c)` are
 * WGSL that loads chunk c of the two operands.
 */
export const products = (
  chunks: number,
  name: string,
  rows: (c: number) => string,
  columns: (c: number) => string,
): string => `
    var ${name} = array<vec4f, 4>();
${eachChunk(
  chunks,
  (c) => `    workgroupBarrier();${rows(c)}${columns(c)}
    workgroupBarrier();${multiply(name)}`,
)}
    workgroupBarrier();`;

/**
 * Returns WGSL that processes each chunk c of a head: it loads a tile with `rows(c)` and multiplies the transpose of
 * the tile `left` by it. The thread's 4 by 4 results are added to the sums of chunk c.
 */
export const accumulate = (chunks: number, sums: string, rows: (c: number) => string): string =>
  eachChunk(
    chunks,
    (c) => `    workgroupBarrier();${rows(c)}
    workgroupBarrier();${multiply(`${sums}${c}`)}`,
  );

/** WGSL that declares a thread's 4 by 4 sums for each chunk. */
export const declareSums = (chunks: number, sums: string): string =>
  eachChunk(chunks, (c) => `  var ${sums}${c} = array<vec4f, 4>();`);

/**
 * WGSL that stores a thread's sums in the rows of a matrix, except rows from `to.rows` on. `value` is the WGSL
 * expression of the value to store, which can read `sum`.
 */
export const storeSums = (chunks: number, sums: string, to: Omit<Load, "to" | "chunk">, value: string): string =>
  eachChunk(
    chunks,
    (c) => `
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) {
      let row = ${to.row0} + y + i;
      let d = ${c * chunk}u + x + j;
      let sum = ${sums}${c}[i][j];
      if (row < ${to.rows} && d < u.size) { ${to.binding}[${to.base} + row * ${to.step} + d] = ${value}; }
    }
  }`,
  );
