import { full, type Generator, ones, rand, randn, scope, type Tensor, to, zeros } from "@lowrank/core";
import { Dropout, Parameter } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { LayerContext } from "./method.ts";
import type { FloatDType } from "./methodFacts.ts";

/** Creates a tensor of initial values with this shape. `dtype` defaults to f32. */
export type Draw = (shape: readonly number[], dtype?: FloatDType) => Tensor;

/** Initialisers for a layer's tensors, on its backend and with its generator. */
export interface Draws {
  zero: Draw;
  one: Draw;
  constant(value: number): Draw;
  /** Uniform in [-bound, bound). */
  uniform(bound: number): Draw;
  normal(std: number): Draw;
}

/** Returns the initialisers for a layer's tensors. */
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

/** Returns a separate generator for the layer's random events in training, derived from its path. */
export function layerGenerator({ path, generator }: LayerContext<PeftConfig>): Generator {
  return generator.fork(path);
}

/** Returns a dropout module that uses the layer's generator. */
export function layerDropout(context: LayerContext<PeftConfig>, p: number): Dropout {
  return new Dropout(p, layerGenerator(context));
}
