import { defaultDevice, init, numpy } from "@jax-js/jax";
import { type GemmPeer, gemmShapes } from "./gemmPeer.ts";

/** Loads @jax-js/jax on one of its devices, default "wasm". */
export async function load(device: "wasm" | "webgpu" = "wasm"): Promise<GemmPeer> {
  const devices = await init();
  if (!devices.includes(device)) throw new Error(`it offers only ${devices.join(", ")}`);
  defaultDevice(device);
  return {
    name: "jax-js",
    async prepare(product) {
      const shapes = gemmShapes(product);
      const left = numpy.array(product.a).reshape(shapes.a);
      const right = numpy.array(product.b).reshape(shapes.b);
      return async () => {
        const result = numpy.matmul(left.ref, product.transB ? numpy.matrixTranspose(right.ref) : right.ref);
        return (await result.data()) as Float32Array;
      };
    },
  };
}
