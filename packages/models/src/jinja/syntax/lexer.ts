import { space, strip } from "../text/codePoints.ts";
import { codeEscape } from "../text/repr.ts";
import { TemplateError } from "../values/templateError.ts";

const digits = String.raw`(?:\d+_)*\d+`;
const anySpace = `[${space}]*`;
const sticky = (pattern: string, flags = ""): RegExp => new RegExp(pattern, `sy${flags}`);

/** Matches the text up to the next tag, and the start of the tag. */
const opening = sticky(`(.*?)(?:(\\{%([-+]?)${anySpace}raw${anySpace}(?:-%\\}${anySpace}|%\\}))|(\\{[{#%])([-+]?))`);
const commentEnd = sticky(`(.*?)(?:\\+#\\}|-#\\}${anySpace}|#\\}\\n?)`);
const rawEnd = sticky(`(.*?)\\{%([-+]?)${anySpace}endraw${anySpace}(?:\\+%\\}|-%\\}${anySpace}|%\\}\\n?)`);
const blockEnd = sticky(`\\+%\\}|-%\\}${anySpace}|%\\}\\n?`);
const variableEnd = sticky(`-\\}\\}${anySpace}|\\}\\}`);
const blanks = sticky(`[${space}]+`);
const rules: readonly (readonly [TokenType, RegExp])[] = [
  ["float", sticky(`(?<!\\.)${digits}(?:(?:\\.${digits})?e[+-]?${digits}|\\.${digits})`, "i")],
  ["integer", sticky("0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\\da-f])+|[1-9](?:_?\\d)*|0(?:_?0)*", "i")],
  ["name", sticky("[\\p{L}\\p{N}\\p{M}\\p{Pc}·]+", "u")],
  ["string", sticky(`'(?:[^'\\\\]*(?:\\\\.[^'\\\\]*)*)'|"(?:[^"\\\\]*(?:\\\\.[^"\\\\]*)*)"`)],
  ["operator", sticky(String.raw`//|\*\*|[=!<>]=|[-+/*%~[\](){}<>=.:|,;]`)],
];
const identifier = /^[\p{L}\p{Nl}_]/u;
const closers: Record<string, string> = { "(": ")", "[": "]", "{": "}" };

/**
 * Splits a template into tokens, like Jinja with `trim_blocks` and `lstrip_blocks`. These options remove the newline
 * after a block tag, and the spaces between the start of a line and a block tag. The last newline of the template is
 * removed too.
 */
export function tokenize(template: string): Token[] {
  return new Lexer(template.replace(/\r\n?/g, "\n").replace(/\n$/, "")).run();
}

class Lexer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  /** True if the text before the next tag begins at the start of a line. */
  #startsLine = true;

  constructor(source: string) {
    this.#source = source;
  }

  run(): Token[] {
    for (let match = this.#match(opening); match; match = this.#match(opening)) {
      const [, text, raw, rawSign, tag, sign] = match;
      this.#data(this.#stripped(text, raw === undefined ? sign : rawSign, tag === "{{"));
      this.#advance(match[0]);
      if (raw !== undefined) this.#raw();
      else if (tag === "{#") this.#comment();
      else this.#tag(tag === "{{" ? "variable" : "block");
    }
    this.#data(this.#source.slice(this.#at));
    this.#push("eof", "");
    return this.#tokens;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source);
  }

  #advance(text: string): void {
    this.#at += text.length;
    if (text.includes("\n")) this.#line += text.split("\n").length - 1;
    this.#startsLine = text.endsWith("\n");
  }

  #push(type: TokenType, value: Token["value"]): void {
    this.#tokens.push({ type, value, line: this.#line });
  }

  #data(text: string): void {
    if (text !== "") this.#push("data", text);
  }

  /**
   * Returns the text before a tag. White space at its end is removed if the tag has a `-`. Indentation is removed
   * before a block tag without a sign.
   */
  #stripped(text: string, sign: string, isVariable: boolean): string {
    if (sign === "-") return strip(text, null, "end");
    if (sign === "+" || isVariable) return text;
    const start = text.lastIndexOf("\n") + 1;
    const isBlank = strip(text.slice(start), null, "both") === "";
    return isBlank && (start > 0 || this.#startsLine) ? text.slice(0, start) : text;
  }

  #comment(): void {
    const match = this.#match(commentEnd);
    if (!match) throw syntaxError("Missing end of comment tag", this.#line);
    this.#advance(match[0]);
  }

  #raw(): void {
    const match = this.#match(rawEnd);
    if (!match) throw syntaxError("Missing end of raw directive", this.#line);
    this.#data(this.#stripped(match[1], match[2], false));
    this.#advance(match[0]);
  }

  #tag(type: "variable" | "block"): void {
    this.#push(type, "");
    const end = type === "block" ? blockEnd : variableEnd;
    const open: string[] = [];
    for (;;) {
      const closed = open.length === 0 ? this.#match(end) : null;
      if (closed) {
        this.#push("end", "");
        this.#advance(closed[0]);
        return;
      }
      const gap = this.#match(blanks);
      if (gap) this.#advance(gap[0]);
      else this.#expressionToken(open);
    }
  }

  #expressionToken(open: string[]): void {
    for (const [type, rule] of rules) {
      const text = this.#match(rule)?.[0];
      if (text === undefined) continue;
      if (type === "operator") this.#balance(text, open);
      this.#push(type, this.#valueOf(type, text));
      this.#advance(text);
      return;
    }
    if (this.#at >= this.#source.length)
      throw syntaxError("unexpected end of template, expected the end of a tag", this.#line);
    throw syntaxError(`unexpected char ${JSON.stringify(this.#source[this.#at])}`, this.#line);
  }

  #valueOf(type: TokenType, text: string): Token["value"] {
    const plain = text.replaceAll("_", "");
    if (type === "float") return Number(plain);
    if (type === "integer") return BigInt(plain.toLowerCase());
    if (type === "string") return stringLiteral(text.slice(1, -1), this.#line);
    if (type === "name" && !identifier.test(text))
      throw syntaxError(`Invalid character in identifier '${text}'`, this.#line);
    return text;
  }

  #balance(text: string, open: string[]): void {
    const closer = closers[text];
    if (closer !== undefined) open.push(closer);
    else if (")]}".includes(text)) {
      const expected = open.pop();
      if (expected !== text) {
        throw syntaxError(
          `unexpected '${text}'${expected === undefined ? "" : `, expected '${expected}'`}`,
          this.#line,
        );
      }
    }
  }
}

/** The kinds of tokens. The value of an operator token is its text. */
export type TokenType =
  | "data"
  | "variable"
  | "block"
  | "end"
  | "name"
  | "string"
  | "integer"
  | "float"
  | "operator"
  | "eof";

/**
 * A token of a template. The types `variable` and `block` are the brackets `{{` and `{%`; the type `end` is the closing
 * bracket of either. `value` is a name, an operator, plain text, or the value of a literal.
 */
export interface Token {
  type: TokenType;
  value: string | bigint | number;
  line: number;
}

/** Returns the error for invalid syntax on a line. */
export function syntaxError(message: string, line: number): TemplateError {
  return new TemplateError("TEMPLATE_SYNTAX", `${message} (line ${line})`);
}

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
function stringLiteral(body: string, line: number): string {
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
