import type { add, compare, div, maximum, mul, pow, sub, where } from "@lowrank/core/backend";
import { collapse } from "@lowrank/core/backend";
import { type GpuTensor, type KernelCode, kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, type Shader, variants } from "../kernel/shader.ts";
import { byBroadcast } from "../kernel/split.ts";
import { type ElementKind, elementGroups, elements } from "../wgsl/elements.ts";
import { mathCode, orderCode } from "../wgsl/math.ts";
import { walk, walkValues } from "../wgsl/walk.ts";

/** An elementwise function of operands that broadcast to a common shape. */
interface Broadcast {
  readonly name: string;
  /** The storage type of each operand, in order, by the operand's name. */
  readonly inputs: Readonly<Record<string, ElementKind>>;
  readonly out: ElementKind;
  readonly helpers?: string;
  /** WGSL of a result element; the element of an operand `x` is the variable `xValue`. */
  readonly value: string;
}

/** Returns a function that makes the dispatches of an elementwise function for given operands and result. */
function broadcast({
  name,
  inputs,
  out,
  helpers,
  value,
}: Broadcast): (given: GpuTensor[], out: GpuTensor) => Dispatch[] {
  const names = Object.keys(inputs);
  const offsets = names.map((x) => `${x}At`);
  const made = variants((rank: number): Shader => {
    const { uniforms, code } = walk(rank, offsets, "i");
    const element = [
      ...offsets.map((offset) => `var ${offset} = 0u;`),
      code,
      ...names.map((x, k) => `let ${x}Value = load_${x}(${offsets[k]});`),
      `return ${value};`,
    ];
    return elements({ name, inputs, out, uniforms, helpers, element: element.join("\n") });
  });
  return (given, result) => {
    const traversal = collapse(
      result.shape,
      given.map(({ shape }) => shape),
    );
    const tensors = Object.fromEntries([...names.map((x, k) => [x, given[k]] as const), ["out", result] as const]);
    const values = { ...walkValues(traversal, offsets), size: result.size };
    return [made(traversal.sizes.length).dispatch(tensors, values, elementGroups(out, result.size))];
  };
}

function binary(name: string, value: string, helpers?: string): KernelCode<void> {
  const run = broadcast({ name, inputs: { a: "f32", b: "f32" }, out: "f32", helpers, value });
  return (inputs, [out]) => run(inputs, out);
}

const maximumCode = `${orderCode}
fn larger(a: f32, b: f32) -> f32 {
  return bitcast<f32>(bitsOfOrder(max(orderOf(bitcast<u32>(a)), orderOf(bitcast<u32>(b)))));
}`;

const facts = { split: byBroadcast };

export const addKernel: WebGpuKernel = kernel<typeof add>("add", binary("add", "aValue + bValue"), facts);
export const subKernel: WebGpuKernel = kernel<typeof sub>("sub", binary("sub", "aValue - bValue"), facts);
export const mulKernel: WebGpuKernel = kernel<typeof mul>(
  "mul",
  binary("mul", "mulOf(aValue, bValue)", mathCode("mul")),
  facts,
);
export const divKernel: WebGpuKernel = kernel<typeof div>(
  "div",
  binary("div", "divOf(aValue, bValue)", mathCode("div")),
  facts,
);
export const maximumKernel: WebGpuKernel = kernel<typeof maximum>(
  "maximum",
  binary("maximum", "larger(aValue, bValue)", maximumCode),
  facts,
);
export const powKernel: WebGpuKernel = kernel<typeof pow>(
  "pow",
  binary("pow", "powOf(aValue, bValue)", mathCode("pow")),
  facts,
);

const comparisons = { eq: "a == b", ne: "a != b", lt: "a < b", le: "a <= b", gt: "a > b", ge: "a >= b" } as const;

/** WGSL function that compares two elements. 0 equals -0, and comparisons with NaN are false, except `ne`. */
const comparison = (dtype: string, relation: keyof typeof comparisons): string =>
  dtype === "i32"
    ? `fn compared(x: u32, y: u32) -> u32 {
  let a = bitcast<i32>(x);
  let b = bitcast<i32>(y);
  return select(0u, 1u, ${comparisons[relation]});
}`
    : `${orderCode}
fn placeOf(x: u32) -> i32 { return max(orderOf(x), select(-0x7fffffff, 0, x == 0x80000000u)); }
fn compared(x: u32, y: u32) -> u32 {
  let a = placeOf(x);
  let b = placeOf(y);
  if (a == 0x7fffffff || b == 0x7fffffff) { return ${relation === "ne" ? "1u" : "0u"}; }
  return select(0u, 1u, ${comparisons[relation]});
}`;

const compared = variants((dtype: string, relation: keyof typeof comparisons) =>
  broadcast({
    name: `compare ${relation}`,
    inputs: { a: "word", b: "word" },
    out: "bool",
    helpers: comparison(dtype, relation),
    value: "compared(aValue, bValue)",
  }),
);

export const compareKernel: WebGpuKernel = kernel<typeof compare>(
  "compare",
  ([a, b], [out], { relation }) => compared(a.dtype, relation)([a, b], out),
  facts,
);

const chosen = broadcast({
  name: "where",
  inputs: { c: "byte", a: "word", b: "word" },
  out: "word",
  value: "select(bValue, aValue, cValue != 0u)",
});

export const whereKernel: WebGpuKernel = kernel<typeof where>("where", (inputs, [out]) => chosen(inputs, out), facts);
