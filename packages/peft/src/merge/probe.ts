import { type Generator, randn, type Tensor, tensor } from "@lowrank/core";
import type { Conv1D, Embedding, LayerNorm, Linear, Module } from "@lowrank/nn";

/**
 * Returns the number of random inputs for comparing a layer of this input width. Narrow layers need more of them for a
 * representative largest output.
 */
const inputs = (width: number): number => (width < 8 ? 64 : 8);

/** Random inputs for a layer, and the number of products that are summed for each output element. */
export interface Probe {
  x: Tensor;
  terms: number;
}

/**
 * Returns random inputs for a linear layer or norm (normally distributed, [n, in]) or an embedding (token ids [n], half
 * of them from `rows`). Returns null for other kinds of modules.
 */
export function probeOf(module: Module, generator: Generator, rows?: readonly number[]): Probe | null {
  const { weight } = module as Linear | Embedding | LayerNorm;
  const normal = (count: number, width: number) =>
    randn([count, width], { generator, backend: weight.storage.backend });
  switch (module.layerKind) {
    case "linear":
    case "conv1d": {
      const { inFeatures, outFeatures } = module as Linear | Conv1D;
      return { x: normal(inputs(outFeatures), inFeatures), terms: inFeatures };
    }
    case "norm":
      return { x: normal(inputs(weight.shape[0]), weight.shape[0]), terms: weight.shape[0] };
    case "embedding": {
      const draws = new Float32Array(inputs(weight.shape[1]));
      generator.fillUniform(draws, 0, 1);
      const ids = Int32Array.from(draws, (u, i) => {
        const among = rows && i % 2 === 0 ? rows : null;
        return among ? among[Math.floor(u * among.length)] : Math.floor(u * weight.shape[0]);
      });
      return { x: tensor(ids, { backend: weight.storage.backend }), terms: 1 };
    }
    default:
      return null;
  }
}
