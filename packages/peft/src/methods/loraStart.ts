import { affine, isPacked, matmul, noGrad, randn, scope, sub, type Tensor, tensor, truncatedQr } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { type Draw, draws } from "./draws.ts";
import { checkRank, type Factors, fullWeight, qrFactors, subspaceFactors, svdFactors } from "./factors.ts";
import { loftq } from "./loftq.ts";
import type { LoftQConfig, LoraConfig } from "./loraConfig.ts";
import { rankAndScaling } from "./loraScaling.ts";
import type { LayerContext } from "./method.ts";

/** The start of LoRA on a linear layer. */
export interface LinearStart {
  /** [r, in] */
  a: Draw;
  /** [out, r] */
  b: Draw;
  /** [out] */
  bias: Draw;
  /** The new base weight, [out, in]. */
  weight?: Tensor;
}

/** The start of LoRA on a linear layer, as `initLoraWeights` says it. */
export async function linearStart(context: LayerContext<LoraConfig>): Promise<LinearStart> {
  const { base, config, path, loading } = context;
  const { initLoraWeights: init } = config;
  const { inFeatures } = base as Linear;
  const { r } = rankAndScaling(config, path);
  const { zero, uniform, normal } = draws(context);
  const factors = typeof init === "string" ? await baseFactors(context, init) : undefined;
  if (factors) return { a: () => factors.a, b: () => factors.b, bias: zero, weight: factors.weight };
  if (loading) return { a: zero, b: zero, bias: zero };
  if (init === "eva") {
    const message = 'initLoraWeights "eva" starts as plain LoRA; call initializeLoraEvaWeights before training';
    context.warn({ code: "needs-data", message });
  }
  const a = uniform(1 / Math.sqrt(inFeatures));
  if (init === false) return { a, b: uniform(1 / Math.sqrt(r)), bias: uniform(1 / Math.sqrt(r)) };
  if (init === "orthogonal") return { ...orthogonal(context, r), bias: zero };
  return { a: init === "gaussian" ? normal(1 / r) : a, b: zero, bias: zero };
}

/**
 * The start of LoRA on an embedding: A [r, vocabulary] zero, B [dim, r] drawn, whatever the
 * linear layers start from.
 */
export function embeddingStart(context: LayerContext<LoraConfig>): { a: Draw; b: Draw } {
  const { config, path, loading } = context;
  const { zero, normal } = draws(context);
  if (config.initLoraWeights === "loftq") {
    throw new Error(`initLoraWeights "loftq" is for linear layers; leave ${path} out of targetModules`);
  }
  if (loading) return { a: zero, b: zero };
  return { a: config.initLoraWeights === false ? normal(1) : zero, b: normal(1) };
}

/**
 * The starts that change the base weight; undefined for others. PEFT makes them again
 * when an adapter is loaded.
 */
async function baseFactors(
  context: LayerContext<LoraConfig>,
  init: string,
): Promise<(Factors & { weight: Tensor }) | undefined> {
  const { base, kind, config, path, loading } = context;
  const { weight } = base as Linear;
  const { r, scaling } = rankAndScaling(config, path);
  const transposed = kind === "conv1d";
  if (init === "loftq") {
    // A base in 4 bits is what LoftQ left when the adapter was made.
    if (loading && isPacked(weight.dtype)) return undefined;
    return loftq(weight, r, config.loftqConfig as LoftQConfig, transposed);
  }
  if (loading && init.startsWith("pissa_niter")) {
    const message = `initLoraWeights "${init}" takes out of the base weights what each program finds otherwise, PEFT at every load: an adapter from elsewhere answers otherwise here; have it saved with path_initial_model_for_weight_conversion`;
    context.warn({ code: "start-not-repeatable", message });
  }
  const turns = /^pissa_niter_(\d+)$/.exec(init)?.[1];
  const factor = {
    pissa: (w: Tensor) =>
      turns === undefined ? svdFactors(w, r, scaling) : subspaceFactors(w, r, scaling, Number(turns)),
    olora: (w: Tensor) => qrFactors(w, r),
  }[init.startsWith("pissa") ? "pissa" : init];
  if (!factor) return undefined;
  if (isPacked(weight.dtype)) {
    throw new Error(
      `initLoraWeights "${init}" takes its start out of the base weights, and ${path} is ${weight.dtype}: load the model without quantize, and call quantizeBase after getPeftModel`,
    );
  }
  using w = fullWeight(weight, transposed);
  checkRank(init, r, w.shape);
  const { a, b } = await factor(w);
  const rest = noGrad(() => scope(() => sub(w, affine(matmul(b, a), { scale: scaling }))));
  return { a, b, weight: rest };
}

/**
 * Draws A and B within the odd and the even rows of an orthogonal matrix, so that
 * neither is zero and B A is.
 */
function orthogonal({ base, generator }: LayerContext<LoraConfig>, r: number): { a: Draw; b: Draw } {
  const { backend } = (base as Linear).weight.storage;
  const square = new Float32Array(r * r);
  generator.fillNormal(square, 0, 1);
  const { q } = truncatedQr(square, r, r, r);
  /** Every second row of Q, over 10: [r/2, r]. */
  const rows = (first: number) => {
    const values = Float32Array.from(
      { length: (r * r) / 2 },
      (_, i) => q[(2 * Math.floor(i / r) + first) * r + (i % r)] / 10,
    );
    return tensor(values, { shape: [r / 2, r], backend });
  };
  const coefficients = (n: number) => randn([n, r / 2], { generator, backend });
  return {
    a: ([, n]) => scope(() => matmul(rows(0), coefficients(n), { transposeA: true, transposeB: true })),
    b: ([n]) => scope(() => matmul(coefficients(n), rows(1))),
  };
}
