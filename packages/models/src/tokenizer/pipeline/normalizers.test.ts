import { expect, test } from "vitest";
import { precompiled } from "./normalizers.ts";

/** Makes a charsmap with one entry: a trie (double array) that leads to the entry's text. */
function charsmap(from: string, to: string): string {
  const units = new Uint32Array(4096);
  let at = 0;
  let offset = 256;
  units[0] = offset << 10;
  for (const byte of new TextEncoder().encode(from)) {
    at ^= offset ^ byte;
    offset *= 2;
    units[at] = (offset << 10) | byte;
  }
  units[at] |= 0x100;
  units[at ^ offset] = 0x80000000;
  const texts = new TextEncoder().encode(`${to}\0`);
  const bytes = new Uint8Array(4 + units.byteLength + texts.length);
  new DataView(bytes.buffer).setUint32(0, units.byteLength, true);
  bytes.set(new Uint8Array(units.buffer), 4);
  bytes.set(texts, 4 + units.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

test("a charsmap replaces its entries, and nothing else", () => {
  const normalize = precompiled(charsmap("ﬁ", "fi"));
  expect(normalize("ﬁne ﬂ ①")).toBe("fine ﬂ ①");
  expect(normalize("ﬁ\u0301")).toBe("fi");
});

test("a grapheme of more than 5 bytes is taken character by character", () => {
  expect(precompiled(charsmap("ﬁ", "fi"))("ﬁ\u0301\u0302")).toBe("fi\u0301\u0302");
});

test("a charsmap that is cut off within its tree throws", () => {
  expect(() => precompiled(btoa("\x00\x10\x00\x00abc"))).toThrow(
    "precompiled_charsmap is damaged: its header states a table of",
  );
});
