import { crc32, hexOf } from "../data/crc32.ts";
import type { ExampleTokenizer } from "../data/tokenize.ts";

/** Returns the CRC-32 of a text as hexadecimal digits. */
export const hexDigest = (text: string): string => hexOf(crc32(new TextEncoder().encode(text)));

/** Returns a digest that identifies a tokenizer: of its chat template, and of the token ids for a sample text. */
export function digestOfTokenizer(tokenizer: ExampleTokenizer): string {
  const ids = tokenizer.encode("Streams of words, 1234567890: été, Übung, 日本語.\n\tA chat?");
  return hexDigest(JSON.stringify([ids, (tokenizer as { chatTemplate?: string | null }).chatTemplate ?? null]));
}
