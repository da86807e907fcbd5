import "@tensorflow/tfjs-backend-webgpu";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import {
  add,
  matMul,
  mean,
  mul,
  type Scalar,
  setBackend,
  square,
  type Tensor,
  type Tensor2D,
  tensor2d,
  tidy,
  valueAndGrads,
} from "@tensorflow/tfjs-core";
import { matMulPeer } from "../tfjs.ts";
import type { GpuPeer } from "./gpuPeer.ts";

/** @tensorflow/tfjs-backend-webgpu. */
export async function load(): Promise<GpuPeer> {
  if (!(await setBackend("webgpu"))) throw new Error("its webgpu backend did not start");
  return {
    ...matMulPeer("tfjs-backend-webgpu"),
    async prepareLayer({ rows, features, rank, scaling, ...numbers }) {
      const x = tensor2d(numbers.x, [rows, features]);
      const w = tensor2d(numbers.w, [features, features]);
      const a = tensor2d(numbers.a, [rank, features]);
      const b = tensor2d(numbers.b, [features, rank]);
      const times = (s: Tensor, t: Tensor) => matMul(s as Tensor2D, t as Tensor2D, false, true);
      const loss = (p: Tensor, q: Tensor, s: Tensor) =>
        mean<Scalar>(square(add(times(s, w), times(mul(times(s, p), scaling), q))));
      const step = valueAndGrads(loss);
      return async () => {
        const { value, grads } = tidy(() => step([a, b, x]));
        const [read] = await Promise.all([value, ...grads].map((t) => t.data()));
        for (const t of [value, ...grads]) t.dispose();
        return read![0]!;
      };
    },
  };
}
