import { bytePairModel } from "./bytePairModel.ts";
import { type ModelJson, type TokenModel, UnknownTextError } from "./tokenModel.ts";
import { unigramModel } from "./unigramModel.ts";

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

/** Makes a model that has one token for each whole word. */
export function wordLevelModel({ vocab, unk_token }: ModelJson): TokenModel {
  const ids = new Map(Object.entries(vocab as Record<string, number>));
  const unknown = ids.get(unk_token ?? "<unk>");
  return {
    ids,
    encode: (word) => {
      const id = ids.get(word) ?? unknown;
      if (id === undefined) throw new UnknownTextError(word);
      return [id];
    },
  };
}

/**
 * Makes a WordPiece model. It takes the longest token that a word begins with, and continues with the rest of the word.
 */
export function wordPieceModel(json: ModelJson): TokenModel {
  const { vocab, unk_token, continuing_subword_prefix, max_input_chars_per_word: most = 100 } = json;
  const ids = new Map(Object.entries(vocab as Record<string, number>));
  const unknown = ids.get(unk_token ?? "[UNK]");
  const prefix = continuing_subword_prefix ?? "##";
  const pieces = (word: string): number[] | undefined => {
    const characters = Array.from(word);
    if (characters.length > most) return undefined;
    const found: number[] = [];
    for (let start = 0; start < characters.length; ) {
      let end = characters.length;
      let piece = (start > 0 ? prefix : "") + characters.slice(start).join("");
      while (end > start && !ids.has(piece)) piece = piece.slice(0, -characters[--end].length);
      if (end === start) return undefined;
      found.push(ids.get(piece)!);
      start = end;
    }
    return found;
  };
  return {
    ids,
    encode: (word) => {
      const found = pieces(word);
      if (found) return found;
      if (unknown !== undefined) return [unknown];
      throw new UnknownTextError(Array.from(word).find((character) => !pieces(character)) ?? word);
    },
  };
}
