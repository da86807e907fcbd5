import { InferenceSession, Tensor } from "onnxruntime-web/webgpu";
import { productModel } from "../../lib/onnxModel.ts";
import { gemmShapes } from "../gemmPeer.ts";
import type { GpuPeer } from "./gpuPeer.ts";

/** Loads onnxruntime-web's webgpu provider, which does not support gradients. */
export async function load(): Promise<GpuPeer> {
  return {
    name: "onnxruntime-web",
    async prepare(product) {
      const session = await InferenceSession.create(productModel(product), { executionProviders: ["webgpu"] });
      const shapes = gemmShapes(product);
      const feeds = {
        a: new Tensor("float32", product.a, shapes.a),
        b: new Tensor("float32", product.b, shapes.b),
      };
      return async () => (await session.run(feeds)).c!.data as Float32Array;
    },
  };
}
