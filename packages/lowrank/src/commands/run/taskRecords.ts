import type { ChatMessage, Tokenizer } from "@lowrank/models";
import {
  type KTOExample,
  loadDataset,
  type PreferenceExample,
  type PreferenceText,
  tokenizeExample,
  tokenizePreference,
} from "@lowrank/train";

type Fields = Readonly<Record<string, unknown>>;
type Columns = Readonly<Record<string, string>> | undefined;

/** Reads the records of files, and makes an example of each. Errors name file and record. */
async function readRecords<T>(
  paths: readonly string[],
  columns: Columns,
  expected: string,
  read: (record: Fields) => Promise<T>,
): Promise<T[]> {
  const examples: T[] = [];
  for (const path of paths) {
    const records: Fields[] = [];
    const map = (record: unknown) => {
      records.push(Object(record) as Fields);
      // The trainer's own examples are read elsewhere; this one only counts.
      return { text: "-" };
    };
    await loadDataset(path, { columns, map });
    for (const [i, record] of records.entries()) {
      try {
        examples.push(await read(record));
      } catch (error) {
        const keys = Object.keys(record).join(", ") || "none";
        throw new Error(
          `${path}, record ${i + 1}: ${(error as Error).message}; expected ${expected}, found keys ${keys}`,
          { cause: error },
        );
      }
    }
  }
  return examples;
}

/** Reads {"prompt", "chosen", "rejected"}: texts, or the messages of a conversation. */
export function readPairs(
  tokenizer: Tokenizer,
  paths: readonly string[],
  columns: Columns,
): Promise<PreferenceExample[]> {
  const expected = '{"prompt", "chosen", "rejected"}';
  return readRecords(paths, columns, expected, (record) => tokenizePreference(tokenizer, pairOf(record)));
}

/** Reads {"prompt", "completion", "label"}, whose label is true for a good completion. */
export function readJudged(tokenizer: Tokenizer, paths: readonly string[], columns: Columns): Promise<KTOExample[]> {
  const expected = '{"prompt", "completion", "label"} with a label of true or false';
  return readRecords(paths, columns, expected, async (record) => {
    const desirable = labelOf(record.label);
    const { prompt, completion } = record;
    if (isMessages(prompt) && isMessages(completion)) {
      const { chosen } = await tokenizePreference(tokenizer, { prompt, chosen: completion, rejected: completion });
      return { ...chosen, desirable };
    }
    if (typeof prompt !== "string" || typeof completion !== "string")
      throw new Error("prompt or completion is no text");
    return { ...(await tokenizeExample(tokenizer, { prompt, completion })), desirable };
  });
}

function labelOf(label: unknown): boolean {
  // Tables have no booleans.
  const found = { true: true, false: false, "1": true, "0": false }[String(label).toLowerCase()];
  if (found !== undefined) return found;
  throw new Error(`label is ${JSON.stringify(label)}`);
}

const isMessages = (value: unknown): value is ChatMessage[] =>
  Array.isArray(value) && value.length > 0 && value.every((part) => typeof part?.content === "string");

/** A pair of texts. Conversations without a prompt have the messages in common as theirs. */
function pairOf({ prompt, chosen, rejected }: Fields): PreferenceText {
  if (typeof prompt === "string" && typeof chosen === "string" && typeof rejected === "string") {
    return { prompt, chosen, rejected };
  }
  if (!isMessages(chosen) || !isMessages(rejected)) throw new Error("chosen or rejected is no text, and no messages");
  if (isMessages(prompt)) return { prompt, chosen, rejected };
  if (prompt !== undefined) throw new Error("prompt is no messages, as chosen and rejected are");
  const same = (i: number) => JSON.stringify(chosen[i]) === JSON.stringify(rejected[i]);
  let common = 0;
  while (common < Math.min(chosen.length, rejected.length) - 1 && same(common)) common++;
  if (common === 0) throw new Error("chosen and rejected begin with other messages, and there is no prompt");
  return { prompt: chosen.slice(0, common), chosen: chosen.slice(common), rejected: rejected.slice(common) };
}
