import type { Backend } from "@lowrank/core";
import { describeModel, type LoadedModel, saveModel, type Tokenizer } from "@lowrank/models";
import { loadWithTokenizer } from "../../../cli/loading/loading.ts";
import { findModelConfig } from "../../../cli/loading/modelConfig.ts";
import { shellWord } from "../../../cli/output.ts";
import type { LoadedBase, ModelKind } from "./modelKind.ts";

/** Returns a loaded decoder as the base model of a run. */
export function decoderBase(loaded: LoadedModel & { tokenizer: Tokenizer; backend: Backend }): LoadedBase {
  const { model, config, tokenizer, backend, generationConfig, files, quantization } = loaded;
  return {
    ...{ model, tokenizer, backend, quantization },
    padTokenId: tokenizer.padTokenId ?? generationConfig?.padTokenId ?? tokenizer.eosTokenId ?? 0,
    shapes: describeModel(config),
    fresh: [],
    save: (place, dtype) => saveModel(model, config, place, { companions: files, dtype }),
  };
}

/** Kind of model that predicts the next token. */
export const decoder: ModelKind = {
  taskType: "CAUSAL_LM",
  pipelineTag: "text-generation",
  writes: true,
  trainsWhole: true,
  startsFromData: true,
  labelsOf: async () => [],
  load: async (path, options) => decoderBase(await loadWithTokenizer(path, options)),
  describe: async (path) => describeModel(await findModelConfig(path)),
  usage: (base) => ({
    python: [
      "from peft import PeftModel",
      "from transformers import AutoModelForCausalLM",
      "",
      `base = AutoModelForCausalLM.from_pretrained(${JSON.stringify(base)})`,
      'model = PeftModel.from_pretrained(base, "path/to/this/folder")',
    ],
    command: `lowrank generate --model ${shellWord(base)} --adapter path/to/this/folder --prompt "..."`,
  }),
};
