import { type Backend, matmul, tensor } from "@lowrank/core";
import { type WasmBackend, wasm } from "@lowrank/wasm";
import { type GemmPeer, gemmShapes } from "./gemmPeer.ts";

/** Returns the `prepare` of a peer that runs `matmul` on a backend. */
export function prepareMatmul(backend: Backend): GemmPeer["prepare"] {
  return async (product) => {
    const shapes = gemmShapes(product);
    const left = tensor(product.a, { shape: shapes.a, backend });
    const right = tensor(product.b, { shape: shapes.b, backend });
    return async () => {
      using result = matmul(left, right, { transposeB: product.transB });
      return (await result.data()) as Float32Array;
    };
  };
}

/** Returns a peer for `matmul` on one build of the WebAssembly backend; undefined if this engine cannot run it. */
export async function lowrankGemm(build?: "simd" | "relaxed", threads = 1): Promise<GemmPeer | undefined> {
  let backend: WasmBackend;
  try {
    backend = await wasm({ build, threads });
  } catch {
    return undefined;
  }
  return {
    name: `lowrank (${backend.build}${threads > 1 ? `, ${threads} threads` : ""})`,
    prepare: prepareMatmul(backend),
  };
}
