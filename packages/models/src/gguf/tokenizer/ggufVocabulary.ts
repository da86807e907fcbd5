import type { JsonFields } from "../../config/jsonFields.ts";

/** llama.cpp's token types, the values in `tokenizer.ggml.token_type`. */
const kinds = { unknown: 2, control: 3, userDefined: 4 } as const;

/** An entry of `added_tokens` in tokenizer.json: a token that is matched in a text before the text is split. */
interface AddedToken {
  id: number;
  content: string;
  special: boolean;
}

/** The vocabulary of a GGUF file. */
export interface GgufVocabulary {
  readonly tokens: readonly string[];
  /** Ids by token. */
  readonly ids: ReadonlyMap<string, number>;
  readonly added: readonly AddedToken[];
}

/** Reads the tokens of a GGUF file and their types. Throws for duplicate tokens. */
export function ggufVocabulary(metadata: JsonFields): GgufVocabulary {
  const tokens = listOf<string>(metadata, "tokenizer.ggml.tokens", "string");
  // A loop avoids a temporary pair per token, since vocabularies are large.
  const ids = new Map<string, number>();
  for (let id = 0; id < tokens.length; id++) {
    const token = tokens[id];
    const other = ids.get(token);
    if (other !== undefined) {
      throw new Error(`${metadata.where}: tokens ${other} and ${id} are both ${JSON.stringify(token)}`);
    }
    ids.set(token, id);
  }
  const types =
    metadata.raw("tokenizer.ggml.token_type") === undefined
      ? []
      : listOf<number>(metadata, "tokenizer.ggml.token_type", "number", tokens.length);
  const added: AddedToken[] = [];
  for (let id = 0; id < types.length; id++) {
    const type = types[id];
    const special = type === kinds.control || type === kinds.unknown;
    if (special || type === kinds.userDefined) added.push({ id, content: tokens[id], special });
  }
  return { tokens, ids, added };
}

/**
 * Reads a list from the metadata. Throws if it is missing, has items of another type, or does not have `length` items
 * (if `length` is given).
 */
export function listOf<T>(metadata: JsonFields, key: string, type: "string" | "number", length?: number): T[] {
  const value = metadata.raw(key);
  if (!Array.isArray(value) || value.some((item) => typeof item !== type)) {
    throw metadata.bad(key, `a list of ${type}s`);
  }
  if (length !== undefined && value.length !== length) {
    throw new Error(`${metadata.where}: ${key} has ${value.length} items for ${length} tokens`);
  }
  return value;
}
