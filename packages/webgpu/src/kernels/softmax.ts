import type { logSoftmax, logSoftmaxBackward, softmax, softmaxBackward } from "@lowrank/core/backend";
import { alongDim } from "@lowrank/core/backend";
import { type GpuTensor, kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, shader, variants } from "../kernel/shader.ts";
import { byOuter } from "../kernel/split.ts";
import { lanes as fewLanes } from "../selfCheck/shrink.ts";
import { mathCode, orderCode } from "../wgsl/math.ts";
import { isShort, rowGroups, rowsCode } from "../wgsl/rows.ts";

/**
 * Uniforms of softmax along a dimension. There are `rows` runs of `n` elements; neighbouring elements of a run are
 * `inner` elements apart in memory.
 */
const uniforms = { rows: "u32", n: "u32", inner: "u32" } as const;
const laneCode = "let start = (row / u.inner) * u.n * u.inner + row % u.inner;";
const each = (body: string): string =>
  `for (var i = part; i < u.n; i += width) { let at = start + i * u.inner; ${body} }`;

/**
 * WGSL that computes, for one run of elements along the dimension, its largest element `top` and the sum of exp(x -
 * top), `mass`.
 */
const massCode = `var order = -2139095041;
  ${each("order = max(order, orderOf(bitcast<u32>(x[at])));")}
  let top = bitcast<f32>(bitsOfOrder(most(part, order)));
  var sum = 0.0;
  ${each("sum += expOf(x[at] - top);")}
  let mass = total(part, sum);`;

const forward = variants((log: boolean, alone: boolean) =>
  shader({
    name: log ? "logSoftmax" : "softmax",
    bindings: { x: "read f32", out: "write f32" },
    uniforms,
    code: (subgroups) => `${mathCode("exp", "log", "div")}${orderCode}
${rowsCode(
  subgroups,
  alone,
  `  ${laneCode}
  ${massCode}
  ${
    log
      ? `let logMass = logOf(mass); ${each("out[at] = x[at] - top - logMass;")}`
      : each("out[at] = divOf(expOf(x[at] - top), mass);")
  }`,
)}`,
  }),
);

const backward = variants((log: boolean, alone: boolean) =>
  shader({
    name: log ? "logSoftmaxBackward" : "softmaxBackward",
    bindings: { dy: "read f32", y: "read f32", dx: "write f32" },
    uniforms,
    code: (subgroups) => `${mathCode("exp")}
${rowsCode(
  subgroups,
  alone,
  `  ${laneCode}
  var along = 0.0;
  ${each(`along += ${log ? "dy[at]" : "dy[at] * y[at]"};`)}
  let sum = total(part, along);
  ${each(`dx[at] = ${log ? "dy[at] - expOf(y[at]) * sum" : "y[at] * (dy[at] - sum)"};`)}`,
)}`,
  }),
);

const lanes = ({ shape }: GpuTensor, dim: number) => {
  const { outer, n, inner } = alongDim("softmax", shape, dim);
  return { values: { rows: outer * inner, n, inner }, alone: isShort(n) };
};

function runForward(log: boolean, x: GpuTensor, out: GpuTensor, dim: number): Dispatch[] {
  const { values, alone } = lanes(x, dim);
  return [forward(log, alone).dispatch({ x, out }, values, rowGroups(values.rows, alone))];
}

function runBackward(log: boolean, dy: GpuTensor, y: GpuTensor, dx: GpuTensor, dim: number): Dispatch[] {
  const { values, alone } = lanes(y, dim);
  return [backward(log, alone).dispatch({ dy, y, dx }, values, rowGroups(values.rows, alone))];
}

export const softmaxKernel: WebGpuKernel = kernel<typeof softmax>(
  "softmax",
  ([x], [out], { dim }) => runForward(false, x, out, dim),
  { example: fewLanes, split: byOuter },
);
export const logSoftmaxKernel: WebGpuKernel = kernel<typeof logSoftmax>(
  "logSoftmax",
  ([x], [out], { dim }) => runForward(true, x, out, dim),
  { example: fewLanes, split: byOuter },
);
export const softmaxBackwardKernel: WebGpuKernel = kernel<typeof softmaxBackward>(
  "softmaxBackward",
  ([dy, y], [dx], { dim }) => runBackward(false, dy, y, dx, dim),
  { example: fewLanes, split: byOuter },
);
export const logSoftmaxBackwardKernel: WebGpuKernel = kernel<typeof logSoftmaxBackward>(
  "logSoftmaxBackward",
  ([dy, y], [dx], { dim }) => runBackward(true, dy, y, dx, dim),
  { example: fewLanes, split: byOuter },
);
