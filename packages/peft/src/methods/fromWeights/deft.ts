import { add, affine, matmul, relu, scope, sub, type Tensor } from "@lowrank/core";
import type { Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import {
  biasOption,
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { mapWeight } from "../shared/mergedWeight.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { DeftConfig, type DeftDecomposition, deftFormat } from "./deftConfig.ts";
import { orthonormalRows } from "./orthonormalRows.ts";

/** Standard deviation of P's initial values, and of R's if they are random. */
const startDeviation = 0.02;

/** The factors of the projection Q Sᵀ that P defines. */
interface Projection {
  /** Qᵀ [r, out] */
  readonly q: Tensor;
  /** Sᵀ [r, out] */
  readonly s: Tensor;
}

function projectionOf(p: Tensor, method: DeftDecomposition): Projection {
  const rows = p.transpose(0, 1);
  if (method === "relu") return { q: rows, s: relu(rows) };
  const q = orthonormalRows(rows);
  return { q, s: q };
}

/**
 * DEFT on a linear layer: W becomes (I - Q Sᵀ) W + c Q R. P [out, r] determines Q and S; R [r, in] is absent in PaRa.
 * The update is computed from the layer's output: Q (c R x - Sᵀ W x).
 */
class DeftLinear implements LayerAdapter {
  readonly parameters: { readonly deft_P: Parameter; readonly deft_R?: Parameter };
  readonly modules: Record<string, Module>;
  readonly #dropout: Dropout;
  readonly #method: DeftDecomposition;
  /** The factor c of R. */
  readonly #scaling: number;

  constructor(context: LayerContext<DeftConfig>) {
    const { config, base, backend, kind, loading } = context;
    const { inFeatures, outFeatures, weight } = base as Linear;
    const r = Math.min(config.r, outFeatures);
    const { zero, normal } = draws(context);
    this.#method = config.decompositionMethod;
    this.#scaling = config.alpha ? config.alpha / r : 1;
    this.#dropout = layerDropout(context, config.deftDropout);
    this.modules = config.deftDropout > 0 ? { deft_dropout: this.#dropout } : {};
    const deft_P = drawn(loading ? zero : normal(startDeviation), [outFeatures, r]);
    if (config.para) {
      this.parameters = { deft_P };
      return;
    }
    // The start Sᵀ W / c, with which the update is zero.
    const unchanging = () => {
      const { s } = projectionOf(deft_P.detach(), this.#method);
      const removed = matmul(s, toF32(weight), { transposeB: kind === "conv1d" });
      return affine(removed, { scale: 1 / this.#scaling });
    };
    const random = normal(startDeviation * config.initScale);
    const start = loading || backend.dataless ? zero : config.initWeights ? unchanging : random;
    this.parameters = { deft_P, deft_R: drawn(start, [r, inFeatures]) };
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const { deft_P: p, deft_R: r } = this.parameters;
      const { bias } = base as Linear;
      const { q, s } = projectionOf(p, this.#method);
      const y = base.forward(x);
      const product = bias ? sub(y, toF32(bias)) : y;
      const removed = matmul(product, s, { transposeB: true });
      if (!r) return sub(y, matmul(removed, q));
      return add(y, matmul(sub(this.#injected(this.#dropout.forward(x), r), removed), q));
    });
  }

  /** Returns c R x. */
  #injected(x: Tensor, r: Tensor): Tensor {
    const product = matmul(x, r, { transposeB: true });
    return this.#scaling === 1 ? product : affine(product, { scale: this.#scaling });
  }

  merge(base: DenseLayer, bare: DenseLayer): DenseLayer {
    const { deft_P: p, deft_R: r } = this.parameters;
    const { q, s } = projectionOf(p, this.#method);
    const removed = matmul(s, bare.weight, { transposeB: bare.fanInFanOut });
    const scaled = r && affine(r, { scale: this.#scaling });
    const change = matmul(q, scaled ? sub(scaled, removed) : affine(removed, { scale: -1 }), { transposeA: true });
    return mapWeight(base, (weight) => add(weight, change));
  }
}

/** DEFT: removes a subspace of the weight and adds a product in it. PaRa: only removes the subspace. */
export const deft: PeftMethod<DeftConfig> = definePeftMethod({
  peftType: "DEFT",
  Config: DeftConfig,
  format: deftFormat,
  recipes: [
    {
      name: "deft",
      title: "DEFT",
      learningRate: 3e-3,
      config: ({ r, targetModules }) => new DeftConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    dropoutOption("deftDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "decompositionMethod",
      flag: "decomposition-method",
      type: "oneOf",
      values: ["relu", "qr"],
      help: "how the removed subspace is computed",
    },
    { field: "para", flag: "para", type: "boolean", help: "PaRa: only remove a subspace" },
    initWeightsOption(),
  ],
  kinds: ["linear", "conv1d"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => biasMode(bias),
  setsFanInFanOut: true,
  swappable: { fields: ["initScale", "initWeights"] },
  createLayer: (context) => new DeftLinear(context),
});
