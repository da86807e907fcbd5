import {
  add,
  cat,
  clone,
  isGradEnabled,
  linear,
  matmul,
  mul,
  OptionError,
  scope,
  sub,
  type Tensor,
  tensor,
} from "@lowrank/core";
import type { Linear, Parameter, UnaryModule } from "@lowrank/nn";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { names } from "../../targets/pattern.ts";
import { pythonRegex } from "../../targets/pythonRegex.ts";
import { initWeightsOption, modulesToSaveOption, targetsOption } from "../shared/commonOptions.ts";
import { drawn, draws } from "../shared/draws.ts";
import { mapWeight } from "../shared/mergedWeight.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { OSFConfig, osfFormat } from "./osfConfig.ts";
import { asColumns, weightSvd } from "./weightSvd.ts";

const llamaTargets = names("q_proj k_proj v_proj o_proj gate_proj down_proj up_proj");
const bloomTargets = names("query_key_value dense_4h_to_h");

/** The modules that OSF adapts by default, by `model_type`. For other models, it adapts all linear layers. */
const osfTargets: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(
    names("llama llama4 mistral mixtral gemma gemma2 gemma3_text qwen2 qwen3 phi").map((type) => [type, llamaTargets]),
  ),
  gpt2: names("c_attn c_proj"),
  bloom: bloomTargets,
  opt: names("q_proj k_proj v_proj out_proj fc1 fc2"),
  gptj: names("q_proj k_proj v_proj out_proj fc_in fc_out"),
  gpt_neox: bloomTargets,
  falcon: bloomTargets,
  gpt_bigcode: names("c_attn c_proj"),
};

/** Returns the number of singular directions of a layer that stay as they are. */
function keptRank({ config, path, base }: LayerContext<OSFConfig>): number {
  const { inFeatures, outFeatures } = base as Linear;
  const { effectiveRank, rankPattern } = config;
  const smaller = Math.min(inFeatures, outFeatures);
  const own = Object.entries(rankPattern ?? {}).find(([key]) =>
    pythonRegex(`[\\s\\S]*?(?:${key})`, "match").test(path),
  );
  const wanted = own?.[1] ?? effectiveRank;
  const kept = wanted === null ? Math.floor(smaller / 2) : wanted < 1 ? Math.floor(smaller * wanted) : wanted;
  if (kept < 1 || kept >= smaller) {
    const [option, value] = own
      ? ([`rankPattern["${own[0]}"]`, own[1]] as const)
      : (["effectiveRank", wanted] as const);
    throw new OptionError("", option, value, (named) => {
      const result = `keeps ${Math.max(kept, 0)} of its ${smaller} singular directions`;
      return `${path} is [${outFeatures},${inFeatures}]: ${named(option)} ${value} ${result}; it must keep at least 1 and leave at least 1 to train`;
    });
  }
  return kept;
}

/** The tensors of a layer, computed from the singular value decomposition of its weight. */
interface Parts {
  /** The smallest singular values and their vectors, which train: U [out, r], S [r], V [r, in]. */
  u: Tensor;
  s: Tensor;
  v: Tensor;
  /** The vectors of the largest singular values, [out, k] and [k, in]. */
  keptU: Tensor;
  keptV: Tensor;
}

async function parts(context: LayerContext<OSFConfig>): Promise<Parts> {
  const { base, backend } = context;
  const { inFeatures: columns, outFeatures: rows } = base as Linear;
  const kept = keptRank(context);
  const all = Math.min(rows, columns);
  const { values, left, right } = await weightSvd(context, all);
  const u = (from: number, to: number) =>
    tensor(asColumns(left.subarray(from * rows, to * rows), rows), { shape: [rows, to - from], backend });
  const v = (from: number, to: number) =>
    tensor(Float32Array.from(right.subarray(from * columns, to * columns)), { shape: [to - from, columns], backend });
  return {
    u: u(kept, all),
    s: tensor(Float32Array.from(values.subarray(kept)), { backend }),
    v: v(kept, all),
    keptU: u(0, kept),
    keptV: v(0, kept),
  };
}

/**
 * Returns `t` itself for a `part` of it that must not change: the gradient of the result loses its part along the kept
 * directions. `part` projects onto them, and is its own transpose.
 */
function withoutGradientAlong(t: Tensor, part: (t: Tensor) => Tensor): Tensor {
  if (!isGradEnabled() || !t.requiresGrad) return t;
  const along = part(t);
  return sub(t, sub(along, along.detach()));
}

/**
 * OSF on a linear layer. The weight is U S V, and the part of its smallest singular values trains: U, S and V all do.
 * Gradients of U and V are projected, so that they are orthogonal to the vectors of the largest singular values.
 */
class OsfLinear implements LayerAdapter {
  readonly parameters: Readonly<
    Record<"osf_svd_params.U_low" | "osf_svd_params.S_low" | "osf_svd_params.V_low", Parameter>
  >;
  readonly constants: readonly Tensor[];
  readonly #parts: Pick<Parts, "keptU" | "keptV">;
  /** The factors of the initial part, with a negative sign: -U S [out, r] and V [r, in]. */
  readonly #initial: { a: Tensor; b: Tensor };

  constructor(context: LayerContext<OSFConfig>, { u, s, v, keptU, keptV }: Parts) {
    const { normal } = draws(context);
    const trained = (start: Tensor) => drawn(context.config.initWeights ? () => clone(start) : normal(1), start.shape);
    this.parameters = {
      "osf_svd_params.U_low": trained(u),
      "osf_svd_params.S_low": trained(s),
      "osf_svd_params.V_low": trained(v),
    };
    this.#parts = { keptU, keptV };
    this.#initial = { a: v, b: scope(() => mul(u, s).neg()) };
    u.dispose();
    s.dispose();
    this.constants = [keptU, keptV, this.#initial.a, this.#initial.b];
  }

  /** Returns A [2 r, in] and B [out, 2 r], whose product B A is the update of the weight. */
  #factors(): [a: Tensor, b: Tensor] {
    const { "osf_svd_params.U_low": u, "osf_svd_params.S_low": s, "osf_svd_params.V_low": v } = this.parameters;
    const { keptU, keptV } = this.#parts;
    const left = withoutGradientAlong(u, (t) => matmul(keptU, matmul(keptU, t, { transposeA: true })));
    const right = withoutGradientAlong(v, (t) => matmul(matmul(t, keptV, { transposeB: true }), keptV));
    return [cat([right, this.#initial.a], { dim: 0 }), cat([mul(left, s), this.#initial.b], { dim: 1 })];
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    const [a, b] = this.#factors();
    return linear(linear(x, a), b);
  }

  merge(base: DenseLayer): DenseLayer {
    const [a, b] = this.#factors();
    return mapWeight(base, (weight) => add(weight, matmul(b, a)));
  }
}

/**
 * OSF: trains the part of the weights that belongs to their smallest singular values, orthogonally to the rest. Nayak
 * et al. 2025, https://arxiv.org/abs/2504.07097
 */
export const osf: PeftMethod<OSFConfig> = definePeftMethod({
  peftType: "OSF",
  // `effectiveRank` is the rank that does not train.
  sizes: [],
  Config: OSFConfig,
  format: osfFormat,
  recipes: [
    {
      name: "osf",
      title: "OSF",
      learningRate: 1e-3,
      // The rate of PEFT's comparison of methods.
      usualLearningRate: 5e-5,
      sizeOption: "effective-rank",
      config: ({ targetModules }) => new OSFConfig({ targetModules }),
    },
  ],
  options: [
    targetsOption,
    modulesToSaveOption,
    {
      field: "effectiveRank",
      flag: "effective-rank",
      type: "number",
      above: 0,
      help: "singular directions that stay as they are, or a fraction of them",
    },
    initWeightsOption(),
  ],
  kinds: ["linear"],
  defaultTargets: osfTargets,
  otherTargets: "all-linear",
  swappable: { fields: ["initWeights"] },
  createLayer: async (context) => new OsfLinear(context, await parts(context)),
});
