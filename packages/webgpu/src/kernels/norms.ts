import type {
  layerNorm,
  layerNormBackward,
  layerNormWeightBackward,
  rmsNorm,
  rmsNormBackward,
  rmsNormWeightBackward,
} from "@lowrank/core/backend";
import { type Gpu, type GpuTensor, kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, entry, shader, spread, variants } from "../kernel/shader.ts";
import { byRow } from "../kernel/split.ts";
import { rows as fewRows } from "../selfCheck/shrink.ts";
import { mathCode } from "../wgsl/math.ts";
import { isShort, rowGroups, rowsCode } from "../wgsl/rows.ts";

const uniforms = { rows: "u32", n: "u32", eps: "f32" } as const;
const each = (body: string): string => `for (var i = part; i < u.n; i += width) { ${body} }`;

/**
 * WGSL that computes for a row at offset `at` its `mean` (0 if not `centred`), and `root`, 1 / sqrt(variance + eps).
 */
const momentsCode = (centred: boolean): string => `let at = row * u.n;
  ${centred ? `var sum = 0.0; ${each("sum += x[at + i];")} let mean = total(part, sum) / f32(u.n);` : "let mean = 0.0;"}
  var squares = 0.0;
  ${each("let c = x[at + i] - mean; squares += c * c;")}
  let root = 1.0 / sqrtOf(total(part, squares) / f32(u.n) + u.eps);`;

const forwardLayer = variants((alone: boolean) =>
  shader({
    name: "layerNorm",
    bindings: { x: "read f32", weight: "read f32", bias: "read f32", out: "write f32" },
    uniforms,
    code: (subgroups) => `${mathCode("sqrt")}
${rowsCode(subgroups, alone, `  ${momentsCode(true)}\n  ${each("out[at + i] = (x[at + i] - mean) * root * weight[i] + bias[i];")}`)}`,
  }),
);

const forwardRms = variants((alone: boolean) =>
  shader({
    name: "rmsNorm",
    bindings: { x: "read f32", weight: "read f32", out: "write f32" },
    uniforms,
    code: (subgroups) => `${mathCode("sqrt")}
${rowsCode(subgroups, alone, `  ${momentsCode(false)}\n  ${each("out[at + i] = x[at + i] * root * weight[i];")}`)}`,
  }),
);

const backward = variants((centred: boolean, alone: boolean) =>
  shader({
    name: centred ? "layerNormBackward" : "rmsNormBackward",
    bindings: { dy: "read f32", x: "read f32", weight: "read f32", dx: "write f32" },
    uniforms,
    code: (subgroups) => `${mathCode("sqrt")}
${rowsCode(
  subgroups,
  alone,
  `  ${momentsCode(centred)}
  var slope = 0.0;
  var along = 0.0;
  ${each("let g = dy[at + i] * weight[i]; slope += g; along += g * ((x[at + i] - mean) * root);")}
  let level = ${centred ? "total(part, slope) / f32(u.n)" : "0.0"};
  let pull = total(part, along) / f32(u.n);
  ${each("dx[at + i] = root * (dy[at + i] * weight[i] - level - ((x[at + i] - mean) * root) * pull);")}`,
)}`,
  }),
);

/** Kernel that writes the mean and 1 / sqrt(variance + eps) of each row, as [rows, 2]. */
const moments = variants((centred: boolean, alone: boolean) =>
  shader({
    name: centred ? "layerNorm, moments" : "rmsNorm, roots",
    bindings: { x: "read f32", out: "write f32" },
    uniforms,
    code: (subgroups) => `${mathCode("sqrt")}
${rowsCode(subgroups, alone, `  ${momentsCode(centred)}\n  if (part == 0u) { out[2u * row] = mean; out[2u * row + 1u] = root; }`)}`,
  }),
);

const threads = 64;
/** Number of rows in a part. One thread sums the gradient of a weight element over the rows of a part. */
const rowsOfPart = 64;

/**
 * Kernel that sums dy * (x - mean) / sqrt(variance + eps) over the rows of each part, for each column. Writes [parts,
 * n].
 */
const columnSums = shader({
  name: "norm, weight's gradient",
  bindings: { dy: "read f32", x: "read f32", moments: "read f32", out: "write f32" },
  uniforms: { rows: "u32", n: "u32", size: "u32" },
  code: entry(
    threads,
    `  if (index >= u.size) { return; }
  let first = (index / u.n) * ${rowsOfPart}u;
  let column = index % u.n;
  let end = min(first + ${rowsOfPart}u, u.rows);
  var sum = 0.0;
  for (var row = first; row < end; row++) {
    let at = row * u.n + column;
    sum += dy[at] * ((x[at] - moments[2u * row]) * moments[2u * row + 1u]);
  }
  out[index] = sum;`,
  ),
});

const joinParts = shader({
  name: "norm, sum of parts",
  bindings: { parts: "read f32", out: "write f32" },
  uniforms: { parts: "u32", n: "u32" },
  code: entry(
    threads,
    `  if (index >= u.n) { return; }
  var sum = 0.0;
  for (var p = 0u; p < u.parts; p++) { sum += parts[p * u.n + index]; }
  out[index] = sum;`,
  ),
});

const rowsOf = (x: GpuTensor, n: number, eps: number) => ({
  values: { rows: x.size / n, n, eps },
  alone: isShort(n),
});

function weightGradient(centred: boolean, dy: GpuTensor, x: GpuTensor, dw: GpuTensor, eps: number, gpu: Gpu) {
  const n = dw.size;
  const { values, alone } = rowsOf(x, n, eps);
  const { rows } = values;
  const made = gpu.scratch({ shape: [rows, 2], dtype: "f32" });
  const parts = Math.ceil(rows / rowsOfPart);
  const sums = parts === 1 ? dw : gpu.scratch({ shape: [parts, n], dtype: "f32" });
  const size = parts * n;
  const runs: Dispatch[] = [
    moments(centred, alone).dispatch({ x, out: made }, values, rowGroups(rows, alone)),
    columnSums.dispatch({ dy, x, moments: made, out: sums }, { rows, n, size }, spread(size, threads)),
  ];
  if (parts !== 1) runs.push(joinParts.dispatch({ parts: sums, out: dw }, { parts, n }, spread(n, threads)));
  return runs;
}

function inputGradient(centred: boolean, [dy, x, weight]: GpuTensor[], dx: GpuTensor, eps: number): Dispatch[] {
  const { values, alone } = rowsOf(x, weight.size, eps);
  return [backward(centred, alone).dispatch({ dy, x, weight, dx }, values, rowGroups(values.rows, alone))];
}

const example = { example: fewRows };
/** Properties that all row-wise kernels share: how to make an example call for checks, and how to cut large calls. */
const rowFacts = { ...example, split: byRow };

export const layerNormKernel: WebGpuKernel = kernel<typeof layerNorm>(
  "layerNorm",
  ([x, weight, bias], [out], { eps }) => {
    const { values, alone } = rowsOf(x, weight.size, eps);
    return [forwardLayer(alone).dispatch({ x, weight, bias, out }, values, rowGroups(values.rows, alone))];
  },
  rowFacts,
);
export const layerNormBackwardKernel: WebGpuKernel = kernel<typeof layerNormBackward>(
  "layerNormBackward",
  (inputs, [dx], { eps }) => inputGradient(true, inputs, dx, eps),
  rowFacts,
);
export const layerNormWeightBackwardKernel: WebGpuKernel = kernel<typeof layerNormWeightBackward>(
  "layerNormWeightBackward",
  ([dy, x], [dw], { eps }, gpu) => weightGradient(true, dy, x, dw, eps, gpu),
  example,
);
export const rmsNormKernel: WebGpuKernel = kernel<typeof rmsNorm>(
  "rmsNorm",
  ([x, weight], [out], { eps }) => {
    const { values, alone } = rowsOf(x, weight.size, eps);
    return [forwardRms(alone).dispatch({ x, weight, out }, values, rowGroups(values.rows, alone))];
  },
  rowFacts,
);
export const rmsNormBackwardKernel: WebGpuKernel = kernel<typeof rmsNormBackward>(
  "rmsNormBackward",
  (inputs, [dx], { eps }) => inputGradient(false, inputs, dx, eps),
  rowFacts,
);
export const rmsNormWeightBackwardKernel: WebGpuKernel = kernel<typeof rmsNormWeightBackward>(
  "rmsNormWeightBackward",
  ([dy, x], [dw], { eps }, gpu) => weightGradient(false, dy, x, dw, eps, gpu),
  example,
);
