import { expect, test } from "vitest";
import { crc32, hexOf } from "./crc32.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test.each([
  ["", 0],
  ["a", 0xe8b7be43],
  ["abc", 0x352441c2],
  ["123456789", 0xcbf43926],
  ["The quick brown fox jumps over the lazy dog", 0x414fa339],
])("the checksum of %j is %i, whole or in parts", (text, sum) => {
  expect(crc32(bytes(text))).toBe(sum);
  for (const at of [0, 1, text.length]) expect(crc32(bytes(text.slice(at)), crc32(bytes(text.slice(0, at))))).toBe(sum);
});

test("the checksum of each byte is that of a bitwise division", () => {
  for (let byte = 0; byte < 256; byte++) {
    let crc = 0xffffffff ^ byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    expect(crc32(Uint8Array.of(byte))).toBe(~crc >>> 0);
  }
});

test("a checksum has eight hexadecimal digits", () => {
  expect([0, 0xabc, 0xffffffff].map(hexOf)).toEqual(["00000000", "00000abc", "ffffffff"]);
});
