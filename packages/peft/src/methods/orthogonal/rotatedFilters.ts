import { OptionError, scope, type Tensor } from "@lowrank/core";
import type { Module, Parameter, UnaryModule } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import {
  type Convolution,
  type ConvolutionSizes,
  expectOneGroup,
  expectSquareFilters,
  inBothDimensions,
  sizesOf,
} from "../shared/convolution.ts";
import { convolve } from "../shared/convolve.ts";
import type { LayerContext } from "../shared/method.ts";

/**
 * Throws for strides and padding that differ in the two dimensions, and for dilations. PEFT uses the stride and the
 * padding of the first dimension in both, and no dilation, until the adapter is merged.
 */
function checkOptions({ base, path }: LayerContext<PeftConfig>, method: string): void {
  const { options } = base as Convolution;
  const { kernel } = sizesOf(base);
  const dilation = inBothDimensions(options.dilation ?? 1);
  const wrong = (["stride", "padding"] as const).find((key) => {
    const [height, width] = inBothDimensions(options[key] ?? 0);
    return height !== width;
  });
  const key = wrong ?? (kernel.some((size, i) => size > 1 && dilation[i] > 1) ? "dilation" : null);
  if (key === null) return;
  throw new OptionError("", "targetModules", path, (named) => {
    const needs = key === "dilation" ? "no dilation" : `one ${key} for both dimensions`;
    return `${path} has the ${key} ${JSON.stringify(options[key])}, but PEFT's ${method} uses ${needs}; leave ${path} out of ${named("targetModules")}`;
  });
}

/**
 * An adapter that replaces the filters of a convolution in two dimensions. The filters are the rows of a matrix
 * [filters, channels · elements]. Another adapter, for a linear layer with this weight, computes the new rows by its
 * `merge`. Throws for convolutions that PEFT does not support: with groups, with filters that are not square, and with
 * options that PEFT ignores.
 */
export class RotatedFilters implements LayerAdapter {
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly modules: Readonly<Record<string, Module>>;
  readonly constants: readonly Tensor[];
  readonly #merge: Required<LayerAdapter>["merge"];

  constructor(
    context: LayerContext<PeftConfig>,
    method: string,
    rows: (sizes: ConvolutionSizes) => LayerAdapter & Required<Pick<LayerAdapter, "merge">>,
  ) {
    expectOneGroup(context, method);
    expectSquareFilters(context, method);
    checkOptions(context, method);
    const adapter = rows(sizesOf(context.base));
    this.parameters = adapter.parameters;
    this.modules = (adapter.modules ?? {}) as Readonly<Record<string, Module>>;
    this.constants = adapter.constants ?? [];
    this.#merge = (...layers) => adapter.merge(...layers);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const { weight, bias, options } = base as Convolution;
    return scope(() => {
      const rotated = this.merge({ weight: toF32(weight), bias: null, fanInFanOut: false });
      return convolve(x, rotated.weight, bias && toF32(bias), options);
    });
  }

  merge({ weight, ...rest }: DenseLayer): DenseLayer {
    const rows = { weight: weight.reshape([weight.shape[0], -1]), ...rest };
    return { weight: this.#merge(rows, rows).weight.reshape(weight.shape), ...rest };
  }
}
