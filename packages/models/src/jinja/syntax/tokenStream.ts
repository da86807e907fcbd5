import { syntaxError, type Token, type TokenType } from "./lexer.ts";

/** The tokens of a template, read in order. */
export class TokenStream {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get current(): Token {
    return this.#tokens[this.#at];
  }

  /** The token after the current one. */
  get following(): Token {
    return this.#tokens[this.#at + 1] ?? this.current;
  }

  next(): Token {
    const token = this.current;
    if (token.type !== "eof") this.#at++;
    return token;
  }

  /** Returns true if the current token has this type and, if given, this value. */
  is(type: TokenType, value?: string): boolean {
    return matches(this.current, type, value);
  }

  isOperator(...values: string[]): boolean {
    return this.is("operator") && values.includes(this.current.value as string);
  }

  isName(...values: string[]): boolean {
    return this.is("name") && values.includes(this.current.value as string);
  }

  /**
   * Returns true and consumes the current token if it has this type and, if given, this value; otherwise returns false.
   */
  skip(type: TokenType, value?: string): boolean {
    const found = this.is(type, value);
    if (found) this.next();
    return found;
  }

  /** Consumes and returns the current token. Throws if it does not have this type and, if given, this value. */
  expect(type: TokenType, value?: string): Token {
    if (!this.is(type, value)) {
      throw syntaxError(`expected ${value ?? names[type] ?? type}, got ${this.describe()}`, this.current.line);
    }
    return this.next();
  }

  /** Returns a description of the current token for error messages. */
  describe(): string {
    const { type, value } = this.current;
    return type === "name" || type === "operator" ? `'${value}'` : (names[type] ?? type);
  }
}

const names: Partial<Record<TokenType, string>> = {
  data: "text",
  variable: "the start of an output",
  block: "the start of a tag",
  end: "the end of a tag",
  name: "a name",
  eof: "the end of the template",
};

/** Returns true if a token has this type and, if given, this value. */
export function matches(token: Token, type: TokenType, value?: string): boolean {
  return token.type === type && (value === undefined || token.value === value);
}
