import { defaultDevice, init, numpy } from "@jax-js/jax";
import type { GemmPeer } from "./gemmPeer.ts";

/** @jax-js/jax on its wasm device. */
export async function load(): Promise<GemmPeer> {
  const devices = await init();
  if (!devices.includes("wasm")) throw new Error(`it offers only ${devices.join(", ")}`);
  defaultDevice("wasm");
  return {
    name: "jax-js",
    async prepare({ n, transB, a, b }) {
      const left = numpy.array(a).reshape([n, n]);
      const right = numpy.array(b).reshape([n, n]);
      return async () => {
        const product = numpy.matmul(left.ref, transB ? right.ref.transpose() : right.ref);
        return (await product.data()) as Float32Array;
      };
    },
  };
}
