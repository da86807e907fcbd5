import type { Module, PromptableModel } from "@lowrank/nn";

/** Returns true if the model supports prompt methods, that is, virtual tokens before its sequences. */
export function isPromptable(model: Module): model is PromptableModel {
  return "virtualTokens" in model && "attentionSizes" in model;
}
