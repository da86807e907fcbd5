import { add, affine, matmul, mean, scope, softmax, type Tensor } from "@lowrank/core";
import type { Linear, Parameter, UnaryModule } from "@lowrank/nn";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { minimalTargets } from "../../targets/minimalTargets.ts";
import { initWeightsOption, modulesToSaveOption, rankOption, targetsOption } from "../shared/commonOptions.ts";
import { drawn, draws } from "../shared/draws.ts";
import {
  definePeftMethod,
  type LayerContext,
  type PeftMethod,
  type SharedContext,
  type SharedTensors,
} from "../shared/method.ts";
import { LilyConfig, lilyFormat } from "./lilyConfig.ts";

/** A [r, in] and the matrices B, [numB · r, out], of one layer. Several layers have the same parameters. */
interface Factors {
  a: Parameter;
  b: Parameter;
}

interface SharedFactors extends SharedTensors {
  /** The factors of each layer, by path. */
  factors: ReadonlyMap<string, Factors>;
}

/**
 * Returns the target that a path ends with. PEFT takes any of several; this is the longest. A regular expression is one
 * target.
 */
function targetOf(path: string, targets: LilyConfig["targetModules"]): string {
  if (typeof targets === "string") return targets;
  const found = (targets ?? []).filter((name) => path.endsWith(name));
  return found.reduce((longest, name) => (name.length > longest.length ? name : longest), "");
}

/** Creates the factors. Layers of the same target and size share them: all of them B, and `strideA` in turn A. */
function sharedFactors(context: SharedContext<LilyConfig>): SharedFactors {
  const { config, layers } = context;
  const { r, strideA, numB, initWeights, targetModules } = config;
  const { zero, uniform } = draws(context);
  const groups = new Map<string, { count: number; last: Factors }>();
  const factors = new Map<string, Factors>();
  for (const { base, path } of layers) {
    const { inFeatures, outFeatures } = base as Linear;
    const key = JSON.stringify([targetOf(path, targetModules), outFeatures, inFeatures]);
    const group = groups.get(key);
    const count = group?.count ?? 0;
    const a = () => drawn(uniform(1 / Math.sqrt(inFeatures)), [r, inFeatures]);
    const b = () => drawn(initWeights ? zero : uniform(1 / Math.sqrt(outFeatures)), [numB * r, outFeatures]);
    const own = { a: group && count % strideA !== 0 ? group.last.a : a(), b: group ? group.last.b : b() };
    groups.set(key, { count: count + 1, last: own });
    factors.set(path, own);
  }
  return { factors };
}

/**
 * Lily on a linear layer. Adds scaling · h B to the output, where h = x Aᵀ. B is a mixture of the matrices that layers
 * share. A router of the layer gives each row of h a probability for each matrix, and the mixture has the means over
 * all rows of the batch.
 */
class LilyLinear implements LayerAdapter {
  readonly parameters: Readonly<Record<"lily_A.weight" | "lily_B.weight" | "lily_router.weight", Parameter>>;
  readonly unmergeable = "its update depends on the layer's inputs";
  scaling: number;

  constructor(context: LayerContext<LilyConfig>) {
    const { r, numB, scaling } = context.config;
    const { a, b } = (context.shared as SharedFactors).factors.get(context.path)!;
    const router = drawn(draws(context).uniform(1 / Math.sqrt(r)), [numB, r]);
    this.parameters = { "lily_A.weight": a, "lily_B.weight": b, "lily_router.weight": router };
    this.scaling = scaling;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.#update(x)));
  }

  #update(x: Tensor): Tensor {
    const { "lily_A.weight": a, "lily_B.weight": b, "lily_router.weight": router } = this.parameters;
    const [numB, r] = router.shape;
    const hidden = matmul(x, a, { transposeB: true });
    const odds = softmax(matmul(hidden, router, { transposeB: true }), { dim: -1 });
    const shares = mean(odds.reshape([-1, numB]), { dim: 0 });
    const mixed = matmul(shares.reshape([1, numB]), b.reshape([numB, -1])).reshape([r, -1]);
    return affine(matmul(hidden, mixed), { scale: this.scaling });
  }
}

/** Lily: low-rank factors that layers share, mixed by a router. Zhong et al. 2024, https://arxiv.org/abs/2407.09946 */
export const lily: PeftMethod<LilyConfig> = definePeftMethod({
  peftType: "LILY",
  sizes: ["r", "numB"],
  Config: LilyConfig,
  format: lilyFormat,
  recipes: [
    {
      name: "lily",
      title: "Lily",
      learningRate: 3e-3,
      // The rate of PEFT's comparison of methods.
      usualLearningRate: 1e-4,
      config: ({ r, targetModules }) => new LilyConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    targetsOption,
    modulesToSaveOption,
    { field: "strideA", flag: "stride-a", type: "integer", least: 1, help: "successive layers that share one A" },
    { field: "numB", flag: "num-b", type: "integer", least: 2, help: "matrices B that the layers of a target share" },
    { field: "scaling", flag: "scaling", type: "number", help: "factor of the update" },
    initWeightsOption(),
  ],
  kinds: ["linear"],
  defaultTargets: attentionTargets,
  // The router takes means over all tokens of a batch.
  mixesRows: true,
  // In PEFT this decides which layers share, since "all-linear" names every layer by its whole path.
  resolve: (config, _modelType, model) => {
    const { targetModules } = config;
    if (targetModules === null || typeof targetModules === "string") return config;
    const paths = Array.from(model.namedModules(), ([path]) => path);
    return config.with({ targetModules: minimalTargets(targetModules, paths) });
  },
  createShared: sharedFactors,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new LilyLinear(context),
});
