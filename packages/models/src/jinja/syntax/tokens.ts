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
 * A part of a template. `variable` and `block` open `{{` and `{%`, and `end` closes either. `value`
 * is a name, an operator, the text of data, or a literal's value.
 */
export interface Token {
  type: TokenType;
  value: string | bigint | number;
  line: number;
}

/** Returns the error for invalid syntax, with its line. */
export function syntaxError(message: string, line: number): TemplateError {
  return new TemplateError("TEMPLATE_SYNTAX", `${message} (line ${line})`);
}
