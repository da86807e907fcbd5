import { beforeAll, describe, expect, test } from "vitest";
import { Tokenizer } from "../tokenizer.ts";
import tables from "./pythonTokenizers.gen.json" with { type: "json" };

type Case = [text: string, ids: number[], bare: number[] | null, decoded: string, skipped: string];

// conformance/python/tokenizer_table.py writes the table with Python's tokenizers 0.23.
describe.each(tables)("$name", ({ json, cases }) => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await Tokenizer.fromParts({ tokenizerJson: json, label: "tokenizer.json" });
  });

  test.each(cases as Case[])("%j has Python's ids and texts", (text, ids, bare, decoded, skipped) => {
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual(bare ?? ids);
    expect(tokenizer.decode(ids)).toBe(decoded);
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(skipped);
  });
});
