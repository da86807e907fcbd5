import { compileString } from "assemblyscript/asc";

const CHAINS = 12;
const ROUNDS = 200_000;

/** AssemblyScript for CHAINS independent multiply-add chains that never leave the registers. */
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

/** A function that runs the chains once and the floating-point operations it does: the most any 128-bit kernel can reach. */
export async function fmaCeiling(relaxed: boolean): Promise<{ run: () => Promise<void>; flops: number }> {
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
  return { run: async () => chains(0, ROUNDS), flops: ROUNDS * CHAINS * 8 };
}
