/**
 * For each byte, the character (its "letter") that represents the byte in byte-level vocabularies. A printable byte is
 * its own letter. Other bytes have the letters from U+0100 on, in ascending order.
 */
const byteLetters: readonly string[] = (() => {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : 256 + others++));
})();

/** The byte that each letter stands for. */
const bytesOfLetters: ReadonlyMap<string, number> = new Map(byteLetters.map((letter, byte) => [letter, byte] as const));

const encoder = new TextEncoder();

/** Returns the UTF-8 bytes of a text, each written as its letter. */
export function bytesToLetters(text: string): string {
  let letters = "";
  for (const byte of encoder.encode(text)) letters += byteLetters[byte];
  return letters;
}

/** Returns the bytes of a byte-level token; undefined if it contains a character that is not a letter for a byte. */
export function lettersToBytes(token: string): number[] | undefined {
  const bytes = Array.from(token, (letter) => bytesOfLetters.get(letter));
  return bytes.includes(undefined) ? undefined : (bytes as number[]);
}

/** Returns the byte of a token such as `<0x0A>`; undefined for other tokens. */
export function byteOfToken(token: string): number | undefined {
  const found = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
  return found ? Number.parseInt(found[1], 16) : undefined;
}

/** Returns the ids of the byte tokens for a text's UTF-8 bytes, such as `<0x0A>`; undefined if a token is missing. */
export function byteTokenIds(text: string, ids: ReadonlyMap<string, number>): number[] | undefined {
  const found = Array.from(encoder.encode(text), (byte) =>
    ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
  );
  return found.includes(undefined) ? undefined : (found as number[]);
}
