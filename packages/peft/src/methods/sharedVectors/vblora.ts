import { add, embedding, matmul, OptionError, scope, softmax, type Tensor, topk } from "@lowrank/core";
import { loraLinear } from "@lowrank/core/internal";
import { type Dropout, Linear, type Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { adaLoraTargets } from "../../targets/adaLoraTargets.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { biasOption, dropoutOption, modulesToSaveOption, rankOption, targetsOption } from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import type { FileForm } from "../shared/fileForm.ts";
import { addProduct } from "../shared/mergedWeight.ts";
import {
  definePeftMethod,
  type LayerContext,
  type PeftMethod,
  type SharedContext,
  type SharedTensors,
} from "../shared/method.ts";
import { VBLoRAConfig, vbloraFormat } from "./vbloraConfig.ts";

/** The modules that VB-LoRA adapts by default, by `model_type`. */
const vbloraTargets: Readonly<Record<string, readonly string[]>> = {
  ...adaLoraTargets,
  roberta: attentionTargets.roberta,
};

interface Bank extends SharedTensors {
  /** The vector bank that all layers share, [numVectors, vectorLength]. */
  parameters: { vblora_vector_bank: Parameter };
}

function bank({ backend, config, generator }: SharedContext<VBLoRAConfig>): Bank {
  const { uniform } = draws({ backend, generator });
  const shape = [config.numVectors, config.vectorLength];
  return { parameters: { vblora_vector_bank: drawn(uniform(config.initVectorBankBound), shape) } };
}

/** Returns (x Aᵀ) Bᵀ. */
function product(x: Tensor, a: Tensor, b: Tensor): Tensor {
  return matmul(matmul(x, a, { transposeB: true }), b, { transposeB: true });
}

/**
 * VB-LoRA on a linear layer: a LoRA whose A and B consist of pieces with `vectorLength` elements. Each piece is a
 * mixture of vectors from the shared bank.
 */
class VBLoRALinear implements LayerAdapter {
  /**
   * Logits that select the bank vectors for each piece (`vectorLength` elements) of A and B. Shapes: [r, in /
   * vectorLength, numVectors] for A, [out / vectorLength, r, numVectors] for B.
   */
  readonly parameters: { readonly vblora_logits_A: Parameter; readonly vblora_logits_B: Parameter };
  readonly modules: Record<string, Module | Parameter>;
  readonly #dropout: Dropout;
  readonly #bank: Parameter;
  readonly #topk: number;

  constructor(context: LayerContext<VBLoRAConfig>) {
    const { config, path } = context;
    const { r, numVectors, vectorLength } = config;
    const { inFeatures, outFeatures } = context.base as Linear;
    if (inFeatures % vectorLength !== 0 || outFeatures % vectorLength !== 0) {
      const shape = `[${outFeatures},${inFeatures}]`;
      throw new OptionError("", "vectorLength", vectorLength, (named) => {
        const option = `${named("vectorLength")} ${vectorLength}`;
        return `${path} is ${shape}: ${option} must divide both sizes; choose another value, or leave the layer out`;
      });
    }
    const { normal } = draws(context);
    const start = normal(config.initLogitsStd);
    this.parameters = {
      vblora_logits_A: drawn(start, [r, inFeatures / vectorLength, numVectors]),
      vblora_logits_B: drawn(start, [outFeatures / vectorLength, r, numVectors]),
    };
    this.#bank = (context.shared as Bank).parameters.vblora_vector_bank;
    this.#topk = config.topk;
    this.#dropout = layerDropout(context, config.vbloraDropout);
    // As in PEFT, every layer has a reference to the bank.
    this.modules = {
      vblora_vector_bank: this.#bank,
      ...(config.vbloraDropout > 0 ? { vblora_dropout: this.#dropout } : {}),
    };
  }

  /**
   * Returns the pieces of A or B, each with `vectorLength` elements, as mixtures of bank vectors. Maps logits [m, n,
   * numVectors] to [m, n, vectorLength].
   */
  #mixed(logits: Tensor): Tensor {
    const [m, n] = logits.shape;
    const [best, indices] = topk(logits, this.#topk);
    const weights = softmax(best, { dim: -1 }).reshape([m * n, 1, this.#topk]);
    return matmul(weights, embedding(this.#bank, indices.reshape([m * n, this.#topk]))).reshape([m, n, -1]);
  }

  /** Returns A [r, in] and B [out, r], composed from the bank. */
  #factors(): [a: Tensor, b: Tensor] {
    const { vblora_logits_A: logitsA, vblora_logits_B: logitsB } = this.parameters;
    const [r] = logitsA.shape;
    return [this.#mixed(logitsA).reshape([r, -1]), this.#mixed(logitsB).transpose(1, 2).reshape([-1, r])];
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const [a, b] = this.#factors();
      const dropped = this.#dropout.forward(x);
      if (base instanceof Linear && base.isExact && dropped === x) {
        const y = loraLinear(x, base.weight, a, b, { scaling: 1 });
        return base.bias ? add(y, toF32(base.bias)) : y;
      }
      return add(base.forward(x), product(dropped, a, b));
    });
  }

  added(x: Tensor): Tensor {
    return product(this.#dropout.forward(x), ...this.#factors());
  }

  merge(base: DenseLayer): DenseLayer {
    return addProduct(base, ...this.#factors());
  }
}

/** VB-LoRA: LoRA adapters composed from one shared bank of vectors. Li et al. 2024, https://arxiv.org/abs/2405.15179 */
export const vblora: PeftMethod<VBLoRAConfig> = definePeftMethod({
  peftType: "VBLORA",
  sizes: ["r", "numVectors", "vectorLength"],
  Config: VBLoRAConfig,
  format: vbloraFormat,
  recipes: [
    {
      name: "vblora",
      title: "VB-LoRA",
      learningRate: 1e-2,
      sizeOption: "num-vectors",
      config: ({ targetModules }) => new VBLoRAConfig({ targetModules }),
    },
  ],
  options: [
    rankOption(),
    dropoutOption("vbloraDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    { field: "numVectors", flag: "num-vectors", type: "integer", least: 1, help: "vectors in the bank" },
    {
      field: "vectorLength",
      flag: "vector-length",
      type: "integer",
      least: 1,
      help: "their length, which must divide the sizes of every layer",
    },
    { field: "topk", flag: "topk", type: "integer", least: 1, help: "vectors that each piece is mixed from" },
    {
      field: "saveOnlyTopkWeights",
      flag: "save-only-topk-weights",
      type: "boolean",
      help: "save the mixtures alone: much smaller, and not to be trained further",
    },
  ],
  kinds: ["linear", "conv1d"],
  defaultTargets: vbloraTargets,
  bias: ({ bias }) => biasMode(bias),
  fileForm: ({ saveOnlyTopkWeights, numVectors, topk: k }) => (saveOnlyTopkWeights ? topkForm(numVectors, k) : null),
  createShared: bank,
  setsFanInFanOut: true,
  swappable: { fields: ["initVectorBankBound", "initLogitsStd"] },
  createLayer: (context) => new VBLoRALinear(context),
});

/**
 * Returns the smallest integer type that PEFT uses for indices below `count`, as a safetensors dtype and as a class of
 * typed arrays.
 */
function indexType(count: number): {
  dtype: "U8" | "I16" | "I32";
  array: new (n: ArrayBuffer) => ArrayLike<number> & Iterable<number>;
} {
  if (count < 2 ** 8) return { dtype: "U8", array: Uint8Array };
  return count < 2 ** 15 ? { dtype: "I16", array: Int16Array } : { dtype: "I32", array: Int32Array };
}

/**
 * Returns the encoding of logits [m, n, numVectors] in files with `save_only_topk_weights`. The last dimension defines
 * a mixture of the k bank vectors with the highest logits. Files contain the indices of these vectors, [m, n, k], and
 * their weights except the last, [m, n, k - 1]. The last weight follows, since the weights of a mixture sum to 1. When
 * a file is read, the logits of all other vectors become -∞.
 */
export function topkForm(numVectors: number, k: number): FileForm {
  const { dtype, array } = indexType(numVectors);
  return {
    parts: (key, { shape: [m, n] }) =>
      /\.vblora_logits_[AB]$/.test(key)
        ? [
            { name: `${key}_topk_indices`, dtype, shape: [m, n, k] },
            { name: `${key}_topk_weights`, dtype: "F32", shape: [m, n, k - 1] },
          ]
        : null,
    encode: async (logits) => {
      const [weights, indices] = scope(() => {
        const [best, positions] = topk(logits.detach(), k);
        return [softmax(best, { dim: -1 }).slice({ dim: -1, start: 0, end: k - 1 }), positions];
      });
      const bytes = await weights.bytes();
      const numbers = await indices.data();
      weights.dispose();
      indices.dispose();
      const packed = { U8: Uint8Array, I16: Int16Array, I32: Int32Array }[dtype].from(numbers);
      return [new Uint8Array(packed.buffer), bytes];
    },
    decode: ([indexBytes, weightBytes], { size }, label) => {
      const indices = new array(indexBytes.slice().buffer);
      for (const index of indices) {
        if (index < 0 || index >= numVectors) {
          throw new Error(`${label} has the vector index ${index}; expected 0 to ${numVectors - 1}`);
        }
      }
      const weights = new Float32Array(weightBytes.slice().buffer);
      const logits = new Float32Array(size).fill(Number.NEGATIVE_INFINITY);
      for (let lane = 0; lane < size / numVectors; lane++) {
        let last = 1;
        for (let i = 0; i < k; i++) {
          const weight = i < k - 1 ? weights[lane * (k - 1) + i] : last;
          logits[lane * numVectors + indices[lane * k + i]] = Math.log(weight);
          last = Math.fround(last - weight);
        }
      }
      return logits;
    },
  };
}
