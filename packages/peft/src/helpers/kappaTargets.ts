import { isPacked, OptionError, singularValues, to } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { Linear, type Module } from "@lowrank/nn";

/** Options of `findKappaTargetModules`. */
export interface KappaOptions {
  /** The share of the layers to return, above 0 and at most 1. At least one layer is returned. Default: 0.2. */
  topP?: number;
  /** Layers with more inputs or outputs than this are left out. Default: 16384. */
  maxDimSizeToAnalyze?: number;
  /** Called after each layer. The search waits for a returned promise. */
  onLayer?: (layer: KappaLayer) => unknown;
}

/** The condition number of a linear layer's weight. */
export interface KappaLayer {
  readonly path: string;
  /** The largest singular value divided by the smallest one plus 1e-8. */
  readonly kappa: number;
}

const keys: OptionKeys<KappaOptions> = { topP: true, maxDimSizeToAnalyze: true, onLayer: true };

/**
 * Returns the linear layers whose weights have the lowest condition numbers, best first, for `targetModules`. Like
 * PEFT's `find_kappa_target_modules` (KappaTune, 2025, https://arxiv.org/abs/2506.16289). Weights of low condition
 * number are far from singular, so that an adapter there disturbs less of what the model knows. Quantised weights are
 * dequantised. The search takes about a second for a weight [1536, 576].
 *
 * @throws If `topP` is out of range, or if no linear layer is small enough.
 *
 * @example
 * const targetModules = await findKappaTargetModules(model, { topP: 0.1 });
 * const peft = await getPeftModel(model, new LoraConfig({ targetModules }));
 */
export async function findKappaTargetModules(model: Module, options: KappaOptions = {}): Promise<string[]> {
  checkOptions("findKappaTargetModules", options, keys);
  const { topP = 0.2, maxDimSizeToAnalyze = 16384, onLayer } = options;
  if (!(topP > 0 && topP <= 1)) {
    throw new OptionError("findKappaTargetModules", "topP", topP, `is ${topP}; it must be above 0 and at most 1`);
  }
  const layers: KappaLayer[] = [];
  for (const [path, module] of model.namedModules()) {
    if (!(module instanceof Linear)) continue;
    const { inFeatures, outFeatures, weight } = module;
    if (Math.max(inFeatures, outFeatures) > maxDimSizeToAnalyze) continue;
    using wide = isPacked(weight.dtype) || weight.dtype !== "f32" ? to(weight.detach(), { dtype: "f32" }) : null;
    const values = singularValues((await (wide ?? weight).data()) as Float32Array, outFeatures, inFeatures);
    const layer = { path, kappa: values[0] / (values[values.length - 1] + 1e-8) };
    layers.push(layer);
    await onLayer?.(layer);
  }
  if (layers.length === 0) {
    const problem = `is ${maxDimSizeToAnalyze}, and the model has no linear layer of at most this size; give a larger one`;
    throw new OptionError("findKappaTargetModules", "maxDimSizeToAnalyze", maxDimSizeToAnalyze, problem);
  }
  layers.sort((a, b) => a.kappa - b.kappa);
  return layers.slice(0, Math.max(1, Math.floor(layers.length * topP))).map(({ path }) => path);
}
