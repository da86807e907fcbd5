import { describeConfig } from "@lowrank/models";
import { isEncoder } from "../../../cli/loading/modelConfig.ts";
import { loadEncoder } from "../../../load/loadModel.ts";
import { loadHeaded, paddingOf, readHeaded } from "./loadHeaded.ts";
import type { ModelKind } from "./modelKind.ts";
import { saveEncoder } from "./saveEncoder.ts";

/** Returns the shapes of an encoder, from its config. Throws for other models. */
const describe: ModelKind["describe"] = async (path) => {
  const { json, label } = await readHeaded(path);
  if (!(await isEncoder(path))) {
    throw new Error(`--model ${path} is a ${json.model_type}, which is not an encoder; give a BERT or a similar model`);
  }
  // As transformers' AutoModel reads it, without the head that the checkpoint may have.
  return describeConfig({ ...json, architectures: ["AutoModel"] }, { where: label });
};

/** Kind of model that embeds a text: the mean of its hidden states. */
export const encoder: ModelKind = {
  taskType: "FEATURE_EXTRACTION",
  pipelineTag: "sentence-similarity",
  writes: false,
  trainsWhole: false,
  startsFromData: false,
  labelsOf: async () => [],
  load: async (path, options) => {
    const shapes = await describe(path, []);
    const loaded = await loadHeaded(path, options, (given) => loadEncoder(path, given));
    const { model, tokenizer, backend, quantization } = loaded;
    return {
      ...{ model, tokenizer, backend, quantization, shapes, fresh: [] },
      padTokenId: await paddingOf(path, await readHeaded(path)),
      save: (place, dtype) => saveEncoder(model, loaded.files, place, dtype),
    };
  },
  describe,
  usage: (base) => ({
    python: [
      "from peft import PeftModel",
      "from transformers import AutoModel",
      "",
      `base = AutoModel.from_pretrained(${JSON.stringify(base)})`,
      'model = PeftModel.from_pretrained(base, "path/to/this/folder")',
    ],
    javascript: [
      'import { embed, loadEncoder, PeftModel } from "lowrank";',
      "",
      `const { model, tokenizer } = await loadEncoder(${JSON.stringify(base)});`,
      'const peft = await PeftModel.fromPretrained(model, "path/to/this/folder");',
      'const [vector] = await embed(peft, [{ inputIds: tokenizer.encode("...") }], { padTokenId: 0 });',
    ],
  }),
};
