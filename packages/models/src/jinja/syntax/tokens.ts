import { TemplateError } from "../values/templateError.ts";

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
 * A token of a template. `variable` and `block` are `{{` and `{%`, and `end` is the closing bracket of either. `value`
 * is a name, an operator, plain text, or the value of a literal.
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
