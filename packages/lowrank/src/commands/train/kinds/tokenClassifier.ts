import { Generator } from "@lowrank/core";
import { describeModel, parseTokenClassifierConfig, saveModel } from "@lowrank/models";
import { loadTokenClassifier } from "../../../load/loadModel.ts";
import { type HeadedConfig, loadHeaded, namesHead, paddingOf, readHeaded } from "./loadHeaded.ts";
import type { ModelKind } from "./modelKind.ts";

/** Returns the labels of a checkpoint's token classification head; an empty list without such a head. */
function ownLabels(found: HeadedConfig): readonly string[] {
  if (!namesHead(found, "ForTokenClassification")) return [];
  return parseTokenClassifierConfig(found.json, found.label).labels;
}

/** Kind of model that gives each token a label. */
export const tokenClassifier: ModelKind = {
  taskType: "TOKEN_CLS",
  pipelineTag: "token-classification",
  writes: false,
  trainsWhole: true,
  startsFromData: true,
  labelsOf: async (path, wanted) => {
    const own = ownLabels(await readHeaded(path));
    return wanted.every((name) => own.includes(name)) ? own : wanted;
  },
  load: async (path, options) => {
    const { labels, seed } = options;
    const found = await readHeaded(path);
    const keepsHead = ownLabels(found).join() === labels.join();
    const newHead = keepsHead ? undefined : { labels, generator: new Generator(seed) };
    const loaded = await loadHeaded(path, options, (given) => loadTokenClassifier(path, { ...given, newHead }));
    const { model, config, tokenizer, backend, files, quantization, freshParameters } = loaded;
    return {
      ...{ model, tokenizer, backend, quantization, fresh: freshParameters },
      padTokenId: await paddingOf(path, found),
      shapes: describeModel(config),
      save: (place, dtype) => saveModel(model, config, place, { companions: files, dtype }),
    };
  },
  describe: async (path, labels) => {
    const { json, label } = await readHeaded(path);
    return describeModel({ ...parseTokenClassifierConfig(json, label), labels: [...labels] });
  },
  usage: (base, labels) => ({
    python: [
      "from peft import PeftModel",
      "from transformers import AutoModelForTokenClassification",
      "",
      `labels = ${JSON.stringify(labels)}`,
      `base = AutoModelForTokenClassification.from_pretrained(${JSON.stringify(base)}, id2label=dict(enumerate(labels)))`,
      'model = PeftModel.from_pretrained(base, "path/to/this/folder")',
    ],
    javascript: [
      'import { loadTokenClassifier, PeftModel } from "lowrank";',
      "",
      `const labels = ${JSON.stringify(labels)};`,
      `const { model } = await loadTokenClassifier(${JSON.stringify(base)}, { newHead: { labels } });`,
      'const peft = await PeftModel.fromPretrained(model, "path/to/this/folder");',
    ],
  }),
};
