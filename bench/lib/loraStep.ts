import { f32ToF16, Generator, packedTensor, type Tensor, tensor } from "@lowrank/core";
import { type CausalLM, createModel, type ParameterSource, parseModelConfig, randomParameters } from "@lowrank/models";
import { Parameter, type QuantizeOptions, quantize } from "@lowrank/nn";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { trainingStep } from "./trainingStep.ts";

/** The same training step for both sides: LoRA on all linear layers except the head, AdamW, labels = ids. */
export interface LoraStepCase {
  /** The fields of a Hugging Face config.json. */
  config: { model_type: string; vocab_size: number } & Record<string, unknown>;
  batch: number;
  tokens: number;
  rank: number;
  alpha: number;
}

const lora = { rank: 8, alpha: 16 };
const llama = { model_type: "llama", tie_word_embeddings: true, max_position_embeddings: 2048, rms_norm_eps: 1e-5 };

/** The shapes of a Llama with 15M parameters and of SmolLM2-135M. */
export const loraStepCases: Record<"m15" | "m135", LoraStepCase> = {
  m15: {
    config: {
      ...llama,
      vocab_size: 32000,
      hidden_size: 288,
      intermediate_size: 768,
      num_hidden_layers: 6,
      num_attention_heads: 6,
      num_key_value_heads: 6,
    },
    batch: 4,
    tokens: 256,
    ...lora,
  },
  m135: {
    config: {
      ...llama,
      vocab_size: 49152,
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 30,
      num_attention_heads: 9,
      num_key_value_heads: 3,
    },
    batch: 1,
    tokens: 128,
    ...lora,
  },
};

/** Returns a case with another LoRA rank and the same alpha / rank. */
export function ofRank(subject: LoraStepCase, rank: number = subject.rank): LoraStepCase {
  return { ...subject, rank, alpha: (subject.alpha / subject.rank) * rank };
}

/** Returns a model of the given config with random weights. */
export function randomModel(
  config: LoraStepCase["config"],
  generator: Generator = new Generator(0),
  draw: (generator: Generator) => ParameterSource = randomParameters,
): CausalLM {
  return createModel(parseModelConfig(config), draw(generator));
}

/** Returns random tokens [batch, tokens]. */
function randomIds({ config, batch, tokens }: LoraStepCase, generator: Generator): Tensor {
  const ids = new Int32Array(batch * tokens);
  generator.fillInt(ids, 0, config.vocab_size);
  return tensor(ids, { shape: [batch, tokens] });
}

/**
 * Returns a function that runs one LoRA step on the current backend, always on the same random tokens, and returns the
 * loss before the step. `quantization` quantises the model first; "q4_1" draws random Q4_1 weights directly.
 */
export async function makeLoraStep(
  subject: LoraStepCase,
  quantization?: QuantizeOptions | "q4_1",
): Promise<() => number> {
  const generator = new Generator(0);
  const inBlocks = quantization === "q4_1";
  const base = randomModel(subject.config, generator, inBlocks ? randomQ4_1 : randomParameters);
  if (quantization && !inBlocks) await quantize(base, quantization);
  const { rank: r, alpha: loraAlpha } = subject;
  const options = { r, loraAlpha, targetModules: "all-linear", taskType: "CAUSAL_LM" } as const;
  return trainingStep(await getPeftModel(base, new LoraConfig(options)), randomIds(subject, generator));
}

/** Like `makeLoraStep`, but trains every parameter of the model, without LoRA. */
export function makeFullStep(subject: LoraStepCase): () => number {
  const generator = new Generator(0);
  return trainingStep(randomModel(subject.config, generator), randomIds(subject, generator));
}

/** A block of Q4_1: 32 weights in 20 bytes, with two bytes for the scale and two for the minimum. */
const [blockWeights, blockBytes] = [32, 20];

/** Scale and minimum with which codes 0..15 represent values around 0 with standard deviation 0.02. */
const [scale, minimum] = [0.00434, -0.0325];

/** Like `randomParameters`, but the weights of linear layers are Q4_1 with uniformly random codes. */
function randomQ4_1(generator: Generator): ParameterSource {
  const plain = randomParameters(generator);
  const ends = new Uint16Array(2);
  f32ToF16(Float32Array.of(scale, minimum), ends);
  return (name, shape, init) => {
    const [rows, columns] = shape;
    if (columns === undefined || name.includes("embed")) return plain(name, shape, init);
    const words = new Int32Array((rows! * columns * blockBytes) / blockWeights / 4);
    generator.fillInt(words, -(2 ** 31), 2 ** 31);
    const head = new Int32Array(ends.buffer)[0]!;
    for (let at = 0; at < words.length; at += blockBytes / 4) words[at] = head;
    using packed = packedTensor(new Uint8Array(words.buffer), { shape, dtype: "q4_1" });
    return new Parameter(packed);
  };
}
