import { type Shader, shader, variants } from "../../kernel/shader.ts";
import { type Tile, type TileName, tiles } from "../../kernel/tiles.ts";
import { halfCode } from "../../wgsl/rounding.ts";
import { joinBegin, laneCode } from "../../wgsl/rows.ts";
import { walk } from "../../wgsl/walk.ts";
import { loadSharedCodebook, type Operand, operandBinding, operandCode, type Storage } from "./operand.ts";

const part = "xyzw";
const each = (n: number, text: (i: number) => string, gap = "\n"): string =>
  Array.from({ length: n }, (_, i) => text(i)).join(gap);

/**
 * WGSL that multiplies and adds one term of each of a thread's sums. `a(i)` and `b(j)` are the WGSL variables that hold
 * the operands' values for row i and column j.
 */
function multiply({ rows, columns }: Tile, a: (i: number) => string, b: (j: number) => string): string {
  return each(rows, (i) => each(columns, (j) => `s${i}_${j} += ${a(i)} * ${b(j)};`, " "));
}

/**
 * WGSL of the offset in a row at which four elements are read. If row lengths are multiples of four, it is at most
 * `end` - 4, so that the four elements are inside the row. Otherwise it is `at`.
 */
const clamped = ({ fours }: Operand, at: string, end: string): string => (fours ? `min(${at}, ${end} - 4u)` : at);

/**
 * Returns WGSL (`code`) that reads four terms of the sums over k, for each row (operand a) or column (operand w) of a
 * thread. After it, `of(i, c)` is the WGSL expression for term c of the i-th of these rows or columns. `places` are
 * WGSL expressions for the indices of these rows or columns.
 */
function readOwn(
  operand: Operand,
  places: readonly string[],
  tailed: boolean,
): { code: string; of: (i: number, c: number) => string } {
  const { name, alongSum } = operand;
  const [size, at, stride] = name === "a" ? ["u.m", "atA", "u.strideA"] : ["u.n", "atW", "u.strideW"];
  if (alongSum) {
    return {
      code: places
        .map((place, i) => `let ${name}${i} = row_${name}(${at} + min(${place}, ${size} - 1u) * ${stride}, p, u.k);`)
        .join("\n"),
      of: (i, c) => `${name}${i}.${part[c]}`,
    };
  }
  const groups = places.filter((_, i) => i % 4 === 0);
  const read = (place: string, c: number) => {
    const four = `row_${name}(${at} + (p + ${c}u) * ${stride}, ${clamped(operand, place, size)}, ${size})`;
    // Terms from `end` on are set to 0 on both sides, since the memory there may hold any value.
    return tailed ? `select(vec4f(), ${four}, p + ${c}u < end)` : four;
  };
  return {
    code: each(4, (c) => groups.map((place, i) => `let ${name}${c}_${i} = ${read(place, c)};`).join("\n")),
    of: (i, c) => `${name}${c}_${i >> 2}.${part[i & 3]}`,
  };
}

/**
 * Returns the distance between the columns that one thread computes. It is `across` if operands are staged, or if a row
 * of w in memory runs along k. Otherwise it is 1, and each thread reads four adjacent columns. In all cases adjacent
 * threads read adjacent data.
 */
const columnStep = ({ depth, across }: Tile, w: Operand): number => (depth > 0 || w.alongSum ? across : 1);

/** WGSL that computes a thread's sums by reading its rows of a and columns of w directly from the tensors. */
function direct(tile: Tile, a: Operand, w: Operand, tailed: boolean): string {
  const { rows, columns, lanes } = tile;
  const step = columnStep(tile, w);
  const own = (count: number, first: string, gap: number) =>
    Array.from({ length: count }, (_, i) => `${first} + ${i * gap}u`);
  const left = readOwn(a, own(rows, "row", 1), tailed);
  const right = readOwn(w, own(columns, "column", step), tailed);
  return `for (var p = begin${lanes > 1 ? " + 4u * turn" : ""}; p < end; p += ${4 * lanes}u) {
${left.code}
${right.code}
${each(4, (c) =>
  multiply(
    tile,
    (i) => left.of(i, c),
    (j) => right.of(j, c),
  ),
)}
}`;
}

/** WGSL that copies the next `depth` terms of an operand to workgroup memory, four elements at a time. */
function stage(operand: Operand, threads: number, width: number, depth: number): string {
  const { name, alongSum } = operand;
  const [first, size, at, stride, memory] =
    name === "a" ? ["row0", "u.m", "atA", "u.strideA", "left"] : ["column0", "u.n", "atW", "u.strideW", "right"];
  const fours = (width * depth) / 4;
  const read = alongSum
    ? `let term = 4u * (i % ${depth / 4}u); let r = i / ${depth / 4}u;
if (p + term < end) { v = row_${name}(${at} + min(${first} + r, ${size} - 1u) * ${stride}, p + term, u.k); }
${each(4, (c) => `${memory}[(term + ${c}u) * ${width}u + r] = v.${part[c]};`, " ")}`
    : `let term = i / ${width / 4}u; let r = 4u * (i % ${width / 4}u);
if (p + term < end) { v = row_${name}(${at} + (p + term) * ${stride}, ${clamped(operand, `${first} + r`, size)}, ${size}); }
${each(4, (c) => `${memory}[term * ${width}u + r + ${c}u] = v.${part[c]};`, " ")}`;
  return `for (var i = lane; i < ${fours}u; i += ${threads}u) {
var v = vec4f();
${read}
}`;
}

/** WGSL that computes a thread's sums from operands that are copied to workgroup memory first. */
function staged(tile: Tile, a: Operand, w: Operand): string {
  const { rows, columns, down, across, depth } = tile;
  const [height, width] = [rows * down, columns * across];
  return `for (var p = begin; p < end; p += ${depth}u) {
${stage(a, down * across, height, depth)}
${stage(w, down * across, width, depth)}
workgroupBarrier();
for (var c = 0u; c < ${depth}u; c++) {
${each(rows, (i) => `let a${i} = left[c * ${height}u + y + ${i}u];`)}
${each(columns, (j) => `let b${j} = right[c * ${width}u + x + ${j * across}u];`)}
${multiply(
  tile,
  (i) => `a${i}`,
  (j) => `b${j}`,
)}
}
workgroupBarrier();
}`;
}

/** True if all threads of a workgroup compute the same piece, so that subgroup operations can add their sums. */
const isShared = ({ across, lanes }: Tile): boolean => lanes > 1 && across === 1;

/** WGSL that adds up the sums of the threads that share a piece, always in the same order. */
function join(tile: Tile, subgroups: boolean): string {
  const { rows, columns, across, lanes } = tile;
  const count = rows * columns;
  const all = (text: (name: string, k: number) => string) =>
    each(count, (k) => text(`s${Math.floor(k / columns)}_${k % columns}`, k));
  const at = (k: number, turn: string) => `(${turn} * ${across}u + piece) * ${count}u + ${k}u`;
  if (subgroups && isShared(tile)) {
    // Same method as `joinCode` of joins.ts, for many values at a time.
    return `${all(
      (name, k) => `${name} = subgroupAdd(${name});
shared_sums[${at(k, "turn")}] = select(0.0, ${name}, laneRank == 0u);`,
    )}
workgroupBarrier();
${all((name) => `${name} = 0.0;`)}
for (var i = laneRank; i < ${lanes}u; i += laneCount) {
${all((name, k) => `${name} += shared_sums[${at(k, "i")}];`)}
}
${all((name) => `${name} = subgroupAdd(${name});`)}
workgroupBarrier();`;
  }
  return `${all((name, k) => `shared_sums[${at(k, "turn")}] = ${name};`)}
workgroupBarrier();
for (var half = ${lanes / 2}u; half > 0u; half >>= 1u) {
if (turn < half) {
${all((_, k) => `shared_sums[${at(k, "turn")}] += shared_sums[${at(k, "(turn + half)")}];`)}
}
workgroupBarrier();
}
${all((name, k) => `${name} = shared_sums[${at(k, "0u")}];`)}
workgroupBarrier();`;
}

/** Selects how a sum is stored: as it is, times `scale`, or added to the value in memory. */
export type Ending = "sum" | "scaled" | "added" | "added scaled";

const endings: Record<Ending, (at: string, sum: string) => string> = {
  sum: (at, sum) => `out[${at}] = ${sum};`,
  scaled: (at, sum) => `out[${at}] = u.scale * ${sum};`,
  added: (at, sum) => `out[${at}] += ${sum};`,
  "added scaled": (at, sum) => `out[${at}] += u.scale * ${sum};`,
};

/** Returns the WGSL statement that stores a sum at element `at` of the result. */
export const storeSum = (ending: Ending, at: string, sum: string): string => endings[ending](at, sum);

function store(tile: Tile, w: Operand, ending: Ending, sum: string): string {
  const { rows, columns, lanes } = tile;
  const step = columnStep(tile, w);
  const row = (i: number) => `if (row + ${i}u < u.m) {
let first = u.startOut + (slice * u.m + row + ${i}u) * u.strideOut + column;
${each(columns, (j) => `if (column + ${j * step}u < u.n) { ${storeSum(ending, `first + ${j * step}u`, `${sum}${i}_${j}`)} }`)}
}`;
  return lanes > 1 ? `if (turn == 0u) {\n${each(rows, row)}\n}` : each(rows, row);
}

/** The arguments of `tiled`. */
export type ProductKind = [
  tileName: TileName,
  storage: Storage,
  transposeA: boolean,
  transposeB: boolean,
  foursA: boolean,
  foursW: boolean,
  tailed: boolean,
  rank: number,
  ending: Ending,
  blocks: boolean,
];

/**
 * Kernel that computes out = a w for a batch of matrices, in tiles. Either operand may be stored transposed. `tailed`
 * is true if k is not a multiple of four. The sums over k are cut into `parts` parts of `each` terms, whose results are
 * stored one after the other in `out`. With `blocks`, one thread computes all parts in turn and adds them in the order
 * in which separately computed parts are added.
 */
export const tiled: (...kind: ProductKind) => Shader = variants(
  (
    ...[tileName, storage, transposeA, transposeB, foursA, foursW, tailed, rank, ending, blocks]: ProductKind
  ): Shader => {
    const tile: Tile = tiles[tileName];
    const { rows, columns, down, across, lanes, depth } = tile;
    const threads = down * across * lanes;
    const { uniforms, code } = walk(rank, ["atA", "atW"], "batch");
    const a: Operand = { name: "a", storage: "f32", alongSum: !transposeA, fours: foursA };
    const w: Operand = { name: "w", storage, alongSum: transposeB, fours: foursW };
    const waits = depth > 0 || lanes > 1;
    const memory = [
      ...(depth > 0 ? [["left", rows * down * depth] as const, ["right", columns * across * depth] as const] : []),
      ...(lanes > 1 ? [["shared_sums", rows * columns * threads] as const] : []),
    ];
    return shader<string, string>({
      name: `product, ${tileName}, ${storage}${transposeA ? ", transposeA" : ""}${transposeB ? ", transposeB" : ""}`,
      enable: storage === "native f16" ? ["f16"] : [],
      bindings: { a: operandBinding(a), w: operandBinding(w), out: "write f32" },
      uniforms: {
        ...uniforms,
        ...({ m: "u32", n: "u32", k: "u32", batches: "u32", parts: "u32", each: "u32", scale: "f32" } as const),
        ...({ startA: "u32", startW: "u32", startOut: "u32" } as const),
        ...({ strideA: "u32", strideW: "u32", strideOut: "u32" } as const),
      },
      code: (subgroups) => `${halfCode}
${operandCode(a, waits)}
${operandCode(w, waits)}
${subgroups && isShared(tile) ? laneCode : ""}
${memory.map(([name, size]) => `var<workgroup> ${name}: array<f32, ${size}>;`).join("\n")}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
${joinBegin(subgroups && isShared(tile))}
${waits ? loadSharedCodebook(w) : ""}
let piece = ${lanes > 1 ? (across > 1 ? `lane % ${across}u` : "0u") : "lane"};
${lanes > 1 ? `let turn = lane / ${across}u;` : ""}
let y = (piece / ${across}u) * ${rows}u;
let x = (piece % ${across}u) * ${columnStep(tile, w) === 1 ? columns : 1}u;
let rowTiles = (u.m + ${rows * down - 1}u) / ${rows * down}u;
for (var column0 = group.x * ${columns * across}u; column0 < u.n; column0 += groups.x * ${columns * across}u) {
let column = column0 + x;
for (var work = group.y; work < rowTiles * u.batches * u.parts; work += groups.y) {
let row0 = (work % rowTiles) * ${rows * down}u;
let row = row0 + y;
let slice = work / rowTiles;
let batch = slice % u.batches;
${
  blocks
    ? each(rows, (i) => each(columns, (j) => `var t${i}_${j} = 0.0;`, " "))
    : "let begin = (slice / u.batches) * u.each;"
}
var atA = u.startA;
var atW = u.startW;
${code}
${blocks ? "for (var begin = 0u; begin < u.k; begin += u.each) {" : ""}
${
  waits
    ? "let end = min(u.k, begin + u.each);"
    : // Threads beyond the edges have no terms.
      `let end = select(begin, min(u.k, begin + u.each), row < u.m && column < u.n);`
}
${each(rows, (i) => each(columns, (j) => `var s${i}_${j} = 0.0;`, " "))}
${depth === 0 ? direct(tile, a, w, tailed) : staged(tile, a, w)}
${lanes > 1 ? join(tile, subgroups) : ""}
${blocks ? `${each(rows, (i) => each(columns, (j) => `t${i}_${j} += s${i}_${j};`, " "))}\n}` : ""}
${store(tile, w, ending, blocks ? "t" : "s")}
}
}
}`,
    });
  },
);
