import { abs, add, affine, keep, mean, mul, noGrad, scope, sub, type Tensor, tensor, zeros } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import type { Allocator } from "../shared/method.ts";
import type { AdamssConfig } from "./adamssConfig.ts";

/** A layer whose clusters can be frozen one by one. */
export interface ClusteredLayer extends LayerAdapter {
  /** Number of clusters. Cluster k has the parameters `adamss_A.k` and `adamss_B.k`. */
  readonly clusters: number;
  /** The clusters that no longer train. */
  readonly resting: Set<number>;
}

/** One cluster of a layer. */
interface Cluster {
  readonly path: string;
  readonly layer: ClusteredLayer;
  readonly index: number;
}

/** Moving averages of a parameter: of |value · gradient|, and of its distance from the average before. */
interface Importance {
  readonly sensitivity: Tensor;
  readonly uncertainty: Tensor;
}

const names = (index: number) => [`adamss_A.${index}`, `adamss_B.${index}`] as const;

/**
 * Freezes clusters of AdaMSS during training, so that the most important ones of all layers train on (adaptive
 * subspace allocation).
 */
export class SubspaceAllocator implements Allocator<AdamssConfig> {
  readonly #clusters: readonly Cluster[];
  readonly #importance = new Map<Parameter, Importance>();

  constructor(layers: ReadonlyMap<string, ClusteredLayer>) {
    this.#clusters = [...layers].flatMap(([path, layer]) =>
      Array.from({ length: layer.clusters }, (_, index) => ({ path, layer, index })),
    );
  }

  async update(config: AdamssConfig, step: number): Promise<AdamssConfig> {
    const { initWarmup, finalWarmup, maskInterval } = config;
    if (step < initWarmup || step > finalWarmup) return config;
    noGrad(() => this.#measure(config));
    if (step % maskInterval !== 0) return config;
    await this.#keep(this.#target(config, step));
    this.dispose();
    return config;
  }

  /** Frees the moving averages. */
  dispose(): void {
    for (const { sensitivity, uncertainty } of this.#importance.values()) {
      sensitivity.dispose();
      uncertainty.dispose();
    }
    this.#importance.clear();
  }

  state(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    for (const [key, parameter] of this.#named(this.#clusters)) {
      const { sensitivity, uncertainty } = this.#importance.get(parameter) ?? {};
      if (sensitivity) state.set(`${key}.sensitivity`, sensitivity.detach());
      if (uncertainty) state.set(`${key}.uncertainty`, uncertainty.detach());
    }
    const trains = this.#clusters.map(({ layer, index }) => (layer.resting.has(index) ? 0 : 1));
    return state.set("clusters.train", tensor(Float32Array.from(trains)));
  }

  async setState(config: AdamssConfig, state: ReadonlyMap<string, Tensor>): Promise<AdamssConfig> {
    this.dispose();
    const trains = (await state.get("clusters.train")?.data()) as Float32Array | undefined;
    for (const [i, cluster] of this.#clusters.entries()) this.#train(cluster, trains?.[i] !== 0);
    for (const [key, parameter] of this.#named(this.#clusters)) {
      const [sensitivity, uncertainty] = ["sensitivity", "uncertainty"].map((what) => state.get(`${key}.${what}`));
      if (!sensitivity || !uncertainty) continue;
      this.#importance.set(parameter, { sensitivity: sensitivity.detach(), uncertainty: uncertainty.detach() });
    }
    return config;
  }

  *#named(clusters: Iterable<Cluster>): Iterable<[key: string, parameter: Parameter]> {
    for (const { path, layer, index } of clusters) {
      for (const name of names(index)) yield [`${path}.${name}`, layer.parameters[name]];
    }
  }

  get #training(): Cluster[] {
    return this.#clusters.filter(({ layer, index }) => !layer.resting.has(index));
  }

  /** Updates the moving averages of the clusters that train, from the current gradients. */
  #measure({ asaImportanceBeta, asaUncertaintyBeta }: AdamssConfig): void {
    for (const [key, parameter] of this.#named(this.#training)) {
      const { grad } = parameter;
      if (!grad) {
        throw new Error(
          `updateAndAllocate: ${key} has no gradient; call it after the optimiser's step and before zeroGrad`,
        );
      }
      const before = this.#importance.get(parameter);
      const next = scope(() => {
        const importance = abs(mul(parameter, grad));
        const start = () => zeros(importance.shape, { backend: importance.storage.backend });
        const { sensitivity, uncertainty } = before ?? { sensitivity: start(), uncertainty: start() };
        return {
          sensitivity: moved(sensitivity, importance, asaImportanceBeta),
          uncertainty: moved(uncertainty, abs(sub(importance, sensitivity)), asaUncertaintyBeta),
        };
      });
      before?.sensitivity.dispose();
      before?.uncertainty.dispose();
      this.#importance.set(parameter, { sensitivity: keep(next.sensitivity), uncertainty: keep(next.uncertainty) });
    }
  }

  /** Returns how many clusters of all layers train after a step. */
  #target({ initWarmup, finalWarmup, asaTargetSubspaces, asaScheduleExponent }: AdamssConfig, step: number): number {
    const rest = 1 - (step - initWarmup) / (finalWarmup - initWarmup);
    const spare = this.#clusters.length - asaTargetSubspaces;
    return Math.trunc(asaTargetSubspaces + spare * rest ** asaScheduleExponent);
  }

  /** Freezes all clusters but the `target` most important ones. */
  async #keep(target: number): Promise<void> {
    const scores: number[] = [];
    const training = this.#training;
    if (target >= training.length) return;
    for (const cluster of training) {
      using score = noGrad(() => scope(() => this.#score(cluster)));
      scores.push(await score.item());
    }
    const threshold = [...scores].sort((a, b) => b - a)[target - 1];
    for (const [i, cluster] of training.entries()) if (scores[i] < threshold) this.#train(cluster, false);
  }

  #score({ layer, index }: Cluster): Tensor {
    const [a, b] = names(index).map((name) => {
      const { sensitivity, uncertainty } = this.#importance.get(layer.parameters[name])!;
      return mean(mul(sensitivity, uncertainty));
    });
    return add(a, b);
  }

  #train({ layer, index }: Cluster, trains: boolean): void {
    if (trains) layer.resting.delete(index);
    else layer.resting.add(index);
    for (const name of names(index)) {
      const parameter = layer.parameters[name];
      parameter.requiresGrad = trains;
      if (trains) continue;
      parameter.grad?.dispose();
      parameter.grad = null;
    }
  }
}

/** Returns an exponential moving average after adding a value: beta · average + (1 - beta) · value. */
function moved(average: Tensor, value: Tensor, beta: number): Tensor {
  return add(affine(average, { scale: beta }), affine(value, { scale: 1 - beta }));
}
