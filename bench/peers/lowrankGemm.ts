import { matmul, tensor } from "@lowrank/core";
import { type WasmBackend, wasm } from "@lowrank/wasm";
import type { GemmPeer } from "./gemmPeer.ts";

/** `matmul` on the WebAssembly backend of one build; undefined where this engine cannot run it. */
export async function lowrankGemm(build?: "simd" | "relaxed", threads = 1): Promise<GemmPeer | undefined> {
  let backend: WasmBackend;
  try {
    backend = await wasm({ build, threads });
  } catch {
    return undefined;
  }
  return {
    name: `lowrank (${backend.build}${threads > 1 ? `, ${threads} threads` : ""})`,
    async prepare({ n, transB, a, b }) {
      const [left, right] = [a, b].map((values) => tensor(values, { shape: [n, n], backend }));
      return async () => {
        using product = matmul(left!, right!, { transposeB: transB });
        return (await product.data()) as Float32Array;
      };
    },
  };
}
