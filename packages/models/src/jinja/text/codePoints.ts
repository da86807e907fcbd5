import { spendEach, spendSearch } from "../values/limits.ts";

/** The white space of Python's `str.isspace`, for use between the brackets of a RegExp character class. */
export const space: string = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they end lines in Python.
const lineEnds = /(\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])/;
const surrogate = /[\ud800-\udfff]/;
const spaceStart = new RegExp(`^[${space}]+`);
const spaceEnd = new RegExp(`[${space}]`);

/**
 * Splits a text into code points, which are Python's characters. Uses a step of the template's step limit per 16 code
 * points.
 */
export function codePoints(text: string): string[] {
  spendEach(text.length);
  return surrogate.test(text) ? Array.from(text) : text.split("");
}

/** Returns the number of code points of a text, which is Python's `len`. */
export function textLength(text: string): number {
  spendSearch(text.length);
  if (!surrogate.test(text)) return text.length;
  let length = 0;
  for (let at = 0; at < text.length; at += unitsAt(text, at)) length++;
  return length;
}

/** Returns the number of UTF-16 units of the code point at a position. */
const unitsAt = (text: string, at: number): number => (text.codePointAt(at)! > 0xffff ? 2 : 1);

/** Returns the UTF-16 position of the code point with the given index. */
function unitPosition(text: string, character: number): number {
  spendSearch(text.length);
  if (!surrogate.test(text)) return character;
  const most = Math.min(character, text.length);
  let at = 0;
  for (let i = 0; i < most; i++) at += unitsAt(text, at);
  return at;
}

/** Python's `text[index]`; undefined outside the text. */
export function characterAt(text: string, index: number): string | undefined {
  const position = index < 0 ? index + textLength(text) : index;
  const code = position < 0 ? undefined : text.codePointAt(unitPosition(text, position));
  return code === undefined ? undefined : String.fromCodePoint(code);
}

/** Python's `text[start:stop]`. */
export function sliceText(text: string, start: number | null, stop: number | null): string {
  const length = textLength(text);
  const clamp = (index: number): number => Math.min(Math.max(index < 0 ? index + length : index, 0), length);
  const [from, to] = [clamp(start ?? 0), clamp(stop ?? length)];
  return text.slice(unitPosition(text, from), unitPosition(text, to));
}

/** Compares two texts by code points, as Python does. Returns a negative number, 0 or a positive number. */
export function compareTexts(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    const isHigh = (unit: number) => unit >= 0xd800 && unit <= 0xdfff;
    // Surrogates are parts of code points above 0xffff, so they come after all other units.
    return Number(isHigh(x)) - Number(isHigh(y)) || x - y;
  }
  return a.length - b.length;
}

/** Removes characters in `chars` (white space if null) from the start, the end or both sides of a text. */
export function strip(text: string, chars: string | null, sides: "start" | "end" | "both"): string {
  const rest = chars === null ? stripSpaces(text, sides) : stripCharacters(text, chars, sides);
  spendEach(text.length - rest.length);
  return rest;
}

function stripSpaces(text: string, sides: string): string {
  const rest = sides === "end" ? text : text.replace(spaceStart, "");
  if (sides === "start") return rest;
  let end = rest.length;
  while (end > 0 && spaceEnd.test(rest[end - 1])) end--;
  return rest.slice(0, end);
}

function stripCharacters(text: string, chars: string, sides: string): string {
  spendEach(chars.length);
  const set = new Set(chars);
  let [start, end] = [0, text.length];
  if (sides !== "end") {
    for (const character of text) {
      if (!set.has(character)) break;
      start += character.length;
    }
  }
  if (sides !== "start") {
    while (end > start) {
      const last = Array.from(text.slice(Math.max(start, end - 2), end)).at(-1)!;
      if (!set.has(last)) break;
      end -= last.length;
    }
  }
  return text.slice(start, end);
}

/** Python's `str.splitlines`. */
export function splitLines(text: string, keepEnds = false): string[] {
  const parts = text.split(lineEnds);
  const lines: string[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const end = parts[i + 1];
    if (end !== undefined || parts[i] !== "") lines.push(keepEnds ? parts[i] + (end ?? "") : parts[i]);
  }
  return lines;
}

/**
 * Returns the start and the end (exclusive) of a slice of a sequence of `length` elements. Limits them to the sequence
 * as Python's `slice.indices` does.
 */
export function sliceBounds(
  length: number,
  start: number | null,
  stop: number | null,
  step: number,
): [from: number, to: number] {
  const isForward = step > 0;
  const clamp = (index: number | null, fallback: number): number => {
    if (index === null) return fallback;
    const at = index < 0 ? index + length : index;
    return isForward ? Math.min(Math.max(at, 0), length) : Math.min(Math.max(at, -1), length - 1);
  };
  return [clamp(start, isForward ? 0 : length - 1), clamp(stop, isForward ? length : -1)];
}

/** Returns the positions of all elements of a slice in a sequence of `length` elements, as in Python. */
export function slicePositions(length: number, start: number | null, stop: number | null, step: number): number[] {
  const [from, to] = sliceBounds(length, start, stop, step);
  const count = Math.max(0, Math.ceil((to - from) / step));
  return Array.from({ length: count }, (_, i) => from + i * step);
}
