import type { Traversal } from "@lowrank/core/backend";
import type { Gpu, GpuTensor } from "../../kernel/kernel.ts";
import { type Dispatch, entry, shader, spread, variants } from "../../kernel/shader.ts";
import { spanOf } from "../../kernel/tiles.ts";
import { walkValues } from "../../wgsl/walk.ts";
import { cutOf } from "./cut.ts";
import type { Storage } from "./operand.ts";
import { type Product, piecesOf, stridesOf } from "./pieces.ts";
import { type Ending, storeSum, tiled } from "./tiled.ts";

const oneMatrix: Traversal = { sizes: [], strides: [[], []] };

/** Adds the separately computed parts of each sum, in order, and stores the result. */
const joinParts = variants((ending: Ending) =>
  shader({
    name: `product, parts, ${ending}`,
    bindings: { x: "read f32", out: "write f32" },
    uniforms: { size: "u32", parts: "u32", scale: "f32", n: "u32", start: "u32", stride: "u32" },
    code: entry(
      64,
      `  if (index >= u.size) { return; }
  var sum = 0.0;
  for (var part = 0u; part < u.parts; part++) { sum += x[part * u.size + index]; }
  let at = u.start + (index / u.n) * u.stride + index % u.n;
  ${storeSum(ending, "at", "sum")}`,
    ),
  }),
);

/** Returns the stored format of a weight, which selects the kernel. */
function storageOf({ dtype, packing }: GpuTensor, fours: boolean, gpu: Gpu): Storage {
  if (dtype === "f16" && fours && gpu.features.has("shader-f16")) return "native f16";
  return packing?.nested ? `${dtype} nested` : dtype;
}

/** Returns the dispatches of a matrix product. If a tensor is larger than the device can bind, the product is cut. */
export function product(given: Product, gpu: Gpu): Dispatch[] {
  return piecesOf(given, gpu.limits.maxStorageBufferBindingSize).flatMap((piece) => runsOf(piece, gpu));
}

function runsOf(given: Product, gpu: Gpu): Dispatch[] {
  const { a, w, out, m, n, k, transposeA = false, transposeB = false, ending = "sum", scale = 1, start = {} } = given;
  const { batch = oneMatrix } = given;
  const { a: strideA, w: strideW, out: strideOut } = stridesOf(given);
  const batches = batch.sizes.reduce((all, size) => all * size, 1);
  const { tile, parts, each, blocks } = cutOf({ m, n, k, batches, transposeB }, gpu);
  const { height, width } = spanOf(tile);
  const fours = (...sizes: number[]) => sizes.every((size) => size !== 0 && size % 4 === 0);
  const [foursA, foursW] = [fours(transposeA ? m : k, strideA), fours(transposeB ? k : n, strideW)];
  const strides = [batch.strides[0].map((s) => s * m * k), batch.strides[1].map((s) => s * k * n)];
  const walked = walkValues({ sizes: batch.sizes, strides }, ["atA", "atW"]);
  const { a: startA = 0, w: startW = 0, out: startOut = 0 } = start;
  const sizes = { ...walked, m, n, k, batches, parts, each, scale, startA, startW, strideA, strideW };
  const most = gpu.limits.maxComputeWorkgroupsPerDimension;
  const groups = [
    Math.min(Math.ceil(n / width), most),
    Math.min(Math.ceil(m / height) * batches * parts, most),
    1,
  ] as const;
  const run = (to: GpuTensor, end: Ending, place: { startOut: number; strideOut: number }): Dispatch => {
    const storage = storageOf(w, foursW, gpu);
    const rank = batch.sizes.length;
    const made = tiled(tile, storage, transposeA, transposeB, foursA, foursW, k % 4 !== 0, rank, end, blocks);
    return made.dispatch({ a, w, out: to }, { ...sizes, ...place }, groups);
  };
  if (parts === 1) return [run(out, ending, { startOut, strideOut })];
  const size = batches * m * n;
  const x = gpu.scratch({ shape: [parts, size], dtype: "f32" });
  const joined = { size, parts, scale, n, start: startOut, stride: strideOut };
  return [
    run(x, "sum", { startOut: 0, strideOut: n }),
    joinParts(ending).dispatch({ x, out }, joined, spread(size, 64)),
  ];
}
