import {
  abs,
  add,
  cat,
  copyInto,
  div,
  eq,
  type Generator,
  gt,
  keep,
  matmul,
  mul,
  noGrad,
  OptionError,
  scope,
  softmax,
  sqrt,
  sub,
  sum,
  type Tensor,
  tensor,
  to,
  topk,
  where,
} from "@lowrank/core";
import type { Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { type LayerAdapter, toF32 } from "../../../layers/tunerLayer.ts";
import { TorchGenerator } from "../../../random/torchGenerator.ts";
import { drawn, layerDropout, layerGenerator } from "../../shared/draws.ts";
import type { LayerContext } from "../../shared/method.ts";
import type { ArrowConfig, LoraConfig } from "../loraConfig.ts";
import { rankAndScaling } from "../loraScaling.ts";
import type { LinearStart } from "../loraStart.ts";

/** An adapter of the layer to which the router sends tokens. */
interface Expert {
  readonly name: string;
  readonly layer: LayerAdapter;
  /** A, [r, in]. */
  readonly a: Parameter;
  /** B, [out, r]. */
  readonly b: Parameter;
}

/** Name of an adapter whose average is subtracted from the experts, instead of being an expert. */
const generalName = /^gks_\d+$/;

/** Number of power iterations that approximate a singular vector. */
const iterations = 15;

/**
 * Arrow's router on a linear layer. The experts are the other LoRA adapters of the layer. Each token gets a mixture of
 * the experts whose prototypes are most similar to it; a prototype is the first right singular vector of an expert's
 * B A. The router's own A and B are not used; files have them, as in PEFT. Ostapenko et al. 2024,
 * https://arxiv.org/abs/2405.11157
 */
export class ArrowLinear implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly modules: Record<string, Module>;
  readonly unmergeable = "an Arrow router mixes other adapters differently for each token";
  readonly #context: LayerContext<LoraConfig>;
  readonly #options: ArrowConfig;
  readonly #dropout: Dropout;
  /** Experts from which the average of the general adapters was subtracted. */
  readonly #purified = new WeakSet<LayerAdapter>();
  /** The prototypes [experts, in], and what they were computed from. */
  #prototypes: { readonly tensor: Tensor; readonly versions: readonly unknown[] } | null = null;

  constructor(context: LayerContext<LoraConfig>, start: LinearStart) {
    const { base, config, path, dtypeOf } = context;
    const { inFeatures, outFeatures } = base as Linear;
    const { r } = rankAndScaling(config, path);
    this.parameters = {
      "lora_A.weight": drawn(start.a, [r, inFeatures], dtypeOf("lora_A.weight")),
      "lora_B.weight": drawn(start.b, [outFeatures, r], dtypeOf("lora_B.weight")),
    };
    this.#context = context;
    this.#options = config.arrowConfig!;
    this.#dropout = layerDropout(context, config.loraDropout);
    this.modules = config.loraDropout > 0 ? { lora_dropout: this.#dropout } : {};
  }

  get constants(): readonly Tensor[] {
    return this.#prototypes ? [this.#prototypes.tensor] : [];
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  /** Returns the update: for each token the mean of the chosen experts' updates, weighted by similarity. */
  added(x: Tensor): Tensor {
    const experts = this.#experts();
    const { topK, routerTemperature } = this.#options;
    if (topK > experts.length) {
      const problem = `arrowConfig.topK is ${topK}, but ${this.#context.path} has only ${experts.length} experts; load more adapters, or use a smaller topK`;
      throw new OptionError("", "arrowConfig.topK", topK, problem);
    }
    this.#purify(experts);
    const prototypes = this.#prototypesOf(experts);
    const { inFeatures, outFeatures } = this.#context.base as Linear;
    const tokens = toF32(x).reshape([-1, inFeatures]);
    const similarity = abs(matmul(tokens, prototypes, { transposeB: true }));
    const [, chosen] = topk(similarity.detach(), topK);
    const indices = tensor(Int32Array.from(experts.keys()), { backend: this.#context.backend });
    const matches = eq(chosen.reshape([-1, topK, 1]), indices).to("f32");
    const isChosen = gt(sum(matches, { dim: 1 }), 0);
    const scores = where(isChosen, mul(similarity, 1 / routerTemperature), Number.NEGATIVE_INFINITY);
    const weights = matmul(softmax(scores, { dim: 1 }), this.#scalings(experts));
    const low = matmul(tokens, cat(experts.map(({ a }) => toF32(a))), { transposeB: true });
    const b = cat(
      experts.map((expert) => toF32(expert.b)),
      { dim: 1 },
    );
    const update = this.#dropout.forward(matmul(mul(low, weights), b, { transposeB: true }));
    return update.reshape([...x.shape.slice(0, -1), outFeatures]);
  }

  /** Returns the layer's experts. Throws if there is none, and for adapters that are more than a product B A. */
  #experts(): Expert[] {
    const { adapters, path } = this.#context;
    const others = [...adapters()].filter(
      ([name, layer]) => !generalName.test(name) && !(layer instanceof ArrowLinear),
    );
    const experts = others.flatMap(([name, layer]) => this.#expert(name, layer) ?? []);
    if (experts.length > 0) return experts;
    throw new Error(
      `the Arrow router has no experts on ${path}: load the adapters of the tasks first, as createArrowModel does`,
    );
  }

  /** Returns an adapter as an expert; null if it is not LoRA. */
  #expert(name: string, layer: LayerAdapter): Expert | null {
    const { "lora_A.weight": a, "lora_B.weight": b, ...more } = layer.parameters;
    if (!a || !b) return null;
    const { path, base } = this.#context;
    const { inFeatures, outFeatures } = base as Linear;
    if (Object.keys(more).length === 0 && a.shape[1] === inFeatures && b.shape[0] === outFeatures) {
      return { name, layer, a, b };
    }
    throw new Error(
      `adapter "${name}" on ${path} is not only a product B A, as an expert of the Arrow router must be; delete it`,
    );
  }

  /**
   * With `useGks`, subtracts the mean A and the mean B of the general adapters from the experts, once for each expert.
   * This changes the experts' parameters, as in PEFT.
   */
  #purify(experts: readonly Expert[]): void {
    const { useGks, gksAdapterNames } = this.#options;
    const added = useGks ? experts.filter(({ layer }) => !this.#purified.has(layer)) : [];
    if (added.length === 0) return;
    const { adapters } = this.#context;
    const general = (gksAdapterNames ?? []).flatMap((name) => {
      const layer = adapters().get(name);
      return (layer && this.#expert(name, layer)) ?? [];
    });
    if (general.length === 0) return;
    noGrad(() =>
      scope(() => {
        const average = (key: "a" | "b") => {
          const total = general.map((one) => toF32(one[key])).reduce((left, right) => add(left, right));
          return mul(total, 1 / general.length);
        };
        const [a, b] = [average("a"), average("b")];
        for (const expert of added) {
          copyInto(expert.a, to(sub(toF32(expert.a), a), { dtype: expert.a.dtype }));
          copyInto(expert.b, to(sub(toF32(expert.b), b), { dtype: expert.b.dtype }));
        }
      }),
    );
    for (const { layer } of added) this.#purified.add(layer);
  }

  /** Returns the experts' prototypes. Computes them if experts or their values have changed. */
  #prototypesOf(experts: readonly Expert[]): Tensor {
    const versions = experts.flatMap(({ layer, a, b }) => [layer, a.storage.version, b.storage.version]);
    const known = this.#prototypes;
    if (known && versions.length === known.versions.length && versions.every((x, i) => x === known.versions[i])) {
      return known.tensor;
    }
    const found = noGrad(() => scope(() => keep(cat(experts.map((expert) => this.#prototype(expert))))));
    known?.tensor.dispose();
    this.#prototypes = { tensor: found, versions };
    return found;
  }

  /** Approximates the first right singular vector of an expert's B A, [1, in], by power iterations. */
  #prototype(expert: Expert): Tensor {
    const [a, b] = [toF32(expert.a), toF32(expert.b)];
    const gram = matmul(b, b, { transposeA: true });
    const normalized = (v: Tensor) => div(v, add(sqrt(sum(mul(v, v))), 1e-8));
    const start = tensor(this.#startOf(a.shape[1]), { shape: [a.shape[1], 1], backend: a.storage.backend });
    let v = normalized(start);
    for (let i = 0; i < iterations; i++) {
      v = normalized(matmul(a, matmul(gram, matmul(a, v)), { transposeA: true }));
    }
    return v.reshape([1, a.shape[1]]);
  }

  /** Returns the random vector from which the power iterations start: PyTorch's for `rngSeed`, if it is given. */
  #startOf(length: number): Float32Array {
    const { rngSeed } = this.#options;
    if (rngSeed !== null) return new TorchGenerator(rngSeed).normal(length);
    const values = new Float32Array(length);
    const generator: Generator = layerGenerator(this.#context);
    generator.fillNormal(values);
    return values;
  }

  /** Returns the matrix [experts, ranks of all] that has an expert's scaling at the columns of its rank. */
  #scalings(experts: readonly Expert[]): Tensor {
    const columns = experts.flatMap(({ a, layer }, i) =>
      Array.from({ length: a.shape[0] }, () => ({ i, scaling: layer.scaling ?? 1 })),
    );
    const values = new Float32Array(experts.length * columns.length);
    for (const [j, { i, scaling }] of columns.entries()) values[i * columns.length + j] = scaling;
    return tensor(values, { shape: [experts.length, columns.length], backend: this.#context.backend });
  }
}
