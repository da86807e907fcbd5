import { type Example, toExample } from "../data/tokens/example.ts";
import { type ExampleTokenizer, type TokenizedExample, tokenizeExample } from "../data/tokens/tokenize.ts";

/** Kind of records, such as examples for a language model, with a function that validates them. */
export interface RecordForm<Parsed> {
  /**
   * Name of this kind of records. It is stored in index files, so that an index is used only for the kind for which it
   * was built.
   */
  readonly name: string;
  /**
   * Validates a record and converts it to its final type. If the record is invalid, throws an error whose message
   * contains the position `where`.
   */
  parse(record: { readonly value: unknown; readonly where: string }): Parsed;
}

/** Validates records of one kind and tokenizes them. */
export interface RecordReader<Parsed, Tokenized> extends RecordForm<Parsed> {
  tokenize(record: Parsed): Promise<Tokenized>;
  /** Returns the number of tokens in a tokenized example. */
  tokens(example: Tokenized): number;
}

/** The kind of records for training a language model: texts, prompts with completions, and conversations. */
export const exampleForm: RecordForm<Example> = {
  name: "examples",
  parse: (record) => {
    const example = toExample(record);
    if (!("messages" in example) || example.messages.some(({ role }) => role === "assistant")) return example;
    throw new Error(`${record.where}: a conversation without an assistant turn has nothing to learn`);
  },
};

/** Returns a reader that tokenizes records of `exampleForm` for a language model. */
export function exampleReader(tokenizer: ExampleTokenizer): RecordReader<Example, TokenizedExample> {
  return {
    ...exampleForm,
    tokenize: (example) => tokenizeExample(tokenizer, example),
    tokens: ({ inputIds }) => inputIds.length,
  };
}
