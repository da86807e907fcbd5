import {
  type Backend,
  fromBytes,
  type Generator,
  noGrad,
  OptionError,
  scope,
  type Tensor,
  to,
  withBackend,
} from "@lowrank/core";
import type { Module, PromptableModel } from "@lowrank/nn";
import { layerCaches } from "@lowrank/nn/internal";
import type { PromptLearningConfig, ResolvedPromptConfig } from "../../config/promptLearningConfig.ts";
import type { Warning } from "../../config/warning.ts";
import type { PromptMethod } from "../../methods/shared/method.ts";
import { emptyTable } from "../../prompt/promptEncoder.ts";
import { PromptTokens } from "../../prompt/promptTokens.ts";
import { openSource, openWeights } from "../../source/openAdapter.ts";
import { inputEmbedding } from "../../targets/embeddings.ts";
import { isPromptable } from "./checkFits.ts";
import { type NewAdapter, type Plan, savedModulesOf, withHeads } from "./planAdapter.ts";

/**
 * Creates the configuration and the virtual tokens of a new adapter of a prompt method, and finds the modules to train
 * in full. The model must have no wrappers during the call. Throws if the model does not support virtual tokens, or if
 * the configured sizes do not fit the model.
 */
export async function planPrompt(
  model: Module,
  options: NewAdapter & { method: PromptMethod; generator: Generator },
): Promise<Plan> {
  const { method, config: given, generator, loading, tokenizer } = options;
  const embeddings = inputEmbedding(model)?.[1];
  if (!isPromptable(model) || !embeddings) {
    throw new Error(
      `${method.peftType} puts virtual tokens before sequences, which a ${model.constructor.name} does not take; give a transformer of loadModel, or take a method for single layers, such as LoRA`,
    );
  }
  if (method.kind === "cache") refuseUnlikeLayers(model, method.peftType);
  else if (model.needsTokenIds) {
    throw new Error(
      `${method.peftType} adds embeddings before the tokens' embeddings, and layers of a ${model.constructor.name} look up token ids, which virtual tokens lack; use a method on layers, such as LoRA`,
    );
  }
  const { config: headed, heads } = withHeads(given as PromptLearningConfig, method);
  const config = resolveSizes(model, headed, method);
  const warnings: Warning[] = [];
  const saved = await savedModulesOf(model, config, heads, warnings);
  const { backend } = embeddings.weight.storage;
  const path = loading ? null : (method.startFile?.(config) ?? null);
  const start = path === null ? undefined : await readStart(path, backend);
  const encoder = withBackend(backend, () =>
    loading
      ? (method.emptyEncoder?.(config) ?? emptyTable(config.numVirtualTokens, method.width(config)))
      : scope(() => method.createEncoder({ config, generator, embeddings, tokenizer, start })),
  );
  for (const tensor of start?.values() ?? []) tensor.dispose();
  return {
    config,
    report: { matched: [], excluded: [], unmatchedTargets: [], unusedPatterns: [] },
    shared: {},
    prompt: new PromptTokens(method.kind, { encoder, final: loading && !method.trainsRows(config), config }),
    layers: [],
    saved,
    tokens: [],
    swaps: new Map(),
    tables: new Map(),
    warnings,
  };
}

/**
 * Reads all tensors of a weights file, which is a safetensors file or one that `torch.save` wrote, as f32. The caller
 * frees them.
 */
async function readStart(path: string, backend: Backend): Promise<Map<string, Tensor>> {
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  const name = path.slice(cut + 1);
  const files = await openSource(cut < 0 ? "." : path.slice(0, cut + 1));
  // As in PEFT, a file that does not end in ".safetensors" is one of `torch.save`.
  const isSafe = name.endsWith(".safetensors");
  const weights = await openWeights(files, { weights: isSafe ? name : `${name}.safetensors`, pickle: name });
  const found = new Map<string, Tensor>();
  for (const key of weights.names()) {
    const { bytes, shape, dtype } = await weights.read(key);
    found.set(
      key,
      noGrad(() => scope(() => to(fromBytes(bytes, shape, dtype, backend), { dtype: "f32" }))),
    );
  }
  return found;
}

/** Throws unless all layers of the model have keys and values of the same size, as prefix tuning requires. */
function refuseUnlikeLayers({ attentionSizes, constructor: { name } }: PromptableModel, peftType: string): void {
  // The virtual tokens have the sizes of `attentionSizes` itself.
  const all = [attentionSizes, ...layerCaches(attentionSizes)];
  const heads = all.map(({ keyValueHeads, headDim }) => [keyValueHeads, headDim]);
  const without = heads.flatMap(([count], i) => (count === 0 ? [i - 1] : []));
  if (without.length > 0) {
    throw new Error(
      `${peftType} adds keys and values before each layer's own, and layers ${without.join(", ")} of a ${name} have none; use a method whose virtual tokens are embeddings, such as prompt tuning`,
    );
  }
  const other = heads.find((sizes) => sizes.join() !== heads[0].join());
  if (!other) return;
  throw new Error(
    `${peftType} adds keys and values of one size before each layer's own, and layers of a ${name} have ${heads[0][0]} heads of ${heads[0][1]} or ${other[0]} of ${other[1]}; use a method on layers, such as LoRA`,
  );
}

function resolveSizes(
  { attentionSizes: sizes }: PromptableModel,
  config: PromptLearningConfig,
  { kind, resolve }: PromptMethod,
): ResolvedPromptConfig {
  const heads = kind === "cache" ? sizes.keyValueHeads : sizes.attentionHeads;
  const wanted = {
    numVirtualTokens: config.numVirtualTokens,
    tokenDim: kind === "cache" ? heads * sizes.headDim : sizes.hiddenSize,
    numTransformerSubmodules: 1,
    numAttentionHeads: heads,
    numLayers: sizes.layers,
  };
  const { name } = config.constructor;
  if (wanted.numVirtualTokens === null)
    throw new OptionError(name, "numVirtualTokens", null, "is not set; give the number of tokens to train");
  for (const [key, value] of Object.entries(wanted)) {
    const given = config[key as keyof typeof wanted];
    if (given !== null && given !== value) {
      throw new OptionError(name, key, given, `is ${given}, but this model has ${value}; leave it out`);
    }
  }
  const resolved = config.with(wanted) as ResolvedPromptConfig;
  return (resolve?.(resolved) ?? resolved) as ResolvedPromptConfig;
}
