import { full, type Generator, ones, rand, randn, scope, type Tensor, to, zeros } from "@lowrank/core";
import { Dropout, Parameter } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { LayerContext } from "./method.ts";
import type { FloatDType } from "./methodFacts.ts";

/** The start of a tensor, as a function of its shape; in f32 or in the dtype that is wished. */
export type Draw = (shape: readonly number[], dtype?: FloatDType) => Tensor;

/** The starts of a layer's tensors, on its backend and from its generator. */
export interface Draws {
  zero: Draw;
  one: Draw;
  constant(value: number): Draw;
  /** From -bound to bound. */
  uniform(bound: number): Draw;
  normal(std: number): Draw;
}

/** Returns the starts that a layer's tensors can have. */
export function draws({ backend, generator }: Pick<LayerContext<PeftConfig>, "backend" | "generator">): Draws {
  return {
    zero: (shape, dtype) => zeros(shape, { backend, dtype }),
    one: (shape) => ones(shape, { backend }),
    constant: (value) => (shape) => full(shape, value, { backend }),
    uniform: (bound) => (shape) => rand(shape, { generator, low: -bound, high: bound, backend }),
    normal: (std) => (shape) => randn(shape, { generator, std, backend }),
  };
}

/** A parameter that starts so. */
export function drawn(draw: Draw, shape: readonly number[], dtype: FloatDType = "f32"): Parameter {
  using data = scope(() => {
    const start = draw(shape, dtype);
    return start.dtype === dtype ? start : to(start, { dtype });
  });
  return new Parameter(data);
}

/** Returns a generator of the layer's own, for random events in training. */
export function layerGenerator({ path, generator }: LayerContext<PeftConfig>): Generator {
  return generator.fork(path);
}

/** A dropout whose random numbers are the layer's own. */
export function layerDropout(context: LayerContext<PeftConfig>, p: number): Dropout {
  return new Dropout(p, layerGenerator(context));
}
