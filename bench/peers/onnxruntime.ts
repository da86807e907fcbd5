import { env, InferenceSession, Tensor } from "onnxruntime-web";
import { gemmModel } from "../lib/onnxModel.ts";
import { removeGlobalWorker } from "../lib/removeGlobalWorker.ts";
import type { GemmPeer } from "./gemmPeer.ts";

/** onnxruntime-web's wasm provider on one thread; its Gemm node takes the transpose as an attribute. */
export async function load(): Promise<GemmPeer> {
  env.wasm.numThreads = 1;
  return {
    name: "onnxruntime-web",
    async prepare({ n, transB, a, b }) {
      const session = await InferenceSession.create(gemmModel(n, transB), { executionProviders: ["wasm"] });
      removeGlobalWorker();
      const feeds = { a: new Tensor("float32", a, [n, n]), b: new Tensor("float32", b, [n, n]) };
      return async () => (await session.run(feeds)).c!.data as Float32Array;
    },
  };
}
