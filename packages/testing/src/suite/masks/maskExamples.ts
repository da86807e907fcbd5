import type { Tokenizer } from "@lowrank/models";
import {
  type Example,
  loadDataset,
  readRecords,
  type TokenizedExample,
  toExample,
  tokenizeExample,
} from "@lowrank/train";
import { fact } from "../shared/check.ts";
import type { MaskTests } from "../shared/suite.ts";
import type { SuiteCheck } from "../shared/suiteReport.ts";

/** Training example whose loss mask is checked. */
export interface MaskExample {
  /** Position in its file, or in the list of examples. */
  readonly where: string;
  /** Tokens and labels with which the model is trained. */
  readonly tokens: TokenizedExample;
  /** Tokens and labels that Lowrank makes from the same record; null if the record has only tokens. */
  readonly reference: TokenizedExample | null;
  /** Kind of the record; "tokens" if it has only tokens. */
  readonly kind: "chat" | "completion" | "text" | "tokens";
}

/** Examples that could be tokenized, or the check that failed because one could not. */
export type MaskExamples = readonly MaskExample[] | SuiteCheck;

/** Record before tokenization. */
interface MaskRecord {
  readonly where: string;
  readonly example: Example | null;
  readonly tokens: TokenizedExample | null;
}

/** Reads and tokenizes the first examples of a suite's masks. */
export async function maskExamples(tests: MaskTests, tokenizer: Tokenizer): Promise<MaskExamples> {
  const { limit = 20, tokenize } = tests;
  const found: MaskExample[] = [];
  for (const { where, example, tokens } of await records(tests, limit)) {
    const kind = kindOf(example);
    if (kind === "chat" && tokenizer.chatTemplate === null) {
      const message = `${where}: ${tokenizer.label} has no chat template, so a chat cannot be tokenized; add chat_template to tokenizer_config.json, or use prompt and completion`;
      return fact("masks", "chat template", false, message);
    }
    try {
      const reference = example && (await tokenizeExample(tokenizer, example));
      const own = tokens ?? (example && tokenize ? await tokenize(example) : reference);
      found.push({ where, tokens: own as TokenizedExample, reference, kind });
    } catch (error) {
      return fact("masks", "tokens", false, `${where}: ${(error as Error).message}`);
    }
  }
  return found;
}

function kindOf(example: Example | null): MaskExample["kind"] {
  if (example === null) return "tokens";
  return "messages" in example ? "chat" : "text" in example ? "text" : "completion";
}

async function records({ data, examples = [] }: MaskTests, limit: number): Promise<MaskRecord[]> {
  if (data === undefined) {
    return examples.slice(0, limit).map((value, i) => parse({ value, where: `example ${i + 1}` }));
  }
  if (/\.(txt|md)$/i.test(data)) {
    const [example] = await loadDataset(data);
    return [{ where: data, example, tokens: null }];
  }
  const found: MaskRecord[] = [];
  for await (const { example } of readRecords(data, { name: "mask examples", parse })) {
    found.push(example);
    if (found.length === limit) break;
  }
  return found;
}

/** Reads a record: an example, its tokens under `input_ids` and `labels`, or both. */
function parse({ value, where }: { readonly value: unknown; readonly where: string }): MaskRecord {
  const record = Object(value) as Record<string, unknown>;
  const { input_ids: ids = record.inputIds, labels, attention_mask: _, inputIds: __, ...rest } = record;
  if (ids === undefined) return { where, example: toExample({ value, where }), tokens: null };
  for (const [name, list] of Object.entries({ input_ids: ids, labels })) {
    if (Array.isArray(list) && list.every(Number.isInteger)) continue;
    throw new Error(`${where}: ${name} is not a list of token ids; give input_ids and labels as lists of integers`);
  }
  const isExample = ["text", "prompt", "messages", "instruction", "conversations"].some((key) => key in rest);
  const example = isExample ? toExample({ value: rest, where }) : null;
  return { where, example, tokens: { inputIds: ids as number[], labels: labels as number[] } };
}
