import { type Array as JaxArray, jit, numpy, valueAndGrad } from "@jax-js/jax";
import { load as loadOn } from "../jaxJs.ts";
import type { GpuPeer } from "./gpuPeer.ts";

/** Loads @jax-js/jax on its webgpu device. */
export async function load(): Promise<GpuPeer> {
  const peer = await loadOn("webgpu");
  return {
    ...peer,
    async prepareLayer({ rows, features, rank, scaling, ...numbers }) {
      const given = (data: Float32Array<ArrayBuffer>, shape: number[]) => numpy.array(data).reshape(shape);
      const x = given(numbers.x, [rows, features]);
      const w = given(numbers.w, [features, features]);
      const a = given(numbers.a, [rank, features]);
      const b = given(numbers.b, [features, rank]);
      const loss = (p: JaxArray, q: JaxArray, s: JaxArray, weight: JaxArray): JaxArray => {
        const low = numpy.matmul(s.ref, numpy.matrixTranspose(p)).mul(scaling);
        const y = numpy.matmul(s, numpy.matrixTranspose(weight)).add(numpy.matmul(low, numpy.matrixTranspose(q)));
        return numpy.mean(y.ref.mul(y));
      };
      const step = jit(valueAndGrad(loss, { argnums: [0, 1, 2] }));
      return async () => {
        const [value, grads] = step(a.ref, b.ref, x.ref, w.ref);
        const [mean] = await Promise.all([value, ...grads].map((t) => t.data()));
        return mean![0]!;
      };
    },
  };
}
