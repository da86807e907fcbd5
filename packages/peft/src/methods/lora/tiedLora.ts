import { add, affine, copyInto, matmul, mul, noGrad, OptionError, scope, type Tensor } from "@lowrank/core";
import type { Conv1D, Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { draws, layerDropout } from "../shared/draws.ts";
import type { LayerContext } from "../shared/method.ts";
import type { PlannedLayer } from "../shared/parameterMethod.ts";
import type { Factors, Magnitude, MakeMagnitude } from "./dora.ts";
import type { LoraConfig } from "./loraConfig.ts";
import type { LoraEmbedding } from "./loraEmbedding.ts";
import { rankAndScaling } from "./loraScaling.ts";

/**
 * LoRA on an output layer that shares the weight and the factors of the embedding: A is the embedding's B, transposed,
 * and B is the embedding's A, transposed. Only DoRA's magnitudes are its own.
 */
class TiedLora implements LayerAdapter {
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly modules: Record<string, Module>;
  readonly paths?: Readonly<Record<string, string>>;
  readonly tiedTo: LoraEmbedding;
  readonly base: Module;
  scaling: number;
  readonly #dropout: Dropout;
  readonly #magnitude?: Magnitude;

  constructor(context: LayerContext<LoraConfig>, tiedTo: LoraEmbedding, makeMagnitude: MakeMagnitude | null) {
    const { base, config, path } = context;
    this.base = base;
    this.tiedTo = tiedTo;
    this.scaling = rankAndScaling(config, path).scaling;
    if (makeMagnitude) {
      const factors = noGrad(() => this.#factors);
      this.#magnitude = makeMagnitude({ weight: (base as Linear).weight, fanInFanOut: false }, factors);
      for (const factor of [factors.a, factors.b]) factor.dispose();
    }
    this.paths = this.#magnitude?.paths;
    this.parameters = { ...this.#magnitude?.parameters };
    this.#dropout = layerDropout(context, config.loraDropout);
    this.modules = config.loraDropout > 0 ? { lora_dropout: this.#dropout } : {};
    tiedTo.followers.push(this);
  }

  get constants(): readonly Tensor[] {
    return this.#magnitude?.constants ?? [];
  }

  /** Empty if the embedding's merge gives this layer its weight too. */
  get owners(): readonly Module[] {
    return this.tiedTo.owners.includes(this.base) ? [] : [this.base];
  }

  get #factors(): Factors {
    const { lora_embedding_A: a, lora_embedding_B: b } = this.tiedTo.parameters;
    return { a: b.transpose(0, 1), b: a.transpose(0, 1), scaling: this.scaling };
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const dropped = this.#dropout.forward(x);
      if (!this.#magnitude) return add(base.forward(x), this.#update(dropped));
      const dense = base as Linear | Conv1D;
      const factors = this.#factors;
      return this.#magnitude.forward({ x, dropped, base: dense, factors, added: (y) => this.#update(y) });
    });
  }

  /** Function that computes the update added to the base layer's output. Undefined with DoRA. */
  get added(): ((x: Tensor) => Tensor) | undefined {
    return this.#magnitude ? undefined : (x) => this.#update(this.#dropout.forward(x));
  }

  #update(x: Tensor): Tensor {
    const { lora_embedding_A: a, lora_embedding_B: b } = this.tiedTo.parameters;
    return matmul(affine(matmul(x, b), { scale: this.scaling }), a);
  }

  merge({ weight, ...rest }: DenseLayer, bare: DenseLayer): DenseLayer {
    const factors = this.#factors;
    const sum = add(weight, affine(matmul(factors.b, factors.a), { scale: this.scaling }));
    const lengths = this.#magnitude?.scaleOnce(bare, factors);
    return { weight: lengths ? mul(sum, lengths.reshape([-1, 1])) : sum, ...rest };
  }

  copies(): Readonly<Record<string, Tensor>> {
    return noGrad(() => {
      const { a, b } = this.#factors;
      return { "lora_A.weight": a, "lora_B.weight": b };
    });
  }
}

/**
 * Creates LoRA on an output layer that shares the factors of the embedding at `path`. As in PEFT, the embedding's B
 * then starts like A of a linear layer. Throws for initialisations that give the two layers different factors.
 */
export function tiedLora(
  context: LayerContext<LoraConfig>,
  { path, layer }: PlannedLayer,
  makeMagnitude: MakeMagnitude | null,
): LayerAdapter {
  const { config, loading } = context;
  const { initLoraWeights: init } = config;
  if (typeof init === "string" && init !== "gaussian") {
    throw new OptionError("", "ensureWeightTying", true, (named) => {
      const [tying, start] = [named("ensureWeightTying"), named("initLoraWeights")];
      return `${start} "${init}" gives ${path} and ${context.path} different factors; use true, false or "gaussian", or leave out ${tying}`;
    });
  }
  const embedding = layer as LoraEmbedding;
  const b = embedding.parameters.lora_embedding_B;
  if (!loading && init !== false) {
    const { uniform, normal } = draws(context);
    const { r } = rankAndScaling(config, context.path);
    const draw = init === true ? uniform(1 / Math.sqrt(b.shape[0])) : normal(1 / r);
    noGrad(() => scope(() => copyInto(b, draw(b.shape))));
  }
  return new TiedLora(context, embedding, makeMagnitude);
}
