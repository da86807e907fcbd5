import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import { matMul, setBackend, tensor } from "@tensorflow/tfjs-core";
import { removeGlobalWorker } from "../lib/removeGlobalWorker.ts";
import { type GemmPeer, gemmShapes } from "./gemmPeer.ts";

/** Loads @tensorflow/tfjs-backend-wasm on one thread. */
export async function load(): Promise<GemmPeer> {
  setThreadsCount(1);
  if (!(await setBackend("wasm"))) throw new Error("its wasm backend did not start");
  removeGlobalWorker();
  return matMulPeer("tfjs-backend-wasm");
}

/** Returns a peer for tfjs on its current backend. */
export function matMulPeer(name: string): GemmPeer {
  return {
    name,
    async prepare(product) {
      const shapes = gemmShapes(product);
      const left = tensor(product.a, shapes.a);
      const right = tensor(product.b, shapes.b);
      return async () => {
        const result = matMul(left, right, false, product.transB);
        const values = await result.data<"float32">();
        result.dispose();
        return values;
      };
    },
  };
}
