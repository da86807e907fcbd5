import { scope, withBackend } from "@lowrank/core";
import type { Module, PromptableModel } from "@lowrank/nn";
import type { PromptLearningConfig, ResolvedPromptConfig } from "../config/promptLearningConfig.ts";
import type { Warning } from "../config/warning.ts";
import type { PromptMethod } from "../methods/method.ts";
import { emptyTable } from "../prompt/promptEncoder.ts";
import { PromptTokens } from "../prompt/promptTokens.ts";
import { inputEmbedding } from "../targets/embeddings.ts";
import { isPromptable } from "./isPromptable.ts";
import { type NewAdapter, type Plan, savedModulesOf, withHeads } from "./planAdapter.ts";

/**
 * Makes a prompt method's parts for a bare base model. Throws for a model or
 * sizes that do not fit it.
 */
export async function planPrompt(model: Module, options: NewAdapter & { method: PromptMethod }): Promise<Plan> {
  const { method, config: given, generator, loading, tokenizer } = options;
  const embeddings = inputEmbedding(model)?.[1];
  if (!isPromptable(model) || !embeddings) {
    throw new Error(
      `${method.peftType} puts virtual tokens before sequences, which a ${model.constructor.name} does not take`,
    );
  }
  const { withoutKeys = [] } = model.attentionSizes;
  if (method.kind === "cache" && withoutKeys.length > 0) {
    throw new Error(
      `${method.peftType} puts keys and values before those of every layer, and layers ${withoutKeys.join(", ")} of a ${model.constructor.name} have none; take a method whose virtual tokens are embeddings, such as prompt tuning`,
    );
  }
  const { config: headed, heads } = withHeads(given as PromptLearningConfig, method);
  const config = resolveSizes(model, headed, method);
  const warnings: Warning[] = [];
  const saved = await savedModulesOf(model, config, heads, warnings);
  const encoder = withBackend(embeddings.weight.storage.backend, () =>
    loading
      ? emptyTable(config.numVirtualTokens, method.width(config))
      : scope(() => method.createEncoder({ config, generator, embeddings, tokenizer })),
  );
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
  if (wanted.numVirtualTokens === null) throw new Error(`${name}: numVirtualTokens is not set; say how many to train`);
  for (const [key, value] of Object.entries(wanted)) {
    const given = config[key as keyof typeof wanted];
    if (given !== null && given !== value) {
      throw new Error(`${name}: ${key} is ${given}, but this model has ${value}; leave it out`);
    }
  }
  const resolved = config.with(wanted) as ResolvedPromptConfig;
  return (resolve?.(resolved) ?? resolved) as ResolvedPromptConfig;
}
