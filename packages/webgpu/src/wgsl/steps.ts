import type { Gpu, GpuTensor } from "../kernel/kernel.ts";
import { type Binding, type Dispatch, entry, type Scalar, shader, spread, variants } from "../kernel/shader.ts";
import { type MathName, mathCode, specialCode } from "./math.ts";
import { rowGroups, rowsCode } from "./rows.ts";
import { inParts } from "./window.ts";

/** A step of an optimiser that updates each element of a parameter separately. */
interface Step {
  readonly name: string;
  /**
   * The tensors of one parameter, in order. Each key is a tensor's name in the code. Its value is the WGSL variable
   * that holds the new element, or null if the tensor is only read.
   */
  readonly tensors: Readonly<Record<string, string | null>>;
  readonly uniforms: Readonly<Record<string, Scalar>>;
  /** Math functions that the code calls. */
  readonly math?: readonly MathName[];
  /** WGSL that computes the new values of the element at `index`. */
  readonly code: string;
}

/** Makes the dispatches of a step on the tensors of one parameter. */
type RunStep = (
  tensors: readonly GpuTensor[],
  values: Readonly<Record<string, number>>,
  guard: Guard,
  gpu: Gpu,
) => Dispatch[];

/**
 * Use of the guard in an optimiser step. The guard is a tensor that contains non-finite values if the step must not be
 * applied. With "obey", the step is skipped if the guard has a non-finite value. With "test", the step changes no
 * parameter, but marks the guard if a new value would not be finite.
 */
export interface Guard {
  readonly mode: "none" | "obey" | "test";
  /**
   * With "obey", a tensor of one word, which is not 0 if the step must be skipped. With "test", the guard itself, whose
   * last element becomes NaN if a new value is not finite.
   */
  readonly tensor?: GpuTensor;
}

const threads = 64;

/** WGSL function that returns true for finite values. */
export const finiteCode: string = `
fn isFinite(x: f32) -> bool { return magnitudeOf(x) < 0x7f800000u; }`;

/**
 * Makes the kernel of an optimiser step. In mode "test" it changes no parameter, and writes only the guard's last
 * element.
 */
export function step({ name, tensors, uniforms, math = [], code }: Step): RunStep {
  const made = variants((mode: Guard["mode"]) => {
    const changed = Object.entries(tensors).flatMap(([x, next]) => (next === null ? [] : [{ x, next }]));
    const bindings = Object.entries(tensors).map(([x, next]): [string, Binding] => {
      return [x, next === null || mode === "test" ? "read f32" : "write f32"];
    });
    const guards: Record<string, Binding> =
      mode === "none" ? {} : { guard: mode === "obey" ? "read u32" : "write atomic<u32>" };
    const write = changed.map(({ x, next }) => `${x}[index] = ${next};`).join(" ");
    const finite = changed.map(({ next }) => `isFinite(${next})`).join(" && ");
    return shader({
      name: mode === "none" ? name : `${name}, ${mode}`,
      bindings: { ...Object.fromEntries(bindings), ...guards },
      uniforms: { ...uniforms, size: "u32", last: "u32" },
      code: `${mathCode(...math)}${finiteCode}
${entry(
  threads,
  `  if (index >= u.size) { return; }
  ${mode === "obey" ? "if (guard[0] != 0u) { return; }" : ""}
  ${code}
  ${mode === "test" ? `if (!(${finite})) { atomicStore(&guard[u.last], 0x7fc00000u); }` : write}`,
)}`,
    });
  });
  const names = Object.keys(tensors);
  return (given, values, { mode, tensor: guard }, gpu) => {
    const last = guard ? guard.size - 1 : 0;
    const most = gpu.limits.maxStorageBufferBindingSize;
    return inParts(given, most, given[0].size).map(({ rows: size, tensors: part }) => {
      const named = Object.fromEntries(names.map((x, i) => [x, part[i]]));
      const numbers = { ...values, size, last };
      return made(mode).dispatch({ ...named, ...(guard && { guard }) }, numbers, spread(size, threads));
    });
  };
}

const closed = shader({
  name: "guard",
  bindings: { guard: "read f32", out: "write u32" },
  uniforms: { rows: "u32", n: "u32" },
  code: (subgroups) => `${specialCode}${finiteCode}
${rowsCode(
  subgroups,
  false,
  `  var bad = 0;
  for (var i = part; i < u.n; i += width) { if (!isFinite(guard[i])) { bad = 1; } }
  let any = most(part, bad);
  if (part == 0u) { out[0] = u32(any); }`,
)}`,
});

/**
 * Separates the guard of an optimiser step from the tensors that the step updates or reads. Also returns the dispatches
 * that prepare the guard (`runs`), which must run before the step.
 */
export function guardOf(
  inputs: readonly GpuTensor[],
  { guard: mode }: { readonly guard?: "obey" | "test" },
  gpu: Gpu,
): { readonly tensors: readonly GpuTensor[]; readonly guard: Guard; readonly runs: readonly Dispatch[] } {
  if (mode === undefined) return { tensors: inputs, guard: { mode: "none" }, runs: [] };
  const guard = inputs[inputs.length - 1];
  const tensors = inputs.slice(0, -1);
  if (mode === "test") return { tensors, guard: { mode, tensor: guard }, runs: [] };
  const out = gpu.scratch({ shape: [], dtype: "i32" });
  const run = closed.dispatch({ guard, out }, { rows: 1, n: guard.size }, rowGroups(1, false));
  return { tensors, guard: { mode, tensor: out }, runs: [run] };
}
