import { env, InferenceSession, Tensor } from "onnxruntime-web";
import { productModel } from "../lib/onnxModel.ts";
import { removeGlobalWorker } from "../lib/removeGlobalWorker.ts";
import { type GemmPeer, gemmShapes } from "./gemmPeer.ts";

/** Loads onnxruntime-web's wasm provider on one thread. */
export async function load(): Promise<GemmPeer> {
  env.wasm.numThreads = 1;
  return {
    name: "onnxruntime-web",
    async prepare(product) {
      const session = await InferenceSession.create(productModel(product), { executionProviders: ["wasm"] });
      removeGlobalWorker();
      const shapes = gemmShapes(product);
      const feeds = {
        a: new Tensor("float32", product.a, shapes.a),
        b: new Tensor("float32", product.b, shapes.b),
      };
      return async () => (await session.run(feeds)).c!.data as Float32Array;
    },
  };
}
