import type { CausalLM, Tokenizer } from "@lowrank/models";
import { type Example, ignoreIndex, loadDataset, type TokenizedExample, tokenizeExample } from "@lowrank/train";
import type { TextSource } from "../shared/suite.ts";
import { SuiteError } from "../shared/suiteError.ts";

/** Tokens of one forward pass, with the item of each token. */
export interface TextRow {
  readonly inputIds: readonly number[];
  /** The token to predict at each position; -100 if it does not count. */
  readonly labels: readonly number[];
  /** Index of the item to which each token belongs. Adapters are compared item by item. */
  readonly items: readonly number[];
}

/** Rows of a section's texts. */
export interface TextRows {
  readonly rows: readonly TextRow[];
  /** Number of items: records, and blocks of `blockLength` tokens of plain texts. */
  readonly items: number;
}

/**
 * Number of tokens of a plain text that form an item of a comparison. Losses of neighbouring tokens depend on each
 * other, so single tokens are not independent items.
 */
const blockLength = 64;

/** Reads and tokenizes the texts of a section. Long texts are divided into windows of at most `window` tokens. */
export async function textRows(
  section: string,
  source: TextSource,
  model: CausalLM,
  tokenizer: Tokenizer,
): Promise<TextRows> {
  const positions = model.maxPositions - (model.virtualTokens?.count ?? 0);
  const { window = Math.min(512, positions), maxTokens = Number.POSITIVE_INFINITY } = source;
  if (window > positions) {
    throw new SuiteError([section, "window"], `found ${window}; the model has ${positions} positions; lower it`);
  }
  const rows: TextRow[] = [];
  let [items, left] = [0, maxTokens];
  for (const example of await examplesOf(source)) {
    if (left < 2) break;
    const isPlain = "text" in example;
    const { inputIds, labels } = await tokens(example, tokenizer);
    const kept = Math.min(inputIds.length, left);
    left -= kept;
    for (let start = 0; start < kept; start += window) {
      const end = Math.min(start + window, kept);
      const first = items;
      rows.push({
        inputIds: inputIds.slice(start, end),
        labels: labels.slice(start, end),
        items: Array.from({ length: end - start }, (_, t) => first + (isPlain ? Math.floor(t / blockLength) : 0)),
      });
      if (isPlain) items += Math.ceil((end - start) / blockLength);
    }
    if (!isPlain) items++;
  }
  // The first token of a row is not predicted.
  if (!rows.some(({ labels }) => labels.slice(1).some((label) => label !== ignoreIndex))) {
    throw new SuiteError([section], "its texts have no token to predict; give texts of two tokens or more");
  }
  return { rows, items };
}

async function examplesOf({ data, text, examples }: TextSource): Promise<readonly (Example | TokenizedExample)[]> {
  if (data !== undefined) return loadDataset(data);
  return text === undefined ? (examples ?? []) : [text].flat().map((one) => ({ text: one }));
}

/** Returns the tokens of an example. A plain text gets no end-of-sequence token, since it may be a part of a text. */
async function tokens(example: Example | TokenizedExample, tokenizer: Tokenizer): Promise<TokenizedExample> {
  if ("inputIds" in example) return example;
  if (!("text" in example)) return tokenizeExample(tokenizer, example);
  const inputIds = tokenizer.encode(example.text);
  return { inputIds, labels: inputIds.slice() };
}
