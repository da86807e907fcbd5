/** White space of Python's `str.isspace`, as the inside of a character class. */
export const space: string = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they end lines in Python.
const lineEnds = /(\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])/;
const surrogate = /[\ud800-\udfff]/;
const spaceStart = new RegExp(`^[${space}]+`);
const spaceEnd = new RegExp(`[${space}]`);

/** The characters of a text as Python counts them. */
export const codePoints = (text: string): string[] => (surrogate.test(text) ? Array.from(text) : text.split(""));

/** Number of characters as Python counts them. */
export const textLength = (text: string): number => (surrogate.test(text) ? Array.from(text).length : text.length);

/** Compares two texts by their code points. */
export function compareTexts(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === y) continue;
    const isHigh = (unit: number) => unit >= 0xd800 && unit <= 0xdfff;
    // A surrogate is a part of a character above all others of 16 bits.
    return isHigh(x) === isHigh(y) ? x - y : isHigh(x) ? 1 : -1;
  }
  return a.length - b.length;
}

/** Removes characters of `chars`, by default white space, from the start, the end or both. */
export function strip(text: string, chars: string | null, sides: "start" | "end" | "both"): string {
  if (chars === null) {
    const rest = sides === "end" ? text : text.replace(spaceStart, "");
    if (sides === "start") return rest;
    let end = rest.length;
    while (end > 0 && spaceEnd.test(rest[end - 1])) end--;
    return rest.slice(0, end);
  }
  const set = new Set(codePoints(chars));
  const all = codePoints(text);
  let [start, end] = [0, all.length];
  if (sides !== "end") while (start < end && set.has(all[start])) start++;
  if (sides !== "start") while (end > start && set.has(all[end - 1])) end--;
  return all.slice(start, end).join("");
}

/** The lines of a text by Python's `str.splitlines`. */
export function splitLines(text: string, keepEnds = false): string[] {
  const parts = text.split(lineEnds);
  const lines: string[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const end = parts[i + 1];
    if (end !== undefined || parts[i] !== "") lines.push(keepEnds ? parts[i] + (end ?? "") : parts[i]);
  }
  return lines;
}

/** A slice's positions in a sequence of `length`, as Python takes them. */
export function slicePositions(
  length: number,
  start: number | null,
  stop: number | null,
  step: number,
): Iterable<number> & { length: number } {
  const clamp = (index: number | null, fallback: number): number => {
    if (index === null) return fallback;
    const at = index < 0 ? index + length : index;
    return step > 0 ? Math.min(Math.max(at, 0), length) : Math.min(Math.max(at, -1), length - 1);
  };
  const [from, to] = [clamp(start, step > 0 ? 0 : length - 1), clamp(stop, step > 0 ? length : -1)];
  const count = Math.max(0, Math.ceil((to - from) / step));
  return Array.from({ length: count }, (_, i) => from + i * step);
}
