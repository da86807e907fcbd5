import { full, type Generator, ones, rand, randn, scope, type Tensor, to, zeros } from "@lowrank/core";
import { Dropout, Parameter } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { LayerContext } from "./method.ts";
import type { FloatDType } from "./methodFacts.ts";

/** Creates a tensor of the given shape with initial values. `dtype` defaults to f32. */
export type Draw = (shape: readonly number[], dtype?: FloatDType) => Tensor;

/** Functions that create a layer's initial tensors, on its backend and with its random generator. */
export interface Draws {
  zero: Draw;
  one: Draw;
  constant(value: number): Draw;
  /** Draws uniformly from [-bound, bound). */
  uniform(bound: number): Draw;
  normal(std: number): Draw;
}

/** Returns the functions that create a layer's initial tensors. */
export function draws({ backend, generator }: Pick<LayerContext<PeftConfig>, "backend" | "generator">): Draws {
  return {
    zero: (shape, dtype) => zeros(shape, { backend, dtype }),
    one: (shape) => ones(shape, { backend }),
    constant: (value) => (shape) => full(shape, value, { backend }),
    uniform: (bound) => (shape) => rand(shape, { generator, low: -bound, high: bound, backend }),
    normal: (std) => (shape) => randn(shape, { generator, std, backend }),
  };
}

/** Returns a parameter of this shape and dtype, initialised by `draw`. */
export function drawn(draw: Draw, shape: readonly number[], dtype: FloatDType = "f32"): Parameter {
  using data = scope(() => {
    const start = draw(shape, dtype);
    return start.dtype === dtype ? start : to(start, { dtype });
  });
  return new Parameter(data);
}

/**
 * Returns a random generator for the layer's dropout in training. It is derived from the layer's path, so that it does
 * not depend on other layers.
 */
export function layerGenerator({ path, generator }: LayerContext<PeftConfig>): Generator {
  return generator.fork(path);
}

/** Returns a dropout module that draws from `layerGenerator`. */
export function layerDropout(context: LayerContext<PeftConfig>, p: number): Dropout {
  return new Dropout(p, layerGenerator(context));
}
