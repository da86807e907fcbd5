import "@tensorflow/tfjs-backend-webgpu";
import { add, matMul, mean, mul, setBackend, square, type Tensor2D, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { matMulPeer } from "../tfjs.ts";
import type { GpuPeer } from "./gpuPeer.ts";

/**
 * Loads @tensorflow/tfjs-backend-webgpu. The part of tfjs that Node loads does not support gradients, so they are
 * written by hand.
 */
export async function load(): Promise<GpuPeer> {
  if (!(await setBackend("webgpu"))) throw new Error("its webgpu backend did not start");
  return {
    ...matMulPeer("tfjs-backend-webgpu"),
    async prepareLayer({ rows, features, rank, scaling, ...numbers }) {
      const x = tensor2d(numbers.x, [rows, features]);
      const w = tensor2d(numbers.w, [features, features]);
      const a = tensor2d(numbers.a, [rank, features]);
      const b = tensor2d(numbers.b, [features, rank]);
      const step = () => {
        const low: Tensor2D = mul(matMul(x, a, false, true), scaling);
        const y: Tensor2D = add(matMul(x, w, false, true), matMul(low, b, false, true));
        const dy: Tensor2D = mul(y, 2 / (rows * features));
        const dlow: Tensor2D = mul(matMul(dy, b), scaling);
        const dx = add(matMul(dy, w), matMul(dlow, a));
        return [mean(square(y)), matMul(dlow, x, true), matMul(dy, low, true), dx];
      };
      return async () => {
        const results = tidy(step);
        const [value] = await Promise.all(results.map((t) => t.data()));
        for (const t of results) t.dispose();
        return value![0]!;
      };
    },
  };
}
