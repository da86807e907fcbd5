import { compileString } from "assemblyscript/asc";

const CHAINS = 12;

/** Returns AssemblyScript code for CHAINS independent multiply-add chains that stay in registers. */
function source(relaxed: boolean): string {
  const each = (line: (i: number) => string) => Array.from({ length: CHAINS }, (_, i) => line(i)).join("\n");
  const step = relaxed ? "f32x4.relaxed_madd(x, y, cN)" : "f32x4.add(cN, f32x4.mul(x, y))";
  return `export function chains(at: usize, rounds: i32): void {
    const x = v128.load(at);
    const y = v128.load(at, 16);
    ${each((i) => `let c${i} = v128.load(at, ${32 + 16 * i});`)}
    do {
      ${each((i) => `c${i} = ${step.replace("cN", `c${i}`)};`)}
    } while (--rounds);
    ${each((i) => `v128.store(at, c${i}, ${32 + 16 * i});`)}
  }`;
}

/**
 * Returns a function that executes about `flops` operations as multiply-adds only, an upper bound for the speed of any
 * 128-bit kernel.
 */
export async function fmaCeiling(relaxed: boolean, flops: number): Promise<() => Promise<void>> {
  const { binary, error, stderr } = await compileString(source(relaxed), {
    optimizeLevel: 3,
    runtime: "stub",
    noAssert: true,
    initialMemory: 1,
    enable: relaxed ? ["simd", "relaxed-simd"] : ["simd"],
  });
  if (error || !binary) throw new Error(`fmaCeiling: ${error?.message}\n${stderr.toString()}`);
  const imports = { env: { abort: () => {} } };
  const { instance } = await WebAssembly.instantiate(Uint8Array.from(binary), imports);
  const chains = instance.exports.chains as (at: number, rounds: number) => void;
  const rounds = Math.round(flops / (CHAINS * 8));
  return async () => chains(0, rounds);
}
