import { crc32, hexOf } from "../data/crc32.ts";
import type { ExampleTokenizer } from "../data/tokenize.ts";

/** Returns the CRC-32 of a text in hexadecimal. */
export const hexDigest = (text: string): string => hexOf(crc32(new TextEncoder().encode(text)));

/** Returns a digest of a tokenizer: of the ids of a sample text, and of its chat template. */
export function digestOfTokenizer(tokenizer: ExampleTokenizer): string {
  const ids = tokenizer.encode("Streams of words, 1234567890: été, Übung, 日本語.\n\tA chat?");
  return hexDigest(JSON.stringify([ids, (tokenizer as { chatTemplate?: string | null }).chatTemplate ?? null]));
}
