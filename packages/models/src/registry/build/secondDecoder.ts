import type { SecondDecoder, SecondDecoderRequest } from "@lowrank/nn";
import type { ArchitectureConfig, ModelConfig } from "../../config/architectureConfig.ts";
import { JsonFields } from "../../config/jsonFields.ts";
import type { Architecture } from "../../model/architecture.ts";
import { loadArchitecture } from "../loadArchitecture.ts";
import type { buildModel } from "./buildModel.ts";

/** Model types whose configs in transformers store the size of a head, so that it stays if other sizes change. */
const storesHeadSize = new Set(["llama", "mistral", "gemma2", "gemma3_text", "gemma4_text", "qwen3"]);

/** Builds a decoder with `build`, from the config of another one, or from its own config. */
export async function secondDecoder(
  build: typeof buildModel,
  own: Architecture,
  config: ArchitectureConfig,
  request: SecondDecoderRequest,
): Promise<SecondDecoder> {
  const where = "the config of the second decoder";
  const given = request.config === undefined ? null : new JsonFields(request.config, where);
  const architecture = given ? await loadArchitecture({ modelType: String(given.raw("model_type")) }) : own;
  const values = given ? (request.config as Record<string, unknown>) : reduced(own, config, request);
  // As in PEFT, logits are the head's outputs, also if the model limits or scales its own.
  const plainHead = { tie_word_embeddings: !request.head, final_logit_softcapping: null, logits_scaling: 1 };
  const fields = new JsonFields({ ...values, ...plainHead }, where);
  const built = architecture.readConfig(fields) as ModelConfig;
  checkTypes(values.layer_types, (built as { layerTypes?: readonly string[] }).layerTypes);
  const model = build(architecture, built, (...asked) => request.parameter(...asked));
  const { stack, sanitize } = architecture;
  return {
    model,
    stack,
    config: values,
    nameOf: (stored) => {
      const name = stored.startsWith(`${stack}.`) ? stored : `${stack}.${stored}`;
      return sanitize ? sanitize(name, built) : name;
    },
  };
}

/** Throws if the architecture changes the types of the first layers, as Gemma 4 does for a last layer with a window. */
function checkTypes(asked: unknown, built: readonly string[] | undefined): void {
  if (!Array.isArray(asked) || !built) return;
  const layer = built.findIndex((type, i) => type !== asked[i]);
  if (layer < 0) return;
  throw new Error(
    `the second decoder would end in layer ${layer} of the model, ${asked[layer]}, and its last layer must be ${built[layer]}; choose another number of layers`,
  );
}

/** Returns a config.json with other sizes. Fields with a value for each layer are cut to the number of layers. */
function reduced(
  { writeConfig, modelType }: Architecture,
  config: ArchitectureConfig,
  { layers, hiddenSize, intermediateSize, attentionHeads }: SecondDecoderRequest,
): Record<string, unknown> {
  const fields: Record<string, unknown> = { ...writeConfig(config), model_type: modelType };
  const { head_dim: size, hidden_size: width, num_attention_heads: heads } = fields;
  if (!storesHeadSize.has(modelType) && size === Number(width) / Number(heads)) delete fields.head_dim;
  const set = (names: readonly string[], value: number | null | undefined) => {
    const name = names.find((one) => one in fields);
    if (name !== undefined && value !== null && value !== undefined) fields[name] = value;
  };
  set(["num_hidden_layers", "n_layer"], layers);
  set(["hidden_size", "n_embd"], hiddenSize);
  set(["intermediate_size", "n_inner"], intermediateSize);
  set(["num_attention_heads", "n_head"], attentionHeads);
  if (layers === undefined) return fields;
  const { layer_types: types, max_window_layers: most } = fields;
  if (Array.isArray(types)) {
    fields.layer_types = Array.from({ length: layers }, (_, i) => types[Math.min(i, types.length - 1)]);
  }
  if (typeof most === "number") fields.max_window_layers = Math.min(most, layers);
  return fields;
}
