import {
  type AnyMethod,
  type CausalLM,
  createModel,
  Generator,
  getPeftModel,
  LoraConfig,
  type PeftConfig,
  type PeftModel,
  parseModelConfig,
  randomParameters,
  recipesOf,
  Tokenizer,
  tensor,
} from "lowrank";
import { setAdapterValues } from "lowrank/testing";

/** Options that silence warnings: the matrix checks outputs instead. */
export const quiet = { onWarning: (): void => {} };

const sizes = {
  ...{ vocab_size: 98, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4 },
  ...{ num_key_value_heads: 2, max_position_embeddings: 64, eos_token_id: 97, tie_word_embeddings: false },
};

/** Returns the model of all cells: a small random Llama, whose outputs differ clearly. `bias` adds biases. */
export function smallModel(bias = true): CausalLM {
  const config = parseModelConfig({ model_type: "llama", attention_bias: bias, ...sizes });
  const draw = randomParameters(new Generator(5));
  const wide = createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.2 } : start));
  return wide.eval() as CausalLM;
}

/** Returns a tokenizer with the model's vocabulary: one token for each of some characters. */
export function smallTokenizer(): Tokenizer {
  const characters = Array.from({ length: sizes.eos_token_id }, (_, i) => String.fromCharCode(0x4e00 + i));
  return new Tokenizer({
    label: "small",
    tokenizerJson: {
      added_tokens: [{ id: sizes.eos_token_id, content: "</s>", special: true }],
      ...{ normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null },
      model: { type: "BPE", vocab: Object.fromEntries(characters.map((one, id) => [one, id])), merges: [] },
    },
    tokenizerConfig: { eos_token: "</s>" },
  });
}

/** Returns the first configuration that a method offers to `lowrank train`, with small sizes. */
export async function configOf(method: AnyMethod): Promise<PeftConfig> {
  const settings = { r: 4, targetModules: "all-linear", virtualTokens: 4, steps: 20 };
  const make = method.Config as new (options: object) => PeftConfig;
  const config = recipesOf(method)[0]?.config(settings) ?? new make({});
  const small = Object.entries(smallValues).filter(([field]) => field in config);
  const own = "adapters" in config ? { adapters: { "0": await expert(1), "1": await expert(2) } } : {};
  return config.with({ ...Object.fromEntries(small), ...own });
}

/** Values for the small model of fields whose defaults are for large ones. */
const smallValues: Readonly<Record<string, unknown>> = {
  ...{ nFrequency: 50, blockSize: 8, vectorLength: 8, numVectors: 12, hiddenSize: sizes.hidden_size },
  tokenIndices: [3, 6, 60],
};

/** Returns the files of a LoRA adapter with random values. */
async function expert(seed: number): ReturnType<PeftModel["adapterFiles"]> {
  const peft = await getPeftModel(smallModel(), new LoraConfig({ r: 2, targetModules: ["q_proj", "v_proj"] }), quiet);
  setAdapterValues(peft, { kind: "normal", seed });
  return peft.adapterFiles();
}

/** Returns a model with a new adapter, whose values are random if `seed` is given. */
export async function adapted(config: PeftConfig, seed?: number, model: CausalLM = smallModel()) {
  const peft = await getPeftModel(model, config, { ...quiet, generator: new Generator(seed ?? 0) });
  peft.eval();
  if (seed !== undefined) setAdapterValues(peft, { kind: "normal", seed });
  // The forward pass of some methods (constrained OFT) rescales parameters that were set.
  logitsOf(peft);
  return peft;
}

export const rows: readonly (readonly number[])[] = [
  [3, 7, 11, 5],
  [6, 9, 2, 8],
  [1, 4, 60, 33],
];

/** Runs a model on some of the rows. */
export function logitsOf(model: CausalLM | PeftModel<CausalLM>, ids = rows): Float32Array {
  const inputIds = tensor(
    ids.map((row) => [...row]),
    { dtype: "i32" },
  );
  const output = model.forward({ inputIds, taskIds: ids.map(() => 0) });
  return (output.logits.dataSync() as Float32Array).slice();
}
