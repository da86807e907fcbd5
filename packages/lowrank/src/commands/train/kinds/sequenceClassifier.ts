import { Generator } from "@lowrank/core";
import { describeModel, parseClassifierConfig, saveModel } from "@lowrank/models";
import { loadSequenceClassifier } from "../../../load/loadModel.ts";
import { loadHeaded, namesHead, paddingOf, readHeaded } from "./loadHeaded.ts";
import type { ModelKind } from "./modelKind.ts";

/** Kind of model that gives a text one score, as reward models do. */
export const sequenceClassifier: ModelKind = {
  taskType: "SEQ_CLS",
  pipelineTag: "text-classification",
  writes: false,
  trainsWhole: true,
  startsFromData: false,
  labelsOf: async (path) => {
    const found = await readHeaded(path);
    if (!namesHead(found, "ForSequenceClassification")) return ["LABEL_0"];
    const { labels } = parseClassifierConfig(found.json, found.label);
    return labels.length === 1 ? labels : ["LABEL_0"];
  },
  load: async (path, options) => {
    const found = await readHeaded(path);
    const padTokenId = await paddingOf(path, found);
    const keepsHead =
      namesHead(found, "ForSequenceClassification") &&
      parseClassifierConfig(found.json, found.label).labels.length === 1;
    const newHead = keepsHead ? undefined : { labels: 1, padTokenId, generator: new Generator(options.seed) };
    const loaded = await loadHeaded(path, options, (given) => loadSequenceClassifier(path, { ...given, newHead }));
    const { model, config, tokenizer, backend, files, quantization, freshParameters } = loaded;
    return {
      ...{ model, tokenizer, backend, quantization, padTokenId, fresh: freshParameters },
      shapes: describeModel(config),
      save: (place, dtype) => saveModel(model, config, place, { companions: files, dtype }),
    };
  },
  describe: async (path, labels) => {
    const found = await readHeaded(path);
    const padTokenId = await paddingOf(path, found);
    const config = parseClassifierConfig(found.json, found.label);
    return describeModel({ ...config, labels: [...labels], problemType: null, padTokenId });
  },
  usage: (base) => ({
    python: [
      "from peft import PeftModel",
      "from transformers import AutoModelForSequenceClassification",
      "",
      `base = AutoModelForSequenceClassification.from_pretrained(${JSON.stringify(base)}, num_labels=1)`,
      'model = PeftModel.from_pretrained(base, "path/to/this/folder")',
    ],
    javascript: [
      'import { loadSequenceClassifier, PeftModel } from "lowrank";',
      "",
      `const { model } = await loadSequenceClassifier(${JSON.stringify(base)}, { newHead: { labels: 1 } });`,
      'const peft = await PeftModel.fromPretrained(model, "path/to/this/folder");',
    ],
  }),
};
