import {
  add,
  affine,
  clamp,
  div,
  type Generator,
  indexSelect,
  log,
  matmul,
  OptionError,
  permute,
  rand,
  scope,
  sigmoid,
  sub,
  sum,
  type Tensor,
} from "@lowrank/core";
import { type Linear, Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import { Tasks } from "../../layers/tasks.ts";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { initWeightsOption, modulesToSaveOption, rankOption, targetsOption } from "../shared/commonOptions.ts";
import { drawn, draws, layerGenerator } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { PolyConfig, polyFormat } from "./polyConfig.ts";

/** PEFT's bounds of the uniform samples, whose logarithms are computed: the smallest f32 above 1, minus 1. */
const smallest = 2 ** -23;

/**
 * Converts a router's logits to the weights of skills before they are normalised. In training, these are samples of a
 * relaxed Bernoulli distribution of temperature 1, through which gradients flow.
 */
class Routing extends Module {
  readonly generator: Generator;

  constructor(generator: Generator) {
    super();
    this.generator = generator;
  }

  forward(logits: Tensor): Tensor {
    if (!this.training) return sigmoid(logits);
    const drawn = rand(logits.shape, { generator: this.generator, backend: logits.storage.backend });
    const p = clamp(drawn, { min: smallest, max: 1 - smallest });
    return sigmoid(add(logits, sub(log(p), log(affine(p, { scale: -1, shift: 1 })))));
  }
}

/**
 * Poly on a linear layer. Adds (x A) B / r to the output. A and B are a mixture of the layer's skills: A [splits,
 * skills, in / splits, r] and B [splits, skills, r, out / splits]. The router has the logits of all tasks, from which
 * the weights of the skills follow for each row and split.
 */
class PolyLinear implements LayerAdapter {
  readonly parameters: Readonly<Record<"poly_lora_A" | "poly_lora_B" | "poly_router.module_logits", Parameter>>;
  readonly modules: Readonly<Record<string, Module>>;
  readonly unmergeable = "its update depends on the tasks of the rows";
  readonly tasks: Tasks;
  readonly #routing: Routing;

  constructor(context: LayerContext<PolyConfig>) {
    const { r, nTasks, nSkills, nSplits, initWeights } = context.config;
    const { inFeatures, outFeatures } = context.base as Linear;
    checkSplits(context.path, nSplits, { inputs: inFeatures, outputs: outFeatures });
    const { zero, uniform } = draws(context);
    const [rows, columns] = [inFeatures / nSplits, outFeatures / nSplits];
    this.parameters = {
      poly_lora_A: drawn(uniform(1 / Math.sqrt(rows)), [nSplits, nSkills, rows, r]),
      poly_lora_B: drawn(initWeights ? zero : uniform(1 / Math.sqrt(r)), [nSplits, nSkills, r, columns]),
      "poly_router.module_logits": drawn(uniform(1e-3), [nTasks, nSplits * nSkills]),
    };
    this.tasks = new Tasks(nTasks);
    this.#routing = new Routing(layerGenerator(context));
    this.modules = { poly_routing: this.#routing };
  }

  forward(x: Tensor, base: UnaryModule, ...[tasks]: readonly Tensor[]): Tensor {
    return scope(() => add(base.forward(x), this.#update(x, tasks)));
  }

  /** `x` is [B, ..., in], and `tasks` are i32 [B, 1]. */
  #update(x: Tensor, tasks: Tensor): Tensor {
    const { poly_lora_A: a, poly_lora_B: b } = this.parameters;
    const [splits, , rows, r] = a.shape;
    const [size] = x.shape;
    const weights = this.#weights(tasks);
    const mix = (skills: Tensor) => {
      const [, count, ...shape] = skills.shape;
      return matmul(weights, skills.reshape([splits, count, -1])).reshape([splits, size, ...shape]);
    };
    const down = permute(mix(a), [1, 0, 2, 3]).reshape([size, splits * rows, r]);
    const up = permute(mix(b), [1, 2, 0, 3]).reshape([size, r, -1]);
    const hidden = matmul(x.reshape([size, -1, splits * rows]), down);
    const update = affine(matmul(hidden, up), { scale: 1 / r });
    return update.reshape([...x.shape.slice(0, -1), up.shape[2]]);
  }

  /** The weights of the skills for each row, [splits, B, skills]. */
  #weights(tasks: Tensor): Tensor {
    const [splits, skills] = this.parameters.poly_lora_A.shape;
    const rows = indexSelect(this.parameters["poly_router.module_logits"], tasks.reshape([-1]), { dim: 0 });
    const shares = this.#routing.forward(rows.reshape([-1, splits, skills]));
    const total = affine(sum(shares, { dim: -1, keepdim: true }), { shift: 1e-12 });
    return permute(div(shares, total), [1, 0, 2]);
  }
}

/** Throws unless the number of splits divides the layer's sizes. */
function checkSplits(path: string, splits: number, sizes: Readonly<Record<"inputs" | "outputs", number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (size % splits === 0) continue;
    throw new OptionError(
      "PolyConfig",
      "nSplits",
      splits,
      `is ${splits}, which does not divide the ${size} ${name} of ${path}; choose a divisor of both sizes`,
    );
  }
}

/** Poly: skills that a router mixes for each task. Ponti et al. 2022, https://arxiv.org/abs/2202.13914 */
export const poly: PeftMethod<PolyConfig> = definePeftMethod({
  peftType: "POLY",
  sizes: ["r", "nTasks", "nSkills", "nSplits"],
  Config: PolyConfig,
  format: polyFormat,
  recipes: [
    {
      name: "poly",
      title: "Poly",
      learningRate: 3e-3,
      config: ({ r, targetModules }) => new PolyConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    targetsOption,
    modulesToSaveOption,
    { field: "nTasks", flag: "n-tasks", type: "integer", least: 1, help: "number of tasks" },
    { field: "nSkills", flag: "n-skills", type: "integer", least: 1, help: "skills that a layer's router mixes" },
    {
      field: "nSplits",
      flag: "n-splits",
      type: "integer",
      least: 1,
      help: "parts of inputs and outputs with own mixtures",
    },
    initWeightsOption(),
  ],
  tasks: ({ nTasks }) => nTasks,
  kinds: ["linear"],
  defaultTargets: attentionTargets,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new PolyLinear(context),
});
