import { add, affine, type Generator, matmul, scope, type Tensor } from "@lowrank/core";
import { type Dropout, type Linear, Module, type ModuleBuffer, type Parameter, type UnaryModule } from "@lowrank/nn";
import { type DenseLayer, type LayerAdapter, type LowRank, toF32 } from "../../../layers/tunerLayer.ts";
import { drawn, layerDropout, layerGenerator } from "../../shared/draws.ts";
import type { LayerContext } from "../../shared/method.ts";
import type { LoraConfig } from "../loraConfig.ts";
import { rankAndScaling } from "../loraScaling.ts";
import type { LinearStart } from "../loraStart.ts";

/** Module without parameters, whose `training` is the mode of its layer. Checkpoints contain its generator. */
class Mode extends Module {
  readonly generator: Generator;

  constructor(generator: Generator) {
    super();
    this.generator = generator;
  }
}

/** Returns A [r, in], B [out, r] and, with `loraBias`, the bias of B [out] by their keys in files. */
export function variantParameters(
  { base, config, path, dtypeOf }: LayerContext<LoraConfig>,
  start: LinearStart,
): Record<string, Parameter> {
  const { inFeatures, outFeatures } = base as Linear;
  const { r } = rankAndScaling(config, path);
  return {
    "lora_A.weight": drawn(start.a, [r, inFeatures], dtypeOf("lora_A.weight")),
    "lora_B.weight": drawn(start.b, [outFeatures, r], dtypeOf("lora_B.weight")),
    ...(config.loraBias ? { "lora_B.bias": drawn(start.bias, [outFeatures], dtypeOf("lora_B.bias")) } : {}),
  };
}

/**
 * LoRA on a linear layer or a Conv1D, with another product of the input and A. Subclasses define it: `low` returns the
 * r values of each token, which B multiplies.
 */
export abstract class VariantLinear implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly modules: Record<string, Module | ModuleBuffer>;
  readonly baseWeight?: Tensor;
  scaling: number;
  protected readonly rank: number;
  readonly #dropout: Dropout;
  readonly #mode: Mode;

  /** `own` has the variant's parameters. `variant` is the name of the module that has the layer's mode. */
  constructor(
    context: LayerContext<LoraConfig>,
    start: LinearStart,
    variant: string,
    own: Readonly<Record<string, Parameter>> = {},
  ) {
    const { config, path } = context;
    const { r, scaling } = rankAndScaling(config, path);
    this.baseWeight = start.weight;
    this.parameters = { ...variantParameters(context, start), ...own };
    this.#dropout = layerDropout(context, config.loraDropout);
    this.#mode = new Mode(layerGenerator(context));
    this.modules = { ...(config.loraDropout > 0 ? { lora_dropout: this.#dropout } : {}), [variant]: this.#mode };
    this.rank = r;
    this.scaling = scaling;
  }

  /** True in training mode. */
  protected get training(): boolean {
    return this.#mode.training;
  }

  /** The source of random values in training. */
  protected get generator(): Generator {
    return this.#mode.generator;
  }

  /** A in f32, [r, in]. */
  protected get a(): Tensor {
    return toF32(this.parameters["lora_A.weight"]);
  }

  /** B in f32, [out, r]. */
  protected get b(): Tensor {
    return toF32(this.parameters["lora_B.weight"]);
  }

  /** Returns [..., r] for the input x [..., in], to which dropout was applied. */
  protected abstract low(x: Tensor): Tensor;

  /** Returns A [r, in] of the product B A that a merge adds to the weight. */
  protected mergedA(): Tensor {
    return this.a;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    const { "lora_B.bias": bias } = this.parameters;
    const low = affine(this.low(this.#dropout.forward(x)), { scale: this.scaling });
    const update = matmul(low, this.b, { transposeB: true });
    return bias ? add(update, affine(toF32(bias), { scale: this.scaling })) : update;
  }

  /** A, B, scaling and bias in evaluation mode, where the update equals plain LoRA. */
  protected get plainProduct(): LowRank | undefined {
    if (this.training) return undefined;
    const { "lora_A.weight": a, "lora_B.weight": b, "lora_B.bias": bias } = this.parameters;
    return { a, b, scaling: this.scaling, bias };
  }

  merge({ weight, bias, fanInFanOut }: DenseLayer): DenseLayer {
    const { "lora_B.bias": added } = this.parameters;
    const [a, b, scale] = [this.mergedA(), this.b, this.scaling];
    const product = fanInFanOut ? matmul(a, b, { transposeA: true, transposeB: true }) : matmul(b, a);
    const scaledBias = added ? affine(toF32(added), { scale }) : null;
    return {
      weight: add(weight, affine(product, { scale })),
      bias: scaledBias && bias ? add(bias, scaledBias) : (scaledBias ?? bias),
      fanInFanOut,
    };
  }
}
