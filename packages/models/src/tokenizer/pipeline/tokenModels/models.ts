import { bytePairModel } from "./bytePairModel.ts";
import type { ModelJson, TokenModel } from "./tokenModel.ts";
import { unigramModel } from "./unigramModel.ts";
import { wordLevelModel, wordPieceModel } from "./wordModels.ts";

const makers: Record<"BPE" | "WordPiece" | "Unigram" | "WordLevel", (json: ModelJson) => TokenModel> = {
  BPE: bytePairModel,
  WordPiece: wordPieceModel,
  Unigram: unigramModel,
  WordLevel: wordLevelModel,
};

/** Returns the type of a model. Older files do not name it, so it is derived from the fields. */
export function modelType({ type, vocab, merges, ...rest }: ModelJson): keyof typeof makers {
  if (type !== undefined) {
    if (Object.hasOwn(makers, type)) return type as keyof typeof makers;
    throw new Error(`model ${JSON.stringify(type)} is unknown; there are ${Object.keys(makers).join(", ")}`);
  }
  if (Array.isArray(vocab)) return "Unigram";
  if (merges !== undefined) return "BPE";
  return rest.continuing_subword_prefix == null ? "WordLevel" : "WordPiece";
}

/** Makes the model of a `tokenizer.json`. */
export const modelOf = (json: ModelJson): TokenModel => makers[modelType(json)](json);
