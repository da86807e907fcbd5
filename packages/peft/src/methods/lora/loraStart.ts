import type { Tensor } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { type Draw, draws } from "../shared/draws.ts";
import type { LayerContext } from "../shared/method.ts";
import type { LoraConfig } from "./loraConfig.ts";
import { rankAndScaling } from "./loraScaling.ts";

const parts = () => import("./startParts.ts");

/** The initialisers of LoRA's tensors on a linear layer. */
export interface LinearStart {
  /** Creates A [r, in]. */
  a: Draw;
  /** Creates B [out, r]. */
  b: Draw;
  /** Creates the bias of B [out], if `loraBias` is set. */
  bias: Draw;
  /** The new base weight [out, in], if the initialisation changes it. */
  weight?: Tensor;
}

/** Values of `initLoraWeights`, in addition to true and false, that leave the base weight unchanged. */
const drawnStarts: ReadonlySet<string> = new Set(["gaussian", "orthogonal", "eva", "mica"]);

/** Returns the initialisers of LoRA's tensors on a linear layer for the configured `initLoraWeights`. */
export async function linearStart(context: LayerContext<LoraConfig>): Promise<LinearStart> {
  const { base, config, path, loading } = context;
  const { initLoraWeights: init } = config;
  const { inFeatures } = base as Linear;
  const { r } = rankAndScaling(config, path);
  const { zero, uniform, normal } = draws(context);
  const factors = typeof init === "string" && !drawnStarts.has(init) ? await baseFactors(context, init) : undefined;
  if (factors) return { a: () => factors.a, b: () => factors.b, bias: zero, weight: factors.weight };
  if (loading) return { a: zero, b: zero, bias: zero };
  if (init === "mica") {
    const { minorFactors } = await (await parts()).loadMinorFactors();
    return { ...(await minorFactors(context)), bias: zero };
  }
  if (init === "eva") {
    const message = 'initLoraWeights "eva" starts as plain LoRA; call initializeLoraEvaWeights before training';
    context.warn({ code: "needs-data", message });
  }
  const a = uniform(1 / Math.sqrt(inFeatures));
  if (init === false) return { a, b: uniform(1 / Math.sqrt(r)), bias: uniform(1 / Math.sqrt(r)) };
  if (init === "orthogonal") {
    const { orthogonal } = await (await parts()).loadOrthogonalStart();
    return { ...orthogonal(context, r), bias: zero };
  }
  return { a: init === "gaussian" ? normal(1 / r) : a, b: zero, bias: zero };
}

/**
 * Computes A, B and the new base weight for an initialisation that changes the base weight (such as PiSSA). Returns
 * undefined for other initialisations. Also returns undefined if a LoftQ adapter is loaded onto a base weight that is
 * already 4-bit.
 */
async function baseFactors(context: LayerContext<LoraConfig>, init: string) {
  const { factorStart } = await (await parts()).loadFactorStart();
  return factorStart(context, init);
}
