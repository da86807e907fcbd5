const names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"] as const;

/** A key of a special token in `tokenizer_config.json`, such as "eos_token". */
export type SpecialTokenName = (typeof names)[number];

/**
 * Reads the special tokens of a `tokenizer_config.json`. A token is a string, or an object with its text as `content`.
 */
export function readSpecialTokens(config: unknown, where: string): Partial<Record<SpecialTokenName, string>> {
  const found: Partial<Record<SpecialTokenName, string>> = {};
  for (const name of names) {
    const value = (config as Record<string, unknown>)[name];
    if (value === undefined || value === null) continue;
    const text = typeof value === "string" ? value : (value as { content?: unknown }).content;
    if (typeof text !== "string") {
      throw new Error(`${where}: ${name} is ${JSON.stringify(value)}; expected a string or an object with "content"`);
    }
    found[name] = text;
  }
  return found;
}
