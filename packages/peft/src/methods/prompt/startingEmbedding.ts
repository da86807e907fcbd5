import { embedding, noGrad, OptionError, scope, tensor, to } from "@lowrank/core";
import { Embedding, Parameter } from "@lowrank/nn";
import type { PromptLearningConfig } from "../../config/promptLearningConfig.ts";
import { freshEmbedding } from "../../prompt/promptEncoder.ts";
import type { PromptContext } from "../shared/method.ts";

/** The configuration of a prompt method that starts as prompt tuning does. */
export interface StartingConfig extends PromptLearningConfig {
  /** "SAMPLE_VOCAB": random tokens. "TEXT": the tokens of the text. Other values: N(0, 1). */
  readonly promptTuningInit: string;
  readonly promptTuningInitText: string | null;
}

/**
 * Returns the ids of the tokens whose embeddings initialise the virtual tokens, or null for a random initialisation.
 */
function startTokens(context: PromptContext<StartingConfig>): readonly number[] | null {
  const { config, generator, tokenizer, embeddings } = context;
  const { numVirtualTokens: count, promptTuningInit, promptTuningInitText: text } = config;
  const vocabulary = embeddings.weight.shape[0];
  if (promptTuningInit === "SAMPLE_VOCAB") {
    const uniform = new Float32Array(count);
    generator.fillUniform(uniform);
    return Array.from(uniform, (u) => Math.floor(u * vocabulary));
  }
  if (promptTuningInit !== "TEXT") return null;
  if (!tokenizer) {
    throw new Error(
      'promptTuningInit is "TEXT": give getPeftModel or addAdapter the model\'s tokenizer, as { tokenizer }',
    );
  }
  const ids = tokenizer.encode(text as string);
  const refused = (problem: string) => new OptionError("", "promptTuningInitText", text, problem);
  if (ids.length === 0) throw refused(`${JSON.stringify(text)} has no tokens; give a longer text`);
  const outside = ids.find((id) => id >= vocabulary);
  if (outside !== undefined) {
    throw refused(
      `has the token id ${outside}, but the model has ${vocabulary} tokens; give the model's own tokenizer`,
    );
  }
  return Array.from({ length: count }, (_, i) => ids[i % ids.length]);
}

/** Returns the initial virtual tokens: random values, or the embeddings of tokens. */
export function startingEmbedding(context: PromptContext<StartingConfig>): Embedding {
  const { config, generator } = context;
  const tokens = startTokens(context);
  return tokens ? tokenEmbedding(context, tokens) : freshEmbedding(config.numVirtualTokens, config.tokenDim, generator);
}

/** Returns a copy of the embeddings of the tokens with these ids. */
export function tokenEmbedding(
  { embeddings }: Pick<PromptContext<PromptLearningConfig>, "embeddings">,
  tokens: readonly number[],
): Embedding {
  const rows = noGrad(() =>
    scope(() => {
      const ids = tensor(tokens, { dtype: "i32", backend: embeddings.weight.storage.backend });
      return new Parameter(to(embedding(embeddings.weight, ids), { dtype: "f32" }));
    }),
  );
  return new Embedding(rows);
}
