import { textOf } from "../operators/compare.ts";
import { elementsOf, iterate } from "../operators/iterate.ts";
import { type Bound, intArgument, textArgument } from "../operators/signature.ts";
import { sliceText, space, splitLines, strip, textLength } from "../text/codePoints.ts";
import { pad } from "../text/formatSpec.ts";
import { escapeHtml } from "../text/repr.ts";
import { checkLength, checkSpaces, spend, spendSearch, spendText } from "../values/limits.ts";
import { typeError, valueError } from "../values/templateError.ts";
import { Markup, Tuple, typeName, type Value } from "../values/types.ts";
import { capitalize, isInCase, isTitle, swapCase, titleCase } from "./letterCase.ts";
import { expandTabs, partition, replace, split, splitFromEnd } from "./split.ts";

/** A method: the signature of its parameters after `self` (see `bind`), and its function. */
export type Method<Self> = readonly [signature: string, run: (self: Self, ...args: Bound) => Value];

const charsOf = (chars: Value | undefined): string | null =>
  chars === undefined || chars === null ? null : textArgument(chars);
const lengthText = (text: string): string => {
  spendText(text.length);
  return text;
};

/** Returns the characters of a text from `start` to `end`, and the position in the text where they begin. */
function part(text: string, start: Value | undefined, end: Value | undefined): [part: string, from: number] {
  const bound = (value: Value | undefined): number | null =>
    value === undefined || value === null ? null : intArgument(value);
  const [from, to] = [bound(start) ?? 0, bound(end)];
  if (from === 0 && to === null) return [text, 0];
  return [sliceText(text, from, to), from < 0 ? Math.max(0, from + textLength(text)) : from];
}

function find(text: string, wanted: Value | undefined, bounds: Bound, fromEnd: boolean): number {
  const [within, from] = part(text, bounds[0], bounds[1]);
  const sought = textArgument(wanted);
  if (sought === "" && from > textLength(text)) return -1;
  const at = fromEnd ? within.lastIndexOf(sought) : within.indexOf(sought);
  return at < 0 ? -1 : from + textLength(within.slice(0, at));
}

function index(text: string, wanted: Value | undefined, bounds: Bound, fromEnd: boolean): bigint {
  const at = find(text, wanted, bounds, fromEnd);
  if (at < 0) throw valueError("substring not found");
  return BigInt(at);
}

function count(text: string, wanted: Value | undefined, start: Value | undefined, end: Value | undefined): bigint {
  const [within, from] = part(text, start, end);
  const sought = textArgument(wanted);
  if (sought !== "") return BigInt(occurrences(within, sought));
  return from > textLength(text) ? 0n : BigInt(textLength(within) + 1);
}

/**
 * Returns the number of non-overlapping occurrences of `part`. Each occurrence uses a step of the template's step
 * limit.
 */
function occurrences(text: string, part: string): number {
  let found = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) found++;
  spend(found);
  return found;
}

function startsOrEnds(text: string, [wanted, start, end]: Bound, which: "startsWith" | "endsWith"): boolean {
  const [within, from] = part(text, start, end);
  const options = wanted instanceof Tuple ? wanted.items : [wanted];
  return options.some((option) => {
    const sought = textArgument(option);
    return within[which](sought) && !(sought === "" && from > textLength(text));
  });
}

function join(separator: string, values: Value | undefined): string {
  const elements = elementsOf(values!);
  if (!elements) throw typeError("can only join an iterable");
  const texts: string[] = [];
  let length = 0;
  for (const one of elements) {
    const text = textOf(one);
    if (text === undefined) {
      throw typeError(`sequence item ${texts.length}: expected str instance, ${typeName(one)} found`);
    }
    length += text.length + separator.length;
    texts.push(text);
    checkLength(length);
  }
  spendText(length);
  return texts.join(separator);
}

function padded(text: string, align: string, width: Value | undefined, fill: Value | undefined): string {
  const filling = fill === undefined ? " " : textArgument(fill);
  if (textLength(filling) !== 1) throw typeError("The fill character must be exactly one character long");
  const missing = Math.max(0, intArgument(width) - textLength(text));
  checkSpaces(intArgument(width));
  if (align !== "^") return pad(text, "", filling, align, intArgument(width));
  // Like Python, put the odd fill character on the left if the width is odd.
  const left = Math.floor(missing / 2) + (missing & intArgument(width) & 1);
  return pad(text, filling.repeat(left), filling, "<", intArgument(width));
}

const test = (pattern: RegExp): Method<string> => ["", (text) => pattern.test(text)];

/** Methods of Python's `str`. */
export const stringMethods: Readonly<Record<string, Method<string>>> = {
  capitalize: ["", capitalize],
  casefold: ["", (text) => text.toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ")],
  center: ["/ width fillchar?", (text, width, fill) => padded(text, "^", width, fill)],
  count: ["/ sub start? end?", count],
  endswith: ["/ suffix start? end?", (text, ...args) => startsOrEnds(text, args, "endsWith")],
  expandtabs: ["tabsize?", (text, size) => lengthText(expandTabs(text, intArgument(size, 8)))],
  find: ["/ sub start? end?", (text, sub, ...bounds) => BigInt(find(text, sub, bounds, false))],
  index: ["/ sub start? end?", (text, sub, ...bounds) => index(text, sub, bounds, false)],
  isalnum: test(/^[\p{L}\p{Nd}\p{No}\p{Nl}]+$/u),
  isalpha: test(/^\p{L}+$/u),
  isascii: test(/^[\0-\x7f]*$/),
  isdecimal: test(/^\p{Nd}+$/u),
  isdigit: test(/^[\p{Nd}²³¹⁰⁴-⁹₀-₉]+$/u),
  isidentifier: test(/^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*$/u),
  islower: ["", (text) => isInCase(text, "lower")],
  isnumeric: test(/^\p{N}+$/u),
  isprintable: test(/^(?:[^\p{C}\p{Z}]| )*$/u),
  isspace: test(new RegExp(`^[${space}]+$`)),
  istitle: ["", isTitle],
  isupper: ["", (text) => isInCase(text, "upper")],
  join: ["/ iterable", join],
  ljust: ["/ width fillchar?", (text, width, fill) => padded(text, "<", width, fill)],
  lower: ["", (text) => text.toLowerCase()],
  lstrip: ["/ chars?", (text, chars) => strip(text, charsOf(chars), "start")],
  partition: ["/ sep", (text, sep) => new Tuple(partition(text, textArgument(sep), false))],
  removeprefix: ["/ prefix", (text, prefix) => removed(text, textArgument(prefix), "startsWith")],
  removesuffix: ["/ suffix", (text, suffix) => removed(text, textArgument(suffix), "endsWith")],
  replace: ["/ old new count?", replaced],
  rfind: ["/ sub start? end?", (text, sub, ...bounds) => BigInt(find(text, sub, bounds, true))],
  rindex: ["/ sub start? end?", (text, sub, ...bounds) => index(text, sub, bounds, true)],
  rjust: ["/ width fillchar?", (text, width, fill) => padded(text, ">", width, fill)],
  rpartition: ["/ sep", (text, sep) => new Tuple(partition(text, textArgument(sep), true))],
  rsplit: ["sep? maxsplit?", (text, sep, most) => parts(splitFromEnd(text, charsOf(sep), intArgument(most, Infinity)))],
  rstrip: ["/ chars?", (text, chars) => strip(text, charsOf(chars), "end")],
  split: ["sep? maxsplit?", (text, sep, most) => parts(split(text, charsOf(sep), intArgument(most, Infinity)))],
  splitlines: ["keepends?", (text, keep) => parts(splitLines(text, intArgument(keep) !== 0))],
  startswith: ["/ prefix start? end?", (text, ...args) => startsOrEnds(text, args, "startsWith")],
  strip: ["/ chars?", (text, chars) => strip(text, charsOf(chars), "both")],
  swapcase: ["", swapCase],
  title: ["", titleCase],
  upper: ["", (text) => text.toUpperCase()],
  zfill: ["/ width", (text, width) => zeroFilled(text, intArgument(width))],
};

/**
 * Methods that use no steps of the template's step limit, since their time does not depend on the length of the text.
 */
const quick: readonly string[] = ["startswith", "endswith", "removeprefix", "removesuffix"];

/**
 * Uses steps of the template's step limit for a call of a string method. Their number is proportional to the length of
 * the text.
 */
export function spendMethod(name: string, text: string): void {
  if (!quick.includes(name)) spendSearch(text.length);
}

/** Names of `str` methods that are not supported here. */
export const otherStringMethods: readonly string[] = ["encode", "maketrans", "translate"];

function parts(texts: string[]): Value[] {
  spend(texts.length);
  return texts;
}

function removed(text: string, affix: string, which: "startsWith" | "endsWith"): string {
  if (!text[which](affix)) return text;
  return which === "startsWith" ? text.slice(affix.length) : text.slice(0, text.length - affix.length);
}

/** Python's `str.replace`. */
export function replaced(text: string, old: Value | undefined, by: Value | undefined, most?: Value): string {
  return replace(text, textArgument(old), textArgument(by), intArgument(most, Infinity));
}

function zeroFilled(text: string, width: number): string {
  const sign = /^[-+]/.exec(text)?.[0] ?? "";
  return pad(text.slice(sign.length), sign, "0", "=", width);
}

/** Methods whose second argument is inserted into the text. For markup, this argument must be escaped. */
const addingMethods: readonly string[] = ["center", "ljust", "replace", "rjust"];

/**
 * Makes a method of markup from the string method `run`. The new method escapes the texts that it inserts. All strings
 * in its result become markup.
 */
export function onMarkup(
  { text }: Markup,
  name: string,
  run: (text: string, ...args: Bound) => Value,
): Method<Markup>[1] {
  const safe = (value: Value): Value => escapeHtml(value).text;
  const marked = (value: Value): Value => {
    if (typeof value === "string") return new Markup(value);
    if (Array.isArray(value)) return value.map(marked);
    return value instanceof Tuple ? new Tuple(value.items.map(marked)) : value;
  };
  return (_, first, second, ...rest) => {
    if (name === "join" && first !== undefined) return marked(run(text, Array.from(iterate(first), safe)));
    const adds = second !== undefined && addingMethods.includes(name);
    return marked(run(text, first, adds ? safe(second) : second, ...rest));
  };
}
