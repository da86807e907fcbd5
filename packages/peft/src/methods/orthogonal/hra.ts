import {
  add,
  affine,
  cat,
  div,
  matmul,
  mul,
  OptionError,
  repeatInterleave,
  scope,
  solve,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  triu,
} from "@lowrank/core";
import type { Linear, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import {
  biasOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { type Draw, drawn, draws } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { HRAConfig, hraFormat } from "./hraConfig.ts";
import { identity } from "./rotation.ts";

/** Returns a matrix's rows, normalised to length 1. */
function unitRows(rows: Tensor): Tensor {
  return div(rows, sqrt(sum(square(rows), { dim: -1, keepdim: true })));
}

/** Returns orthonormal rows that span the same space as the given rows, computed with the Gram-Schmidt method. */
function orthonormalRows(rows: Tensor): Tensor {
  const basis: Tensor[] = [];
  for (const row of rows.split(1, { dim: 0 })) {
    let rest = row;
    for (const unit of basis) rest = sub(rest, mul(unit, matmul(rest, unit, { transposeB: true })));
    basis.push(unitRows(rest));
  }
  return cat(basis, { dim: 0 });
}

/**
 * HRA on a linear layer with `features` inputs: applies Householder reflections I - 2 u uᵀ to the input, one for each
 * normalised column u of the trained matrix.
 */
class HraLinear implements LayerAdapter {
  readonly parameters: { readonly hra_u: Parameter };
  readonly #orthogonal: boolean;

  constructor(context: LayerContext<HRAConfig>, features: number) {
    const { config, path, loading, warn } = context;
    const { r, applyGS, initWeights } = config;
    const { zero, uniform } = draws(context);
    const paired = initWeights && r % 2 === 0;
    if (!loading && paired && applyGS) {
      throw new OptionError("HRAConfig", "applyGS", true, (named) => {
        const [gramSchmidt, start] = [named("applyGS"), named("initWeights")];
        return `${gramSchmidt} is true with ${start}: Gram-Schmidt needs different reflections, and the no-op start makes them equal in pairs; set ${start} to false`;
      });
    }
    if (!loading && initWeights && !paired) {
      const message = `${path}: r ${r} is odd, so that the reflections do not start as a no-op`;
      warn({ code: "no-identity", message });
    }
    // PyTorch's Kaiming bound uses the second dimension.
    const pairs: Draw = (shape) => repeatInterleave(uniform(1 / Math.sqrt(r / 2))([shape[0], r / 2]), 2, { dim: 1 });
    const start = loading ? zero : paired ? pairs : uniform(1 / Math.sqrt(r));
    this.parameters = { hra_u: drawn(start, [features, r]) };
    this.#orthogonal = applyGS;
  }

  /** Returns U and V, both [r, in], such that the product of all reflections is I - Uᵀ V. */
  #factors(): [u: Tensor, v: Tensor] {
    const rows = this.parameters.hra_u.transpose(0, 1);
    if (this.#orthogonal) {
      const basis = orthonormalRows(rows);
      return [basis, affine(basis, { scale: 2 })];
    }
    const u = unitRows(rows);
    // The product is I - Uᵀ T U, where T⁻¹ = I / 2 + the strictly upper triangle of U Uᵀ (Joffrain et al. 2006).
    const inverse = add(
      triu(matmul(u, u, { transposeB: true }), { diagonal: 1 }),
      affine(identity(u.shape[0], u), { scale: 0.5 }),
    );
    return [u, solve(inverse, u)];
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const [u, v] = this.#factors();
      return base.forward(sub(x, matmul(matmul(x, v, { transposeB: true }), u)));
    });
  }

  merge({ weight, ...rest }: DenseLayer): DenseLayer {
    const [u, v] = this.#factors();
    return { weight: sub(weight, matmul(matmul(weight, u, { transposeB: true }), v)), ...rest };
  }
}

/**
 * HRA: multiplies the weight by a chain of Householder reflections. Yuan et al. 2024, https://arxiv.org/abs/2405.17484
 */
export const hra: PeftMethod<HRAConfig> = definePeftMethod({
  peftType: "HRA",
  Config: HRAConfig,
  format: hraFormat,
  recipes: [
    { name: "hra", title: "HRA", learningRate: 1e-2, config: ({ targetModules }) => new HRAConfig({ targetModules }) },
  ],
  options: [
    rankOption(),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    { field: "applyGS", flag: "apply-gs", type: "boolean", help: "make the directions of the reflections orthogonal" },
    initWeightsOption(),
  ],
  kinds: ["linear", "convolution2d"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => biasMode(bias),
  swappable: { fields: ["initWeights"] },
  createLayer: async (context) => {
    if (context.kind === "linear") return new HraLinear(context, (context.base as Linear).inFeatures);
    const { RotatedFilters } = await import("./rotatedFilters.ts");
    return new RotatedFilters(context, "HRA", (sizes) => new HraLinear(context, sizes.channels * sizes.elements));
  },
});
