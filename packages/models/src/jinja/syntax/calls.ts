import { syntaxError } from "./lexer.ts";
import type { Applied, CallParts, Expression } from "./nodes.ts";
import { matches, type TokenStream } from "./tokenStream.ts";

/** Functions that parse expressions. The parsers in this file receive and call them. */
export interface ExpressionParsers {
  expression(stream: TokenStream): Expression;
  /** Parses a literal or a name, with the attributes, items and calls after it. */
  operand(stream: TokenStream): Expression;
}

const none = (): CallParts => ({ args: [], named: [] });

/** Parses the arguments of a call, including the parentheses. */
export function parseCallParts(stream: TokenStream, { expression }: ExpressionParsers): CallParts {
  const { line } = stream.expect("operator", "(");
  const parts = none();
  const ensure = (isRight: boolean): void => {
    if (!isRight) throw syntaxError("invalid syntax for function call expression", line);
  };
  for (let isFirst = true; !stream.isOperator(")"); isFirst = false) {
    if (!isFirst) {
      stream.expect("operator", ",");
      if (stream.isOperator(")")) break;
    }
    const { rest, restNamed } = parts;
    if (stream.skip("operator", "*")) {
      ensure(!rest && !restNamed);
      parts.rest = expression(stream);
    } else if (stream.skip("operator", "**")) {
      ensure(!restNamed);
      parts.restNamed = expression(stream);
    } else if (stream.is("name") && matches(stream.following, "operator", "=")) {
      ensure(!restNamed);
      const name = stream.next().value as string;
      stream.next();
      ensure(!parts.named.some(([other]) => other === name));
      parts.named.push([name, expression(stream)]);
    } else {
      ensure(!rest && !restNamed && parts.named.length === 0);
      parts.args.push(expression(stream));
    }
  }
  stream.expect("operator", ")");
  return parts;
}

function dottedName(stream: TokenStream): string {
  let name = stream.expect("name").value as string;
  while (stream.skip("operator", ".")) name += `.${stream.expect("name").value}`;
  return name;
}

/** Parses a chain of `| filter(...)`. In a filter block, the first filter has no `|`. */
export function parseFilters(
  stream: TokenStream,
  parsers: ExpressionParsers,
  start: Expression | undefined,
  isInline = false,
): Expression {
  let value = start;
  let inline = isInline;
  while (inline || stream.isOperator("|")) {
    if (!inline) stream.next();
    inline = false;
    const name = dottedName(stream);
    value = { type: "filter", value, name, ...(stream.isOperator("(") ? parseCallParts(stream, parsers) : none()) };
  }
  return value!;
}

const argumentStarts = ["name", "string", "integer", "float"];

/** Parses `is test` or `is not test`, with an optional argument without parentheses. */
export function parseTest(stream: TokenStream, parsers: ExpressionParsers, value: Expression): Expression {
  stream.next();
  const isNegated = stream.skip("name", "not");
  const applied: Applied = { name: dottedName(stream), ...testArguments(stream, parsers) };
  const test: Expression = { type: "test", value, ...applied };
  return isNegated ? { type: "not", value: test } : test;
}

function testArguments(stream: TokenStream, parsers: ExpressionParsers): CallParts {
  if (stream.isOperator("(")) return parseCallParts(stream, parsers);
  const startsArgument = argumentStarts.includes(stream.current.type) || stream.isOperator("[", "{");
  if (!startsArgument || stream.isName("else", "or", "and")) return none();
  if (stream.isName("is")) throw syntaxError("You cannot chain multiple tests with is", stream.current.line);
  return { args: [parsers.operand(stream)], named: [] };
}
