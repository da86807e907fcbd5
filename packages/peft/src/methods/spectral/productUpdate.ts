import { add, scope, type Tensor } from "@lowrank/core";
import type { Parameter, UnaryModule } from "@lowrank/nn";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { names } from "../../targets/pattern.ts";
import { identity } from "../orthogonal/rotation.ts";
import { mapWeight } from "../shared/mergedWeight.ts";

/** The modules that FourierFT and WaveFT adapt by default, by `model_type`. */
export const spectralTargets: Readonly<Record<string, readonly string[]>> = {
  ...attentionTargets,
  gpt2: names("mlp.c_proj"),
  gpt_bigcode: names("mlp.c_proj"),
};

/**
 * An adapter of a linear layer that computes the product of its input and the weight's update without computing the
 * update as a matrix.
 */
export abstract class ProductUpdate implements LayerAdapter {
  abstract readonly parameters: Readonly<Record<string, Parameter>>;
  abstract readonly constants: readonly Tensor[];

  /** Returns the update for x [rows, in] that is added to the base layer's output, [rows, out]. */
  protected abstract product(x: Tensor): Tensor;

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    return this.product(x.reshape([-1, x.shape[x.ndim - 1]])).reshape([...x.shape.slice(0, -1), -1]);
  }

  merge(base: DenseLayer): DenseLayer {
    return mapWeight(base, (weight) => add(weight, this.product(identity(weight.shape[1], weight)).transpose(0, 1)));
  }
}
