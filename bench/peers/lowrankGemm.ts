import type { Kernels } from "@lowrank/core";
import { heapBase, relaxedBase64, relaxedFlagOffset, simdBase64, simdFlagOffset } from "@lowrank/wasm/kernels";
import type { GemmPeer } from "./gemmPeer.ts";

const PAGE = 65536;

/** The kernels of one build, called directly on a memory of their own; undefined where this engine cannot run them. */
export async function lowrankGemm(build: "simd" | "relaxed"): Promise<GemmPeer | undefined> {
  const bytes = Uint8Array.from(Buffer.from(build === "simd" ? simdBase64 : relaxedBase64, "base64"));
  bytes[build === "simd" ? simdFlagOffset : relaxedFlagOffset] = 1;
  if (!WebAssembly.validate(bytes)) return undefined;
  const module = await WebAssembly.compile(bytes);
  return {
    name: `lowrank (${build})`,
    async prepare({ n, transB, a, b }) {
      const memory = new WebAssembly.Memory({ initial: 1, maximum: PAGE });
      const instance = await WebAssembly.instantiate(module, { env: { memory } });
      const kernels = instance.exports as unknown as Kernels;
      const aAt = heapBase + Math.ceil(kernels.scratchBytes() / 64) * 64;
      const bAt = aAt + a.byteLength;
      const cAt = bAt + b.byteLength;
      memory.grow(Math.ceil((cAt + n * n * 4) / PAGE));
      kernels.setScratch(heapBase);
      new Float32Array(memory.buffer, aAt, n * n).set(a);
      new Float32Array(memory.buffer, bAt, n * n).set(b);
      const c = new Float32Array(memory.buffer, cAt, n * n);
      return async () => {
        kernels.gemm(aAt, bAt, cAt, n, n, n, n, n, n, 0, Number(transB), 1, 0);
        return c.slice();
      };
    },
  };
}
