import {
  affine,
  isPacked,
  matmul,
  noGrad,
  OptionError,
  scope,
  sub,
  type Tensor,
  tensor,
  to,
  zeros,
} from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import type { LayerContext } from "../../shared/method.ts";
import type { FloatDType } from "../../shared/methodFacts.ts";
import { checkRank, type Factors, fullWeight } from "../factors.ts";
import type { LoraConfig } from "../loraConfig.ts";
import { rankAndScaling } from "../loraScaling.ts";
import { checkCorda, componentFactors } from "./componentFactors.ts";
import { checkLoraGa, gradientFactors } from "./gradientFactors.ts";
import { takeMeasurement } from "./measurements.ts";

/** Factors in host memory: A [r, in] and B [out, r]. */
export interface HostStart {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/** The layer for which `gradientFactors` and `componentFactors` compute factors. */
export interface MeasuredLinear {
  /** The weight in f32, [out, in]. */
  readonly weight: Tensor;
  /** The first size of the weight as the model stores it: [out, in], or [in, out] for Conv1D. */
  readonly stored: number;
  readonly r: number;
  readonly scaling: number;
}

/**
 * Computes A, B and the new base weight W - scaling B A from what was measured on the layer: CorDA or LoRA-GA. Returns
 * undefined for a layer without gradients, and for a LoRA-GA adapter that is loaded without measuring; as in PEFT, such
 * layers start like plain LoRA and keep their weights. Throws if nothing was measured for a new adapter, and if the
 * weight is quantised.
 */
export async function measuredStart(
  context: LayerContext<LoraConfig>,
  init: "corda" | "lora_ga",
): Promise<(Factors & { weight: Tensor }) | undefined> {
  const { base, config, kind, path, generator } = context;
  if (init === "corda") checkCorda(config);
  else checkLoraGa(config);
  const { weight } = base as Linear;
  const dtype = weight.dtype as FloatDType;
  const { r, scaling } = rankAndScaling(config, path);
  if (isPacked(dtype)) {
    const problem = `needs base weights that are not quantised, but ${path} is ${dtype}: load the model without quantize, and call quantizeBase after getPeftModel`;
    throw new OptionError("", "initLoraWeights", init, `"${init}" ${problem}`);
  }
  using w = fullWeight(weight, kind === "conv1d");
  const [rows, columns] = w.shape;
  checkRank(init, init === "corda" ? r : 2 * r, w.shape);
  const { backend } = weight.storage;
  if (backend.dataless) return subtracted(w, zeros([r, columns], { backend }), zeros([rows, r], { backend }), scaling);
  const found = takeMeasurement(base, init);
  if (!found) return notMeasured(context, init);
  if (found.values === null) return undefined;
  const layer = { weight: w, stored: weight.shape[0], r, scaling };
  const { a, b } =
    init === "corda"
      ? await componentFactors(layer, found.values, config.cordaConfig!, path)
      : await gradientFactors(layer, found.values, config.loraGaConfig!, generator);
  // PEFT rounds LoRA-GA's factors to the weight's dtype before it subtracts their product.
  const rounded = (values: Float32Array, shape: readonly number[]) => {
    const full = tensor(values, { shape, backend });
    return init === "corda" || dtype === "f32" ? full : scope(() => to(to(full, { dtype }), { dtype: "f32" }));
  };
  return subtracted(w, rounded(a, [r, columns]), rounded(b, [rows, r]), scaling);
}

/** Returns the factors, and the weight without their scaled product. */
function subtracted(w: Tensor, a: Tensor, b: Tensor, scaling: number): Factors & { weight: Tensor } {
  return { a, b, weight: noGrad(() => scope(() => sub(w, affine(matmul(b, a), { scale: scaling })))) };
}

/** Warns for a LoRA-GA adapter that is loaded, as PEFT can load it. Throws otherwise. */
function notMeasured({ loading, path, warn }: LayerContext<LoraConfig>, init: "corda" | "lora_ga"): undefined {
  if (loading && init === "lora_ga") {
    const message = `initLoraWeights "lora_ga" changed the base weights when the adapter was created, and its file does not contain the changed weights: load the adapter onto a model with them, call preprocessLoraGa with the same data before, or have the adapter saved with path_initial_model_for_weight_conversion`;
    warn({ code: "start-not-repeatable", message });
    return undefined;
  }
  const [name, what] = init === "corda" ? ["preprocessCorda", "covariances"] : ["preprocessLoraGa", "gradients"];
  const fix = loading
    ? `call ${name} with the same data before, or set init_lora_weights to true for a model with the changed weights`
    : `call ${name}(model, config, ...) before getPeftModel`;
  throw new OptionError("", "initLoraWeights", init, `"${init}" needs ${what}, and ${path} has none: ${fix}`);
}
