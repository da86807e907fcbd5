import { measurePerplexity } from "@lowrank/train";
import type { EvalTask } from "./evalTask.ts";
import { readRecords, readText, textField } from "./records.ts";

/** Evaluation of the perplexity of texts by token, word and byte. */
export const perplexityTask: EvalTask = {
  name: "perplexity",
  help: 'a text, or records {"text"}: perplexity by token, word and byte, in windows that move by --stride',
  options: ["limit", "maxLength", "stride"],
  read: async (path, { limit, maxLength, stride }) => {
    if (stride !== undefined && stride > (maxLength ?? 1024)) {
      throw new Error(
        `--stride ${stride} skips tokens between windows of ${maxLength ?? 1024} tokens (--max-length); give at most ${maxLength ?? 1024}`,
      );
    }
    const texts = /\.(jsonl?|ndjson)$/i.test(path)
      ? (await readRecords(path, limit)).map((record) => textField(record, ["text", "content"]))
      : [await readText(path)];
    return async ({ model, tokenizer, onProgress }) => {
      const found = await measurePerplexity(model, tokenizer, texts, { maxLength, stride, onProgress });
      const { tokenPerplexity, wordPerplexity, bytePerplexity, bitsPerByte, ...counts } = found;
      const named = { token: tokenPerplexity, word: wordPerplexity, byte: bytePerplexity };
      const metrics = Object.entries(named).map(([unit, value]) => ({ name: `${unit}_perplexity`, value }));
      const all = [...metrics, { name: "bits_per_byte", value: bitsPerByte }];
      return { metrics: all.map((metric) => ({ ...metric, standardError: null })), samples: [counts] };
    };
  },
};
