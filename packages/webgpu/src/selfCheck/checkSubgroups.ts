import type { GpuTensor } from "../kernel/kernel.ts";
import { type Dispatch, shader } from "../kernel/shader.ts";
import { rowsCode } from "../wgsl/rows.ts";

/** Functions of a backend with which test kernels are run on its device. */
export interface Trial {
  /** Makes a tensor with these values. It is freed after all trials. */
  place(shape: readonly number[], numbers: Float32Array<ArrayBuffer>): GpuTensor;
  run(runs: readonly Dispatch[]): void;
  read(tensor: GpuTensor): Promise<Uint8Array>;
}

/** Number of values that the trial reduces. */
const n = 150;

const joined = shader({
  name: "trial of subgroups",
  bindings: { x: "read f32", out: "write f32" },
  uniforms: { rows: "u32", n: "u32" },
  code: (subgroups) =>
    rowsCode(
      subgroups,
      false,
      `  var sum = 0.0;
  var top = -0x7fffffff;
  for (var i = part; i < u.n; i += width) {
    let v = x[i];
    sum += v;
    top = max(top, i32(v));
  }
  let all = total(part, sum);
  let largest = most(part, top);
  if (part == 63u) { out[0] = all; out[1] = f32(largest); }`,
    ),
});

/** The values: descending integers, so that sums are exact in any order and the maximum is the first. */
const numbers = Float32Array.from({ length: n }, (_, i) => n - i);

/** For each adapter name, whether its subgroup operations passed the trial in this process. */
const found = new Map<string, boolean>();

/**
 * Returns true if subgroup operations give the right sum and maximum on an adapter. Otherwise warns. Each adapter is
 * tested once per process.
 */
export async function subgroupsWork(adapter: string, { place, run, read }: Trial): Promise<boolean> {
  let works = found.get(adapter);
  if (works === undefined) {
    const [x, out] = [place([n], numbers), place([2], numbers.slice(0, 2))];
    run([joined.dispatch({ x, out }, { rows: 1, n }, [1, 1, 1])]);
    const bytes = await read(out);
    works = `${new Float32Array(bytes.buffer, bytes.byteOffset, 2)}` === `${(n * (n + 1)) / 2},${n}`;
    found.set(adapter, works);
    if (!works) console.warn(`webgpu: subgroups compute wrong values on ${adapter}; kernels do without them`);
  }
  return works;
}
