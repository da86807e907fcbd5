import { capitalize } from "../methods/letterCase.ts";
import { replaced, stringMethods } from "../methods/stringMethods.ts";
import { slice } from "../operators/access.ts";
import { compute } from "../operators/arithmetic.ts";
import { textOf } from "../operators/compare.ts";
import { isTrue, iterate, lengthOf } from "../operators/iterate.ts";
import { intArgument, textArgument } from "../operators/signature.ts";
import { space, splitLines, strip } from "../text/codePoints.ts";
import { escapeHtml, str } from "../text/repr.ts";
import { checkLength, checkSpaces, spend, spendEach, spendSearch, spendText } from "../values/limits.ts";
import { typeError, valueError } from "../values/templateError.ts";
import { Dict, Markup, Tuple, Undefined, type Value } from "../values/types.ts";
import { attributeGetter } from "./attributes.ts";
import type { Filters } from "./environment.ts";
import { entriesOf } from "./sequences.ts";

/** Applies a function to a text. If the text is marked as safe HTML, the result is too. */
function ofText(value: Value, run: (text: string) => string): Value {
  const text = value instanceof Markup ? value.text : str(value);
  spendSearch(text.length);
  return value instanceof Markup ? new Markup(run(text)) : run(text);
}

const flag = (value: Value = false): boolean => isTrue(value);

function join(value: Value, separator: Value = "", attribute?: Value): string {
  const get = attributeGetter(attribute);
  const between = str(separator);
  const texts: string[] = [];
  let length = 0;
  for (const one of iterate(value)) {
    const text = str(get(one));
    texts.push(text);
    length += text.length + between.length;
    checkLength(length);
  }
  spendText(length);
  return texts.join(between);
}

function indent(value: Value, width: Value = 4n, first?: Value, blank?: Value): Value {
  const before = textOf(width) ?? spaces(width);
  const text = str(compute("+", value, "\n"));
  const lines = splitLines(text);
  spendText(text.length + lines.length * before.length);
  const [start, ...rest] = lines;
  const indented = rest.map((line) => (line !== "" || flag(blank) ? before + line : line));
  const result = (flag(first) ? before : "") + [start, ...indented].join("\n");
  return value instanceof Markup ? new Markup(result) : result;
}

function spaces(width: Value): string {
  const count = intArgument(width);
  checkSpaces(count);
  return " ".repeat(Math.max(0, count));
}

function truncate(value: Value, length: Value = 255n, kill?: Value, end: Value = "...", leeway: Value = 5n): Value {
  const mark = textArgument(end);
  const [most, extra] = [intArgument(length), leeway === null ? 5 : intArgument(leeway)];
  if (most < lengthOf(mark)) throw valueError(`expected length >= ${lengthOf(mark)}, got ${most}`);
  if (extra < 0) throw valueError(`expected leeway >= 0, got ${extra}`);
  if (lengthOf(value) <= most + extra) return value;
  const cut = slice(value, [null, BigInt(most - lengthOf(mark)), null]);
  if (flag(kill)) return compute("+", cut, end);
  const text = textOf(cut);
  if (text === undefined) throw typeError("the filter truncate takes a str");
  const space = text.lastIndexOf(" ");
  const words = space < 0 ? text : text.slice(0, space);
  return compute("+", cut instanceof Markup ? new Markup(words) : words, end);
}

const wordStart = new RegExp(`([-${space}({\\[<]+)`);

function title(text: string): string {
  const parts = text.split(wordStart);
  spend(parts.length);
  return parts
    .map((part) => {
      const [first = ""] = part;
      return first.toUpperCase() + part.slice(first.length).toLowerCase();
    })
    .join("");
}

function urlEncode(value: Value): string {
  const quote = (one: Value, isQuery: boolean): string => {
    const text = encodeURIComponent(str(one).toWellFormed()).replace(
      /[!'()*]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    );
    return isQuery ? text.replaceAll("%20", "+") : text.replaceAll("%2F", "/");
  };
  if (textOf(value) !== undefined || typeof value !== "object" || value === null) return quote(value, false);
  const pairs =
    value instanceof Dict ? value.entries() : Array.from(iterate(value), (pair) => Array.from(iterate(pair)));
  return pairs
    .map((pair) => {
      if (pair.length !== 2) throw valueError("the filter urlencode takes pairs of a key and a value");
      return pair.map((one) => quote(one, true)).join("=");
    })
    .join("&");
}

function xmlAttributes(value: Value, autospace: Value = true): string {
  const parts: string[] = [];
  for (const [key, one] of entriesOf(value)) {
    if (one === null || one instanceof Undefined) continue;
    if (/[\s/>=]/.test(textArgument(key))) throw valueError(`Invalid character in attribute name: '${str(key)}'`);
    parts.push(`${escapeHtml(key).text}="${escapeHtml(one).text}"`);
  }
  return (isTrue(autospace) && parts.length > 0 ? " " : "") + parts.join(" ");
}

/**
 * Removes HTML comments and tags in linear time. If a comment or tag is not closed, it and all text after it are kept.
 */
function withoutTags(text: string): string {
  let [kept, at] = ["", 0];
  for (;;) {
    const from = text.indexOf("<", at);
    const end = from >= 0 && text.startsWith("<!--", from) ? "-->" : ">";
    const to = from < 0 ? from : text.indexOf(end, end === ">" ? from : from + 4);
    if (to === -1) return kept + text.slice(at);
    kept += text.slice(at, from);
    at = to + end.length;
  }
}

/** Returns the character of a numeric HTML reference. As in HTML, codes 128 to 255 mean characters of windows-1252. */
function referenced(code: number): string {
  if (code >> 7 === 1) return new TextDecoder("windows-1252").decode(Uint8Array.of(code));
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return "\ufffd";
  const text = String.fromCodePoint(code);
  return /(?![\t\n\f\r])[\p{Cc}\p{Noncharacter_Code_Point}]/u.test(text) ? "" : text;
}

function stripTags(value: Value): string {
  const whole = str(value);
  spendEach(whole.length);
  const text = withoutTags(whole);
  const named: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: "\u00a0", apos: "'" };
  const joined = stringMethods.split[1](text) as string[];
  return joined.join(" ").replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return named[name] ?? whole;
    return referenced(decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal));
  });
}

function wordCount(value: Value): bigint {
  const text = str(value);
  spendEach(text.length);
  return BigInt(text.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0);
}

function format(value: Value, positional: readonly Value[], named: ReadonlyMap<string, Value>): Value {
  if (positional.length > 0 && named.size > 0) {
    throw valueError("can't handle positional and keyword arguments at the same time");
  }
  const text = textOf(value) === undefined ? str(value) : value;
  return compute("%", text, named.size > 0 ? new Dict(named) : new Tuple(positional));
}

/** Filters of texts. */
export const textFilters: Filters = {
  capitalize: ["", (value) => ofText(value, capitalize)],
  center: ["width?", (value, width = 80n) => ofText(value, (text) => str(stringMethods.center[1](text, width)))],
  e: ["", escapeHtml],
  escape: ["", escapeHtml],
  forceescape: ["", (value) => escapeHtml(str(value))],
  format: (value, { positional, named }) => format(value, positional, named),
  indent: ["width? first? blank?", indent],
  join: ["d? attribute?", join],
  lower: ["", (value) => ofText(value, (text) => text.toLowerCase())],
  replace: [
    "old new count?",
    (value, old, by, count) => replaced(str(value), str(old!), str(by!), count === null ? undefined : count),
  ],
  safe: ["", (value) => new Markup(str(value))],
  string: ["", (value) => (value instanceof Markup ? value : str(value))],
  striptags: ["", stripTags],
  title: ["", (value) => ofText(value, title)],
  trim: [
    "chars?",
    (value, chars = null) => ofText(value, (text) => strip(text, chars === null ? null : textArgument(chars), "both")),
  ],
  truncate: ["length? killwords? end? leeway?", truncate],
  upper: ["", (value) => ofText(value, (text) => text.toUpperCase())],
  urlencode: ["", urlEncode],
  wordcount: ["", wordCount],
  xmlattr: ["autospace?", xmlAttributes],
};
