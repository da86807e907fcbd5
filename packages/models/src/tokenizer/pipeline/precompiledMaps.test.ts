import { expect, test } from "vitest";
import { precompiled } from "./normalizers.ts";

/** Returns a charsmap: the size of the trie, its units, and its texts. */
function charsmap(units: readonly number[], texts: string, size = 4 * units.length): string {
  const bytes = [size, ...units].flatMap((unit) => [0, 8, 16, 24].map((shift) => (unit >>> shift) & 255));
  return btoa(String.fromCharCode(...bytes, ...new TextEncoder().encode(texts)));
}

/** Returns a unit of a double array: its label, the offset of its children, and whether it ends a key. */
const unit = (label: number, offset: number, ends = false) => ((offset << 10) | (ends ? 0x100 : 0) | label) >>> 0;
const leaf = (place: number) => (0x80000000 | place) >>> 0;

/** Returns a trie with the keys "a" (text at 0) and "bc" (text at 3); other units are empty. */
function twoKeys(): number[] {
  const units = new Array<number>(512).fill(0);
  units[0] = unit(0, 256);
  // Children of the root are at 256 ^ letter.
  const a = 256 ^ 0x61;
  units[a] = unit(0x61, a ^ 400, true);
  units[400] = leaf(0);
  const b = 256 ^ 0x62;
  units[b] = unit(0x62, b ^ 128);
  const c = 128 ^ 0x63;
  units[c] = unit(0x63, c ^ 410, true);
  units[410] = leaf(3);
  return units;
}

test("keys of one letter and of two have their own texts", () => {
  const normalize = precompiled(charsmap(twoKeys(), "xy\0\uFEFF\0"));
  expect(normalize("a")).toBe("xy");
  expect(normalize("dad")).toBe("dxyd");
  // Letters of a grapheme are looked up separately, and "b" alone is not a key.
  expect(normalize("bc")).toBe("bc");
  expect(normalize("")).toBe("");
  expect(normalize("\0a")).toBe("\0xy");
});

test("a grapheme that begins with a key is replaced as a whole, up to 5 bytes", () => {
  const normalize = precompiled(charsmap(twoKeys(), "xy\0z\0"));
  expect(normalize("a\u0301")).toBe("xy");
  expect(normalize("a\u0301\u0301")).toBe("xy");
  expect(normalize("a\u0301\u0301\u0301")).toBe("xy\u0301\u0301\u0301");
  expect(normalize("a\u0301a\u0301")).toBe("xyxy");
});

test("a large offset counts 256 times as much", () => {
  const units = new Array<number>(1024).fill(0);
  // An offset of 2 * 256: the bit 0x200 multiplies by 256.
  units[0] = ((2 << 10) | 0x200) >>> 0;
  const a = 512 ^ 0x61;
  units[a] = unit(0x61, a ^ 700, true);
  units[700] = leaf(0);
  expect(precompiled(charsmap(units, "z\0"))("a")).toBe("z");
});

test("a text is empty, or in the middle of the others", () => {
  const units = twoKeys();
  units[400] = leaf(2);
  expect(precompiled(charsmap(units, "x\0\0q\0"))("abc")).toBe("bc");
  units[400] = leaf(3);
  expect(precompiled(charsmap(units, "x\0\0q\0"))("a")).toBe("q");
});

test("without a charsmap, nothing changes", () => {
  for (const none of [null, undefined, ""]) expect(precompiled(none)("ﬁ a")).toBe("ﬁ a");
});

test("the size of the tree is a multiple of 4 from 4 on, and within the bytes", () => {
  const broken = (map: string, size: number) =>
    expect(() => precompiled(map)).toThrow(`its header states a table of ${size} bytes`);
  expect(precompiled(charsmap([0], ""))("a")).toBe("a");
  broken(charsmap([0, 0], "", 0), 0);
  broken(charsmap([0, 0], "", 3), 3);
  broken(charsmap([0, 0], "", 6), 6);
  broken(charsmap([0, 0], "", 12), 12);
  broken(charsmap([], "", 4), 4);
  expect(precompiled(charsmap([0, 0], "", 8))("a")).toBe("a");
  broken(btoa("\x04\0\0"), -1);
  broken(btoa("\x04\0\0\0"), 4);
  broken(btoa("\0\0\0\x80\0\0\0\0"), 2 ** 31);
});
