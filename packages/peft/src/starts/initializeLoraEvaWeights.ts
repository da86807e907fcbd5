import { copyInto, Generator, indexSelect, keep, noGrad, scope, type Tensor, tensor } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { TunerLayer } from "../layers/tunerLayer.ts";
import { type EvaConfig, LoraConfig } from "../methods/loraConfig.ts";
import { rankAndScaling } from "../methods/loraScaling.ts";
import type { AdaptableModel } from "../model/adaptableModel.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import { patternValue } from "../targets/pattern.ts";
import { IncrementalPca } from "./incrementalPca.ts";

/** The inputs of a batch that EVA reads, beside those of the model's forward: [B, T] each. */
export interface EvaBatch {
  inputIds: Tensor;
  /** Padding, whose inputs do not count, is 0. */
  attentionMask?: Tensor | null;
  /** Tokens whose label is masked do not count either, unless the configuration says so. */
  labels?: Tensor | null;
}

/** Layers that see the same input, and its components. */
interface Group {
  paths: string[];
  pca: IncrementalPca;
}

/**
 * Starts a fresh adapter by EVA. A gets the directions in which the layers' inputs on `batches`
 * vary most; B stays zero. Ranks go to the layers whose inputs they explain best, up to `rho` times
 * the rank; their sum stays the same. A layer left without rank loses its adapter. The adapter
 * needs `initLoraWeights: "eva"`. Its tensors are made anew, so make the optimiser after this. All
 * batches are used. Throws for batches with fewer tokens than ranks. Paischer et al. 2024,
 * https://arxiv.org/abs/2410.07170
 */
export async function initializeLoraEvaWeights<M extends AdaptableModel>(
  peft: PeftModel<M>,
  batches: Iterable<Parameters<M["forward"]>[0] & EvaBatch>,
  { adapterName = "default" }: { adapterName?: string } = {},
): Promise<void> {
  const { config, report } = peft.base_model.adapter(adapterName);
  if (!(config instanceof LoraConfig) || config.initLoraWeights !== "eva" || !config.evaConfig) {
    throw new Error(`initializeLoraEvaWeights: adapter "${adapterName}" is not LoRA with initLoraWeights: "eva"`);
  }
  const layers = await freshLayers(peft, adapterName);
  const before = { active: peft.activeAdapter, training: peft.training };
  peft.setAdapter(adapterName);
  peft.eval();
  let groups: Group[] | null = null;
  try {
    for (const batch of batches) groups = await measure(peft, batch, layers, groups, config);
    if (!groups) throw new Error("initializeLoraEvaWeights: there are no batches");
    const ranks = shareOut(groups, layers, config);
    const targets = report.matched.filter((path) => ranks.get(path) !== 0);
    await restart(peft, adapterName, withRanks(config, targets, ranks), groups);
  } finally {
    for (const { pca } of groups ?? []) pca[Symbol.dispose]();
    peft.train(before.training);
    if (before.active !== null && before.active !== adapterName) peft.setAdapter(before.active);
  }
}

/** The linear layers of an adapter, by path. Throws where it was trained. */
async function freshLayers<M extends AdaptableModel>(
  peft: PeftModel<M>,
  name: string,
): Promise<Map<string, TunerLayer>> {
  const layers = new Map<string, TunerLayer>();
  for (const [path, module] of peft.baseModel.namedModules()) {
    if (!(module instanceof TunerLayer)) continue;
    const b = module.tensors(name).get("lora_B.weight");
    if (!b) continue;
    if (((await b.data()) as Float32Array).some((x) => x !== 0)) {
      throw new Error(
        `initializeLoraEvaWeights: ${path}.lora_B is not zero; EVA is for an adapter that was not trained`,
      );
    }
    layers.set(path, module);
  }
  return layers;
}

const mostRanks = (config: LoraConfig, path: string, layer: TunerLayer) =>
  Math.min(Math.round(rankAndScaling(config, path).r * config.evaConfig!.rho), (layer.base_layer as Linear).inFeatures);

/**
 * Runs the model on a batch and adds what goes into the layers; the first batch
 * shows which see the same.
 */
async function measure<M extends AdaptableModel>(
  peft: PeftModel<M>,
  batch: Parameters<M["forward"]>[0] & EvaBatch,
  layers: ReadonlyMap<string, TunerLayer>,
  known: Group[] | null,
  config: LoraConfig,
): Promise<Group[]> {
  const inputs = new Map<string, Tensor>();
  const wanted = known ? known.map(({ paths: [first] }) => first) : [...layers.keys()];
  for (const path of wanted) layers.get(path)!.observer = (x) => void inputs.set(path, keep(x.detach()));
  try {
    noGrad(() => scope(() => void peft.forward(...([batch] as unknown as Parameters<M["forward"]>))));
  } finally {
    for (const path of wanted) layers.get(path)!.observer = null;
  }
  try {
    const groups = known ?? grouped(inputs, layers, config);
    const rows = await countedRows(batch, config.evaConfig!);
    for (const { paths, pca } of groups) {
      if (rows.length < pca.count) {
        throw new Error(
          `initializeLoraEvaWeights: a batch has ${rows.length} tokens that count, and ${paths[0]} may get rank ${pca.count}; use larger batches, or a smaller rho`,
        );
      }
      using chosen = scope(() => chosenRows(inputs.get(paths[0])!, rows));
      await pca.add(chosen);
    }
    return groups;
  } finally {
    for (const x of inputs.values()) x.dispose();
  }
}

/** Some of the rows of [..., features]. */
function chosenRows(x: Tensor, rows: readonly number[]): Tensor {
  const index = tensor(Int32Array.from(rows), { backend: x.storage.backend });
  return indexSelect(x.reshape([-1, x.shape[x.ndim - 1]]), index, { dim: 0 });
}

function grouped(
  inputs: ReadonlyMap<string, Tensor>,
  layers: ReadonlyMap<string, TunerLayer>,
  config: LoraConfig,
): Group[] {
  const byMemory = new Map<Tensor["storage"], string[]>();
  for (const [path, { storage }] of inputs) byMemory.set(storage, [...(byMemory.get(storage) ?? []), path]);
  return [...byMemory.values()].map((paths) => {
    const count = Math.max(...paths.map((path) => mostRanks(config, path, layers.get(path)!)));
    return { paths, pca: new IncrementalPca(count) };
  });
}

/** The numbers of the tokens that count. */
async function countedRows(
  { inputIds, attentionMask, labels }: EvaBatch,
  { useLabelMask, labelMaskValue }: EvaConfig,
): Promise<number[]> {
  const mask = attentionMask ? await attentionMask.data() : null;
  const label = labels && useLabelMask ? await labels.data() : null;
  const all = Array.from({ length: inputIds.size }, (_, i) => i);
  return all.filter((i) => (!mask || Number(mask[i]) !== 0) && (!label || label[i] !== labelMaskValue));
}

/**
 * Returns the rank of each layer. The ranks go to the directions that explain most of the variance
 * of a layer's input; their sum stays the same.
 */
function shareOut(
  groups: readonly Group[],
  layers: ReadonlyMap<string, TunerLayer>,
  config: LoraConfig,
): Map<string, number> {
  const budget = [...layers.keys()].reduce((all, path) => all + rankAndScaling(config, path).r, 0);
  const claims = groups.flatMap(({ paths, pca }) =>
    paths.flatMap((path) => pca.ratios.map((ratio) => ({ path, ratio }))),
  );
  claims.sort((a, b) => b.ratio - a.ratio);
  const ranks = new Map([...layers.keys()].map((path) => [path, 0]));
  for (const { path } of claims.slice(0, budget)) ranks.set(path, ranks.get(path)! + 1);
  return ranks;
}

/**
 * The configuration with the ranks given out, and alphas that keep each layer's scaling
 * unless it says otherwise.
 */
function withRanks(
  config: LoraConfig,
  targetModules: readonly string[],
  ranks: ReadonlyMap<string, number>,
): LoraConfig {
  const [rankPattern, alphaPattern]: Record<string, number>[] = [{}, {}];
  for (const path of targetModules) {
    const { r } = rankAndScaling(config, path);
    const rank = ranks.get(path) ?? r;
    const alpha = patternValue(config.alphaPattern, path, config.loraAlpha);
    const adjusted = config.evaConfig!.adjustScalingFactors ? (alpha * rank) / r : alpha;
    if (rank !== config.r) rankPattern[path] = rank;
    if (adjusted !== config.loraAlpha) alphaPattern[path] = adjusted;
  }
  return config.with({ targetModules, rankPattern, alphaPattern });
}

/** Makes the adapter anew, with A from the components. */
async function restart<M extends AdaptableModel>(
  peft: PeftModel<M>,
  name: string,
  config: LoraConfig,
  groups: readonly Group[],
): Promise<void> {
  const { method } = peft.base_model.adapter(name);
  peft.deleteAdapter(name);
  // The warnings were given when the adapter was first made.
  await peft.base_model.add({ name, method, config, generator: new Generator(0), loading: false }, () => {});
  const tensors = peft.adapterTensors(name);
  for (const { paths, pca } of groups) {
    const components = (await pca.components.data()) as Float32Array;
    for (const path of paths) {
      const a = tensors.get(`base_model.model.${path}.lora_A.weight`);
      if (!a) continue;
      const [, features] = a.shape;
      const values = components.slice(0, a.size);
      if (config.evaConfig!.whiten) {
        for (let i = 0; i < values.length; i++) values[i] /= Math.sqrt(pca.values[Math.floor(i / features)]);
      }
      using start = tensor(values, { shape: a.shape, backend: a.storage.backend });
      noGrad(() => copyInto(a, start));
    }
  }
  peft.setAdapter(name);
}
