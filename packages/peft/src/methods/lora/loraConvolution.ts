import { add, affine, matmul, mul, OptionError, scope, sub, type Tensor } from "@lowrank/core";
import type { Dropout, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { byChannel, type Convolution, type ConvolutionSizes, sizesOf } from "../shared/convolution.ts";
import { convolve } from "../shared/convolve.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import type { LayerContext } from "../shared/method.ts";
import type { Factors, Magnitude, MakeMagnitude } from "./dora.ts";
import type { LoraConfig } from "./loraConfig.ts";
import { rankAndScaling } from "./loraScaling.ts";
import type { LinearStart } from "./loraStart.ts";

/** Throws for options that LoRA does not support on the convolution, as PEFT does, and for dilations. */
function checkConvolution({ base, config, path }: LayerContext<LoraConfig>, r: number): void {
  const { groups, kernel } = sizesOf(base);
  const { initLoraWeights: init, useBdlora, useDora } = config;
  const leave = (named: (name: string) => string) => `leave ${path} out of ${named("targetModules")}`;
  if (r % groups !== 0) {
    throw new OptionError("", "r", r, (named) => {
      return `${path} has ${groups} groups, and ${named("r")} ${r} is not a multiple of that; choose another rank, or ${leave(named)}`;
    });
  }
  if (useDora && groups > 1) {
    throw new OptionError("", "useDora", true, (named) => {
      return `${path} has ${groups} groups, and ${named("useDora")} is for convolutions with one; ${leave(named)}`;
    });
  }
  if (useBdlora) {
    throw new OptionError("", "useBdlora", useBdlora, (named) => {
      return `${path} is a convolution, and ${named("useBdlora")} is for linear layers; ${leave(named)}`;
    });
  }
  if (typeof init === "string" && init !== "gaussian" && init !== "lora_ga") {
    throw new OptionError("", "initLoraWeights", init, (named) => {
      return `${named("initLoraWeights")} "${init}" is not for convolutions, which take true, false or "gaussian"; ${leave(named)}`;
    });
  }
  const { dilation = 1 } = (base as Convolution).options;
  const dilations = typeof dilation === "number" ? kernel.map(() => dilation) : dilation;
  if (kernel.some((size, i) => size > 1 && dilations[i] > 1)) {
    throw new OptionError("", "targetModules", path, (named) => {
      return `${path} has the dilation ${JSON.stringify(dilation)}, which LoRA's A lacks in PEFT; ${leave(named)}`;
    });
  }
}

/**
 * Returns the initialisers of LoRA's tensors on a convolution. "lora_ga" is for linear layers, and starts convolutions
 * as true does.
 */
function convolutionStart(context: LayerContext<LoraConfig>, r: number): LinearStart {
  const { zero, uniform, normal } = draws(context);
  if (context.loading) return { a: zero, b: zero, bias: zero };
  const { channels, groups, elements } = sizesOf(context.base);
  const { initLoraWeights: init } = context.config;
  const a = uniform(1 / Math.sqrt(channels * elements));
  const other = uniform(1 / Math.sqrt(r / groups));
  if (init === false) return { a, b: other, bias: other };
  return { a: init === "gaussian" ? normal(1 / r) : a, b: zero, bias: zero };
}

/**
 * LoRA on a convolution: A [r, channels, ...kernel] is a convolution with the base layer's stride and padding, but
 * without groups. B [filters, r / groups, 1 ...] is a convolution of single elements, with groups. With DoRA, there are
 * also magnitudes [1, filters, 1 ...].
 */
class LoraConvolution implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly modules: Readonly<Record<string, Module>>;
  readonly paths?: Readonly<Record<string, string>>;
  readonly unmergeable?: string;
  scaling: number;
  readonly #base: Convolution;
  readonly #sizes: ConvolutionSizes;
  readonly #dropout: Dropout;
  readonly #magnitude?: Magnitude;

  constructor(context: LayerContext<LoraConfig>, makeMagnitude: MakeMagnitude | null) {
    const { config, path, dtypeOf } = context;
    const { r, scaling } = rankAndScaling(config, path);
    checkConvolution(context, r);
    this.#base = context.base as Convolution;
    this.#sizes = sizesOf(this.#base);
    const { channels, filters, groups, kernel } = this.#sizes;
    const start = convolutionStart(context, r);
    const ones = kernel.map(() => 1);
    const a = drawn(start.a, [r, channels, ...kernel], dtypeOf("lora_A.weight"));
    const b = drawn(start.b, [filters, r / groups, ...ones], dtypeOf("lora_B.weight"));
    const bias = config.loraBias ? drawn(start.bias, [filters], dtypeOf("lora_B.bias")) : null;
    this.scaling = scaling;
    this.parameters = { "lora_A.weight": a, "lora_B.weight": b, ...(bias ? { "lora_B.bias": bias } : {}) };
    if (makeMagnitude) {
      using weight = this.#matrix(this.#base.weight);
      using rows = this.#matrix(a);
      using columns = this.#matrix(b);
      const factors = { a: rows, b: columns, scaling };
      this.#magnitude = makeMagnitude({ weight, fanInFanOut: false }, factors, [1, filters, ...ones]);
      this.paths = this.#magnitude.paths;
      Object.assign(this.parameters, this.#magnitude.parameters);
    }
    this.#dropout = layerDropout(context, config.loraDropout);
    this.modules = config.loraDropout > 0 ? { lora_dropout: this.#dropout } : {};
    if (groups === 1) return;
    this.unmergeable = `the convolution has ${groups} groups`;
    const message = `${path} has ${groups} groups, so that the adapter cannot be merged into the weights`;
    context.warn({ code: "unmergeable", message });
  }

  get constants(): readonly Tensor[] {
    return this.#magnitude?.constants ?? [];
  }

  /** Returns filters [n, ...] as a matrix with one row for each filter. */
  #matrix(filters: Tensor): Tensor {
    return filters.reshape([filters.shape[0], -1]);
  }

  /** A and B as matrices [r, channels · elements] and [filters, r / groups]. */
  get #factors(): Factors {
    const { "lora_A.weight": a, "lora_B.weight": b } = this.parameters;
    return { a: this.#matrix(a), b: this.#matrix(b), scaling: this.scaling };
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const dropped = this.#dropout.forward(x);
      return this.#magnitude
        ? this.#rescaled(this.#magnitude, base, x, dropped)
        : add(base.forward(x), this.#added(dropped));
    });
  }

  /**
   * Function that computes the update added to the base layer's output. Undefined with DoRA, which also rescales that
   * output.
   */
  get added(): ((x: Tensor) => Tensor) | undefined {
    return this.#magnitude ? undefined : (x) => scope(() => this.#added(this.#dropout.forward(x)));
  }

  /** Returns LoRA's update scaling · B(A(x)), including the bias of B. */
  #added(x: Tensor): Tensor {
    const { "lora_A.weight": a, "lora_B.weight": b, "lora_B.bias": bias } = this.parameters;
    const { stride, padding } = this.#base.options;
    const low = convolve(x, a, null, { ...(stride ? { stride } : {}), ...(padding ? { padding } : {}) });
    return affine(convolve(low, b, bias ?? null, { groups: this.#sizes.groups }), { scale: this.scaling });
  }

  /** Returns the output with DoRA. As on linear layers, only the parts that DoRA changes use x after dropout. */
  #rescaled(magnitude: Magnitude, base: UnaryModule, x: Tensor, dropped: Tensor): Tensor {
    const { weight, bias, options } = this.#base;
    const product = (input: Tensor) => {
      if (base === this.#base) return convolve(input, weight, null, options);
      const y = base.forward(input);
      return bias ? sub(y, byChannel(toF32(bias), this.#sizes)) : y;
    };
    const stored = { weight: this.#matrix(weight), fanInFanOut: false };
    const scale = byChannel(magnitude.scale(stored, this.#factors), this.#sizes);
    const plain = product(dropped);
    const changed = mul(add(plain, this.#added(dropped)), scale);
    const y = dropped === x ? changed : add(product(x), sub(changed, plain));
    return bias ? add(y, byChannel(toF32(bias), this.#sizes)) : y;
  }

  /** Merges B A into filters. Undefined for a convolution with groups. */
  get merge(): ((dense: DenseLayer, bare: DenseLayer) => DenseLayer) | undefined {
    return this.unmergeable === undefined ? (dense, bare) => this.#merged(dense, bare) : undefined;
  }

  #merged({ weight, bias, fanInFanOut }: DenseLayer, bare: DenseLayer): DenseLayer {
    const { a, b, scaling: scale } = this.#factors;
    const { "lora_B.bias": added } = this.parameters;
    const scaledBias = added && affine(toF32(added), { scale });
    const delta = affine(matmul(toF32(b), toF32(a)), { scale }).reshape(weight.shape);
    const sum = add(weight, delta);
    const lengths = this.#magnitude?.scaleOnce({ weight: this.#matrix(bare.weight), fanInFanOut }, this.#factors);
    return {
      weight: lengths ? mul(sum, byChannel(lengths, this.#sizes).unsqueeze(1)) : sum,
      bias: scaledBias && bias ? add(bias, scaledBias) : (scaledBias ?? bias),
      fanInFanOut,
    };
  }
}

/** Returns LoRA's adapter of a convolution. Throws for layers and options that PEFT does not support there. */
export function loraConvolution(context: LayerContext<LoraConfig>, makeMagnitude: MakeMagnitude | null): LayerAdapter {
  return new LoraConvolution(context, makeMagnitude);
}
