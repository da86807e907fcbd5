import { space, strip } from "../text/codePoints.ts";
import { checkSpaces, spend, spendEach, spendText } from "../values/limits.ts";
import { valueError } from "../values/templateError.ts";

const spaces = new RegExp(`[${space}]+`, "g");

/**
 * Python's `str.split(separator, most)`: splits at white space if `separator` is null. A negative `most` means no
 * limit.
 */
export function split(text: string, separator: string | null, most: number): string[] {
  if (separator === null) {
    const rest = strip(text, null, "start");
    const parts: string[] = [];
    let from = 0;
    for (const { index, 0: gap } of rest.matchAll(spaces)) {
      if (most >= 0 && parts.length >= most) break;
      parts.push(rest.slice(from, index));
      from = index + gap.length;
    }
    return from < rest.length ? [...parts, rest.slice(from)] : parts;
  }
  const parts = partsBetween(text, separator);
  if (most < 0 || parts.length <= most) return parts;
  return [...parts.slice(0, most), parts.slice(most).join(separator)];
}

/** Python's `str.rsplit`: like `split`, from the end. */
export function splitFromEnd(text: string, separator: string | null, most: number): string[] {
  if (separator === null) {
    const rest = strip(text, null, "end");
    const gaps = [...rest.matchAll(spaces)].filter(({ index }) => index > 0);
    spend(gaps.length);
    // Python removes spaces at the start of the text, unless the limit is reached before the first word is split off.
    if (most < 0 || gaps.length < most) return split(rest, null, most);
    const parts: string[] = [];
    let from = 0;
    for (const { index, 0: gap } of gaps.slice(gaps.length - most)) {
      parts.push(rest.slice(from, index));
      from = index + gap.length;
    }
    return rest === "" ? [] : [...parts, rest.slice(from)];
  }
  const parts = partsBetween(text, separator);
  if (most < 0 || parts.length <= most) return parts;
  const end = parts.length - most;
  return [parts.slice(0, end).join(separator), ...parts.slice(end)];
}

/** Python's `str.partition`, or `str.rpartition` if `fromEnd`. */
export function partition(text: string, separator: string, fromEnd: boolean): string[] {
  checkSeparator(separator);
  const at = fromEnd ? text.lastIndexOf(separator) : text.indexOf(separator);
  if (at < 0) return fromEnd ? ["", "", text] : [text, "", ""];
  return [text.slice(0, at), separator, text.slice(at + separator.length)];
}

/**
 * Replaces the first `most` occurrences of `old` by `by`, or all if `most` is negative. Throws before building the
 * result if that would be too long.
 */
export function replace(text: string, old: string, by: string, most: number): string {
  const parts = old === "" ? ["", ...Array.from(text), ""] : text.split(old);
  const limit = most < 0 ? parts.length : most;
  const used = Math.min(parts.length - 1, limit);
  spendText(text.length + used * (by.length - old.length));
  return [...parts.slice(0, used), parts.slice(used).join(old)].join(by);
}

/** Python's `str.expandtabs`. */
export function expandTabs(text: string, size: number): string {
  checkSpaces(size);
  spendEach(text.length);
  let result = "";
  let column = 0;
  for (const one of text) {
    const width = one === "\t" ? (size > 0 ? size - (column % size) : 0) : 1;
    result += one === "\t" ? " ".repeat(width) : one;
    column = /[\n\r]/.test(one) ? 0 : column + width;
  }
  return result;
}

function partsBetween(text: string, separator: string): string[] {
  checkSeparator(separator);
  const parts = text.split(separator);
  spend(parts.length);
  return parts;
}

function checkSeparator(separator: string): void {
  if (separator === "") throw valueError("empty separator");
}
