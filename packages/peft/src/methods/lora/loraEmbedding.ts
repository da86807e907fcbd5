import { add, affine, indexSelect, matmul, mul, OptionError, scope, type Tensor } from "@lowrank/core";
import type { Embedding, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { stopAtPadding } from "@lowrank/nn/internal";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { type Draw, drawn, draws } from "../shared/draws.ts";
import type { LayerContext } from "../shared/method.ts";
import type { Factors, Magnitude, MakeMagnitude } from "./dora.ts";
import type { LoraConfig } from "./loraConfig.ts";
import { rankAndScaling } from "./loraScaling.ts";
import { tiedLora } from "./tiedLora.ts";

/** The initialisers of A and B on an embedding. */
interface EmbeddingStart {
  a: Draw;
  b: Draw;
}

/**
 * Returns the initialisers of LoRA on an embedding: A [r, vocabulary] zero, B [dim, r] normal. If `initLoraWeights` is
 * false, A is normal too. For "mica", B consists of singular vectors. Throws for "loftq", BD-LoRA and half precision.
 * Other values apply only to linear layers and change nothing here.
 */
export async function embeddingStart(context: LayerContext<LoraConfig>): Promise<EmbeddingStart> {
  const { config, path, loading, dtypeOf } = context;
  const { zero, normal } = draws(context);
  if (dtypeOf("lora_embedding_A") !== "f32" || dtypeOf("lora_embedding_B") !== "f32") {
    throw new Error(
      `${path}: LoRA on an embedding computes in f32; load the adapter without autocastAdapterDtype: false`,
    );
  }
  if (config.useBdlora) {
    throw new OptionError("", "useBdlora", config.useBdlora, (named) => {
      return `${path} is an embedding, and ${named("useBdlora")} is for linear layers; leave the embedding out`;
    });
  }
  if (config.initLoraWeights === "loftq") {
    throw new OptionError("", "initLoraWeights", "loftq", (named) => {
      const [init, targets] = [named("initLoraWeights"), named("targetModules")];
      return `${init} "loftq" is for linear layers; leave ${path} out of ${targets}`;
    });
  }
  if (loading) return { a: zero, b: zero };
  if (config.initLoraWeights === "mica") {
    const { minorFactors } = await import("./minorFactors.ts");
    return minorFactors(context);
  }
  return { a: config.initLoraWeights === false ? normal(1) : zero, b: normal(1) };
}

/** Returns (B A)ᵀ, the update in the layout of an embedding table, [vocabulary, dim]. */
function transposedProduct(a: Tensor, b: Tensor): Tensor {
  return matmul(a, b, { transposeA: true, transposeB: true });
}

/** LoRA on an embedding: A [r, vocabulary], B [dim, r], with DoRA also magnitudes [dim]. */
export class LoraEmbedding implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly paths?: Readonly<Record<string, string>>;
  readonly frozen?: readonly string[];
  scaling: number;
  /** The layers that share this adapter. */
  readonly followers: { readonly base: Module; readonly scaling: number }[] = [];
  readonly #base: Module;
  readonly #magnitude?: Magnitude;
  readonly #paddingIdx: number | null;

  constructor(context: LayerContext<LoraConfig>, start: EmbeddingStart, makeMagnitude: MakeMagnitude | null) {
    const { base, config, path } = context;
    const { weight, paddingIdx } = base as Embedding;
    const [vocabulary, dim] = weight.shape;
    if (config.loraBias) {
      throw new OptionError("", "loraBias", true, (named) => {
        const [targets, bias] = [named("targetModules"), named("loraBias")];
        return `LoRA puts no bias on embeddings; leave ${path} out of ${targets}, or ${bias}`;
      });
    }
    const { r, scaling } = rankAndScaling(config, path);
    const a = drawn(start.a, [r, vocabulary]);
    const b = drawn(start.b, [dim, r]);
    this.#magnitude = makeMagnitude?.({ weight, fanInFanOut: true }, { a, b, scaling });
    this.paths = this.#magnitude?.paths;
    this.parameters = {
      lora_embedding_A: a,
      lora_embedding_B: b,
      ...this.#magnitude?.parameters,
    };
    if (config.initLoraWeights === "mica") this.frozen = ["lora_embedding_B"];
    this.scaling = scaling;
    this.#paddingIdx = paddingIdx;
    this.#base = base;
  }

  /** Layers that share the adapter stay tied in a merge, unless they have another scaling, or magnitudes. */
  get owners(): readonly Module[] {
    const alike = this.#magnitude ? [] : this.followers.filter(({ scaling }) => scaling === this.scaling);
    return [this.#base, ...alike.map(({ base }) => base)];
  }

  get constants(): readonly Tensor[] {
    return this.#magnitude?.constants ?? [];
  }

  get #factors(): Factors {
    const { lora_embedding_A: a, lora_embedding_B: b } = this.parameters;
    return { a, b, scaling: this.scaling };
  }

  /**
   * Function that computes the update added to the base layer's output. Undefined with DoRA, which also rescales that
   * output.
   */
  get added(): ((ids: Tensor) => Tensor) | undefined {
    return this.#magnitude ? undefined : (ids) => this.#rows(ids);
  }

  #rows(ids: Tensor): Tensor {
    const { a, b, scaling } = this.#factors;
    const flat = ids.reshape([-1]);
    const columns = stopAtPadding(indexSelect(a, flat, { dim: 1 }), flat, this.#paddingIdx);
    const rows = affine(transposedProduct(columns, b), { scale: scaling });
    return rows.reshape([...ids.shape, b.shape[0]]);
  }

  forward(ids: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const sum = add(base.forward(ids), this.#rows(ids));
      const { weight } = base as Linear;
      return this.#magnitude ? mul(sum, this.#magnitude.scale({ weight, fanInFanOut: true }, this.#factors)) : sum;
    });
  }

  merge({ weight, ...rest }: DenseLayer, bare: DenseLayer): DenseLayer {
    const factors = this.#factors;
    const sum = add(weight, affine(transposedProduct(factors.a, factors.b), { scale: factors.scaling }));
    const lengths = this.#magnitude?.scaleOnce({ weight: bare.weight, fanInFanOut: true }, factors);
    return { weight: lengths ? mul(sum, lengths) : sum, ...rest };
  }
}

/** Creates LoRA on an embedding, or on an output layer that shares the embedding's factors. */
export async function embeddingLora(
  context: LayerContext<LoraConfig>,
  makeMagnitude: MakeMagnitude | null,
): Promise<LayerAdapter> {
  const { tiedTo } = context;
  if (tiedTo) return tiedLora(context, tiedTo, makeMagnitude);
  return new LoraEmbedding(context, await embeddingStart(context), makeMagnitude);
}
