import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import { matMul, setBackend, tensor2d } from "@tensorflow/tfjs-core";
import { removeGlobalWorker } from "../lib/removeGlobalWorker.ts";
import type { GemmPeer } from "./gemmPeer.ts";

/** @tensorflow/tfjs-backend-wasm on one thread. */
export async function load(): Promise<GemmPeer> {
  setThreadsCount(1);
  if (!(await setBackend("wasm"))) throw new Error("its wasm backend did not start");
  removeGlobalWorker();
  return {
    name: "tfjs-backend-wasm",
    async prepare({ n, transB, a, b }) {
      const left = tensor2d(a, [n, n]);
      const right = tensor2d(b, [n, n]);
      return async () => {
        const product = matMul(left, right, false, transB);
        const values = await product.data<"float32">();
        product.dispose();
        return values;
      };
    },
  };
}
