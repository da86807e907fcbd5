import type { Module, PromptableModel } from "@lowrank/nn";

/** Returns true if virtual tokens can be put before a model's sequences. */
export function isPromptable(model: Module): model is PromptableModel {
  return "virtualTokens" in model && "attentionSizes" in model;
}
