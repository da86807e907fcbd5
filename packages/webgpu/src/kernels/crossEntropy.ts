import type { crossEntropyBackward, crossEntropyWithRows, TensorSpec } from "@lowrank/core/backend";
import { type GpuTensor, kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, shader, variants } from "../kernel/shader.ts";
import { f32, ids, last } from "../selfCheck/shrink.ts";
import { elementGroups, elements } from "../wgsl/elements.ts";
import { mathCode, orderCode, specialCode } from "../wgsl/math.ts";
import { isShort, rowGroups, rowsCode } from "../wgsl/rows.ts";
import { inParts } from "../wgsl/window.ts";

const each = (body: string): string => `for (var i = part; i < n; i += width) { let x = logits[at + i]; ${body} }`;

/** Kernel that computes for each row the loss, the largest logit, and log(sum(exp(logit - largest))). */
const rowLosses = variants((smooth: boolean, alone: boolean) =>
  shader({
    name: "crossEntropy",
    bindings: { logits: "read f32", labels: "read i32", losses: "write f32", sums: "write f32" },
    uniforms: { rows: "u32", start: "u32", n: "u32", ignore: "i32", smoothing: "f32" },
    faults: true,
    code: (subgroups) => `${mathCode("exp", "log")}${orderCode}
${rowsCode(
  subgroups,
  alone,
  `  let at = row * u.n;
  let label = labels[row];
  let ignored = label == u.ignore;
  let bad = !ignored && u32(label) >= u.n;
  let counts = !ignored && !bad;
  let n = select(0u, u.n, counts);
  var order = -2139095041;
  ${each("order = max(order, orderOf(bitcast<u32>(x)));")}
  let top = bitcast<f32>(bitsOfOrder(most(part, order)));
  var sum = 0.0;
  ${each("sum += expOf(x - top);")}
  let mass = total(part, sum);
  ${smooth ? `var below = 0.0; ${each("below += x - top;")} let level = total(part, below) / f32(u.n);` : ""}
  if (part == 0u) {
    if (bad) { fault(i32(u.start + row)); }
    var loss = 0.0;
    var numbers = vec2f(0.0);
    if (counts) {
      let logMass = logOf(mass);
      numbers = vec2f(top, logMass);
      loss = logMass - (logits[at + u32(label)] - top);
      ${smooth ? "loss = (1.0 - u.smoothing) * loss + u.smoothing * (logMass - level);" : ""}
    }
    losses[row] = loss;
    sums[2u * row] = numbers.x;
    sums[2u * row + 1u] = numbers.y;
  }`,
)}`,
  }),
);

const countCode = `var counting = 0.0;
  for (var i = part; i < u.n; i += width) { counting += select(1.0, 0.0, labels[i] == u.ignore); }
  let count = total(part, counting);`;

/** Kernel that computes the sum of the rows' losses, or their mean over the rows whose label is not ignored. */
const joined = variants((mean: boolean) =>
  shader<string, "rows" | "n" | "ignore">({
    name: mean ? "crossEntropy, mean" : "crossEntropy, sum",
    bindings: { losses: "read f32", ...(mean && ({ labels: "read i32" } as const)), out: "write f32" },
    uniforms: { rows: "u32", n: "u32", ignore: "i32" },
    code: (subgroups) => `${specialCode}
${rowsCode(
  subgroups,
  false,
  `  ${mean ? countCode : ""}
  var sum = 0.0;
  for (var i = part; i < u.n; i += width) { sum += losses[i]; }
  let loss = total(part, sum);
  if (part == 0u) {
    ${mean ? "if (count == 0.0) { out[0] = nan(); } else { out[0] = loss / count; }" : "out[0] = loss;"}
  }`,
)}`,
  }),
);

/** Kernel that counts the labels that are not ignored. */
const counted = shader({
  name: "crossEntropy, count",
  bindings: { labels: "read i32", out: "write f32" },
  uniforms: { rows: "u32", n: "u32", ignore: "i32" },
  code: (subgroups) => rowsCode(subgroups, false, `  ${countCode}\n  if (part == 0u) { out[0] = count; }`),
});

const gradient = variants((reduction: string) =>
  elements({
    name: "crossEntropyBackward",
    inputs: {
      ...({ dloss: "f32", logits: "f32", labels: "i32", sums: "f32" } as const),
      ...(reduction === "mean" ? ({ count: "f32" } as const) : {}),
    },
    out: "f32",
    uniforms: { n: "u32", ignore: "i32", base: "f32", more: "f32" },
    helpers: mathCode("exp"),
    element: `let row = i / u.n;
let label = load_labels(row);
if (label == u.ignore) { return 0.0; }
let factor = load_dloss(${reduction === "none" ? "row" : "0u"})${reduction === "mean" ? " / load_count(0u)" : ""};
let share = expOf(load_logits(i) - load_sums(2u * row) - load_sums(2u * row + 1u));
return factor * (share - select(u.base, u.base + u.more, u32(label) == i % u.n));`,
  }),
);

const fewClasses = ({ shape }: TensorSpec): number => Math.min(last(shape), 60);

export const crossEntropyKernel: WebGpuKernel = kernel<typeof crossEntropyWithRows>(
  "crossEntropy",
  ([logits, labels], [loss, sums], { ignoreIndex: ignore = -100, reduction = "mean", labelSmoothing = 0 }, gpu) => {
    const n = logits.shape[logits.shape.length - 1];
    const rows = labels.size;
    const alone = isShort(n);
    const losses = reduction === "none" ? loss : gpu.scratch({ shape: [rows], dtype: "f32" });
    const most = gpu.limits.maxStorageBufferBindingSize;
    const made = inParts([logits, labels, losses, sums], most, rows).map(({ from, rows: count, tensors }) => {
      const [logits, own, losses, sums] = tensors;
      const values = { rows: count, start: from, n, ignore, smoothing: labelSmoothing };
      const given = { logits, labels: own, losses, sums };
      return rowLosses(labelSmoothing > 0, alone).dispatch(given, values, rowGroups(count, alone), labels);
    });
    if (reduction === "none") return made;
    const all = { rows: 1, n: rows, ignore };
    const join = joined(reduction === "mean").dispatch({ losses, labels, out: loss }, all, [1, 1, 1]);
    return rows === 0 ? [join] : [...made, join];
  },
  {
    example: ([logits], params) => {
      const n = fewClasses(logits);
      return { inputs: [f32(5, n), ids(n, 5)], params };
    },
  },
);

export const crossEntropyBackwardKernel: WebGpuKernel = kernel<typeof crossEntropyBackward>(
  "crossEntropyBackward",
  ([dloss, logits, labels, sums], [out], params, gpu) => {
    const { ignoreIndex: ignore = -100, reduction = "mean", labelSmoothing = 0 } = params;
    const n = logits.shape[logits.shape.length - 1];
    const runs: Dispatch[] = [];
    const whole: Record<string, GpuTensor> = {};
    if (reduction === "mean") {
      whole.count = gpu.scratch({ shape: [], dtype: "f32" });
      const all = { rows: 1, n: labels.size, ignore };
      runs.push(counted.dispatch({ labels, out: whole.count }, all, [1, 1, 1]));
    }
    const cut = [logits, out, labels, sums, ...(reduction === "none" ? [dloss] : [])];
    const most = gpu.limits.maxStorageBufferBindingSize;
    for (const { tensors } of inParts(cut, most, labels.size)) {
      const [logits, out, labels, sums, slope = dloss] = tensors;
      const values = { n, ignore, base: labelSmoothing / n, more: 1 - labelSmoothing, size: out.size };
      const given = { ...whole, dloss: slope, logits, labels, sums, out };
      runs.push(gradient(reduction).dispatch(given, values, elementGroups("f32", out.size)));
    }
    return runs;
  },
  {
    example: ([dloss, logits], params) => {
      const n = fewClasses(logits);
      return { inputs: [dloss.shape.length > 0 ? f32(5) : f32(), f32(5, n), ids(n, 5), f32(5, 2)], params };
    },
  },
);
