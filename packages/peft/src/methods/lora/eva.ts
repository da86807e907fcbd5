import { indexSelect, scope, type Tensor, tensor } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { patternValue } from "../../targets/pattern.ts";
import type { DataBatch, DataMeasurement, MeasuredLayer } from "../shared/methodFacts.ts";
import { IncrementalPca } from "./incrementalPca.ts";
import type { EvaConfig, LoraConfig } from "./loraConfig.ts";
import { rankAndScaling } from "./loraScaling.ts";

/** Layers that receive the same input tensor, and the principal components of that input. */
interface Group {
  paths: string[];
  pca: IncrementalPca;
}

type Layers = ReadonlyMap<string, MeasuredLayer>;

/**
 * Creates the object that measures the inputs of an adapter's layers for the EVA initialisation. Paischer et al. 2024,
 * https://arxiv.org/abs/2410.07170
 */
export async function measureEva(
  layers: Layers,
  config: LoraConfig,
  eva: EvaConfig,
): Promise<DataMeasurement<LoraConfig>> {
  return new Eva(await freshLayers(layers), config, eva);
}

/** Returns the linear layers among an adapter's layers. Throws if a layer's B is not zero, that is, was trained. */
async function freshLayers(layers: Layers): Promise<Layers> {
  const fresh = new Map<string, MeasuredLayer>();
  for (const [path, layer] of layers) {
    const b = layer.tensors.get("lora_B.weight");
    if (!b) continue;
    if (((await b.data()) as Float32Array).some((x) => x !== 0)) {
      throw new Error(
        `initializeLoraEvaWeights: ${path}.lora_B is not zero; EVA is for an adapter that was not trained`,
      );
    }
    fresh.set(path, layer);
  }
  return fresh;
}

/**
 * Measures the directions in which the layers' inputs vary most. These directions become the rows of A, and layers
 * whose leading directions explain more variance get higher ranks.
 */
class Eva implements DataMeasurement<LoraConfig> {
  readonly #layers: Layers;
  readonly #config: LoraConfig;
  readonly #eva: EvaConfig;
  #groups: Group[] | null = null;

  constructor(layers: Layers, config: LoraConfig, eva: EvaConfig) {
    this.#layers = layers;
    this.#config = config;
    this.#eva = eva;
  }

  /**
   * Paths of the layers whose inputs to measure. Before the first batch, these are all layers. The first batch shows
   * which layers share an input; after it, only one layer of each such group is measured.
   */
  get watched(): readonly string[] {
    return this.#groups?.map(({ paths: [first] }) => first) ?? [...this.#layers.keys()];
  }

  async add(inputs: ReadonlyMap<string, Tensor>, batch: DataBatch): Promise<void> {
    this.#groups ??= this.#grouped(inputs);
    const rows = await countedRows(batch, this.#eva);
    for (const { paths, pca } of this.#groups) {
      if (rows.length < pca.count) {
        throw new Error(
          `initializeLoraEvaWeights: a batch has only ${rows.length} tokens that are not masked, but ${paths[0]} may get rank ${pca.count}; use larger batches, or a smaller rho`,
        );
      }
      using chosen = scope(() => chosenRows(inputs.get(paths[0])!, rows));
      await pca.add(chosen);
    }
  }

  #grouped(inputs: ReadonlyMap<string, Tensor>): Group[] {
    const byMemory = new Map<Tensor["storage"], string[]>();
    for (const [path, { storage }] of inputs) byMemory.set(storage, [...(byMemory.get(storage) ?? []), path]);
    return [...byMemory.values()].map((paths) => {
      const count = Math.max(...paths.map((path) => this.#mostRanks(path)));
      return { paths, pca: new IncrementalPca(count) };
    });
  }

  #mostRanks(path: string): number {
    const { inFeatures } = this.#layers.get(path)!.base as Linear;
    return Math.min(Math.round(rankAndScaling(this.#config, path).r * this.#eva.rho), inFeatures);
  }

  /**
   * Returns the configuration with the new ranks, and the initial values of A by key. `targets` are the paths of the
   * adapter's layers. A layer with rank 0 gets no adapter.
   */
  async result(targets: readonly string[]): Promise<{ config: LoraConfig; values: Map<string, Float32Array> }> {
    const ranks = this.#shareOut();
    const config = this.#withRanks(
      targets.filter((path) => ranks.get(path) !== 0),
      ranks,
    );
    const values = new Map<string, Float32Array>();
    for (const { paths, pca } of this.#groups ?? []) {
      const components = (await pca.components.data()) as Float32Array;
      for (const path of paths) {
        const { inFeatures } = this.#layers.get(path)!.base as Linear;
        const start = components.slice(0, ranks.get(path)! * inFeatures);
        if (this.#eva.whiten) {
          for (let i = 0; i < start.length; i++) start[i] /= Math.sqrt(pca.values[Math.floor(i / inFeatures)]);
        }
        if (start.length > 0) values.set(`${path}.lora_A.weight`, start);
      }
    }
    return { config, values };
  }

  /**
   * Returns each layer's new rank, which is its number of kept principal components. The components of all layers are
   * sorted by the fraction of their layer's input variance that they explain. The first ones are kept, as many as the
   * sum of the configured ranks.
   */
  #shareOut(): Map<string, number> {
    const paths = [...this.#layers.keys()];
    const budget = paths.reduce((all, path) => all + rankAndScaling(this.#config, path).r, 0);
    const claims = (this.#groups ?? []).flatMap(({ paths: alike, pca }) =>
      alike.flatMap((path) => pca.ratios.map((ratio) => ({ path, ratio }))),
    );
    claims.sort((a, b) => b.ratio - a.ratio);
    const ranks = new Map(paths.map((path) => [path, 0]));
    for (const { path } of claims.slice(0, budget)) ranks.set(path, ranks.get(path)! + 1);
    return ranks;
  }

  /**
   * Returns the configuration with the new ranks. If `adjustScalingFactors` is set, also changes alphas so that the
   * scaling alpha / r stays the same.
   */
  #withRanks(targetModules: readonly string[], ranks: ReadonlyMap<string, number>): LoraConfig {
    const config = this.#config;
    const [rankPattern, alphaPattern]: Record<string, number>[] = [{}, {}];
    for (const path of targetModules) {
      const { r } = rankAndScaling(config, path);
      const rank = ranks.get(path) ?? r;
      const alpha = patternValue(config.alphaPattern, path, config.loraAlpha);
      const adjusted = this.#eva.adjustScalingFactors ? (alpha * rank) / r : alpha;
      if (rank !== config.r) rankPattern[path] = rank;
      if (adjusted !== config.loraAlpha) alphaPattern[path] = adjusted;
    }
    return config.with({ targetModules, rankPattern, alphaPattern });
  }

  [Symbol.dispose](): void {
    for (const { pca } of this.#groups ?? []) pca[Symbol.dispose]();
  }
}

/** Returns the given rows of x, whose leading dimensions are flattened: [rows.length, features]. */
function chosenRows(x: Tensor, rows: readonly number[]): Tensor {
  const index = tensor(Int32Array.from(rows), { backend: x.storage.backend });
  return indexSelect(x.reshape([-1, x.shape[x.ndim - 1]]), index, { dim: 0 });
}

/**
 * Returns the indices, in the flattened `inputIds`, of the tokens to measure: all except padding. With `useLabelMask`,
 * also excludes tokens whose label is `labelMaskValue`.
 */
async function countedRows(
  { inputIds, attentionMask, labels }: DataBatch,
  { useLabelMask, labelMaskValue }: EvaConfig,
): Promise<number[]> {
  const mask = attentionMask ? await attentionMask.data() : null;
  const label = labels && useLabelMask ? await labels.data() : null;
  const all = Array.from({ length: inputIds.size }, (_, i) => i);
  return all.filter((i) => (!mask || Number(mask[i]) !== 0) && (!label || label[i] !== labelMaskValue));
}
