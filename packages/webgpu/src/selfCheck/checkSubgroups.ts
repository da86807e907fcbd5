import type { GpuTensor } from "../kernel.ts";
import { rowGroups, rowsCode } from "../wgsl/rows.ts";
import { type Dispatch, shader } from "../wgsl/shader.ts";

/** Numbers of a row that is joined, and rows. */
const [n, rows] = [150, 3];

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
    let v = x[row * u.n + i];
    sum += v;
    top = max(top, i32(v));
  }
  let all = total(part, sum);
  let largest = most(part, top);
  if (part == 63u) { out[2u * row] = all; out[2u * row + 1u] = f32(largest); }`,
    ),
});

/** The parts of a backend that the trial uses. */
interface Device {
  /** Makes a tensor with these numbers. */
  place(shape: readonly number[], numbers: Float32Array<ArrayBuffer>): GpuTensor;
  run(runs: readonly Dispatch[]): void;
  read(tensor: GpuTensor): Promise<Uint8Array>;
}

/** Whole numbers, so that sums are exact in any order. */
const numbers = Float32Array.from({ length: rows * n }, (_, i) => ((i * 37) % 1009) - 500);

const expected = Array.from({ length: rows }, (_, row) => numbers.subarray(row * n, (row + 1) * n)).flatMap((own) => [
  own.reduce((sum, v) => sum + v, 0),
  Math.max(...own),
]);

/** True for the adapters of this process whose subgroups were right. */
const found = new Map<string, boolean>();

/**
 * Returns true if kernels with operations of subgroups give known numbers on an adapter. Warns
 * where they do not. Each adapter is tried once.
 */
export async function subgroupsWork(adapter: string, { place, run, read }: Device): Promise<boolean> {
  const known = found.get(adapter);
  if (known !== undefined) return known;
  const [x, out] = [place([rows, n], numbers), place([rows, 2], new Float32Array(2 * rows))];
  const trial = async (): Promise<boolean> => {
    run([joined.dispatch({ x, out }, { rows, n }, rowGroups(rows, false))]);
    const bytes = await read(out);
    const made = new Float32Array(bytes.buffer, bytes.byteOffset, 2 * rows);
    return expected.every((value, i) => made[i] === value);
  };
  const without = (reason: string): false => {
    console.warn(`webgpu: subgroups ${reason} on ${adapter}; kernels do without, as with webgpu({ subgroups: false })`);
    return false;
  };
  try {
    const works = (await trial()) || without("give wrong numbers");
    found.set(adapter, works);
    return works;
  } catch (error) {
    // A device may have been lost just now.
    return without(`do not work (${(error as Error).message})`);
  }
}
