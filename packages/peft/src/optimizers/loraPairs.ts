import { add, copyInto, matmul, noGrad, scope, type Tensor, tensor, to } from "@lowrank/core";
import type { Module, Parameter } from "@lowrank/nn";
import { TunerLayer, toF32 } from "../layers/tunerLayer.ts";

/** The factors of an adapter on a linear layer. */
export interface LoraPair {
  /** A, [r, in]. */
  readonly a: Parameter;
  /** B, [out, r]. */
  readonly b: Parameter;
  /** The factor by which B A is multiplied. */
  readonly scaling: number;
}

/** Returns all pairs of trained parameters `lora_A` and `lora_B`. They belong to linear layers, not to embeddings. */
export function loraPairs(model: Module): LoraPair[] {
  const pairs: LoraPair[] = [];
  for (const [, layer] of model.namedModules()) {
    for (const adapter of layer instanceof TunerLayer ? layer.adapters.values() : []) {
      for (const [key, a] of Object.entries(adapter.parameters)) {
        const b = /(^|\.)lora_A(\.weight)?$/.test(key) && adapter.parameters[key.replace("lora_A", "lora_B")];
        if (!b || !a.requiresGrad || !b.requiresGrad) continue;
        pairs.push({ a, b, scaling: adapter.scalingOf?.(key) ?? adapter.scaling ?? 1 });
      }
    }
  }
  return pairs;
}

/** Replaces the gradient of a parameter by `change(gradient)`, computed in f32. Does nothing without a gradient. */
export function changeGradient({ grad }: Parameter, change: (grad: Tensor) => Tensor): void {
  if (!grad) return;
  noGrad(() => scope(() => copyInto(grad, to(change(toF32(grad)), { dtype: grad.dtype }))));
}

/** Returns F Fᵀ + damping I, [r, r], of a matrix F [r, n]. Takes Fᵀ as well, with `transposed`. */
export function dampedGram(factor: Tensor, damping: number, { transposed }: { readonly transposed: boolean }): Tensor {
  const f = toF32(factor);
  const r = f.shape[transposed ? 1 : 0];
  const diagonal = Float32Array.from({ length: r * r }, (_, i) => (i % (r + 1) === 0 ? damping : 0));
  const products = matmul(f, f, transposed ? { transposeA: true } : { transposeB: true });
  return add(products, tensor(diagonal, { shape: [r, r], backend: f.storage.backend }));
}
