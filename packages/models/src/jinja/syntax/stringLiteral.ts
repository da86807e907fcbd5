import { codeEscape } from "../text/repr.ts";
import { syntaxError } from "./tokens.ts";

const escapes: Record<string, string> = {
  "\n": "",
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
const sequence = /\\(?:([0-7]{1,3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]?))/g;

/** Returns the text of a string literal, given without its quotes, with Python's escape sequences replaced. */
export function stringLiteral(body: string, line: number): string {
  if (!body.includes("\\")) return body;
  // Like Python, escape non-ASCII characters first, so that a backslash before one is kept.
  const ascii = body.replace(/[^\0-\x7f]/gu, (one) => codeEscape(one.codePointAt(0)!));
  return ascii.replace(sequence, (whole, octal, byte, short, long, other) => {
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    const hex = byte ?? short ?? long;
    if (hex !== undefined) return codePoint(Number.parseInt(hex, 16), line);
    if ("xuUN".includes(other)) throw syntaxError(`the escape ${whole} in a string cannot be read`, line);
    return escapes[other] ?? (`\\'"`.includes(other) ? other : whole);
  });
}

function codePoint(code: number, line: number): string {
  if (code > 0x10ffff) throw syntaxError("illegal Unicode character in a string", line);
  return String.fromCodePoint(code);
}
