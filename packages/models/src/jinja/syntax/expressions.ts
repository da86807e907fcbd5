import type { Operator } from "../operators/arithmetic.ts";
import { type ExpressionParsers, parseCallParts, parseFilters, parseTest } from "./calls.ts";
import { syntaxError } from "./lexer.ts";
import type { Comparison, Expression } from "./nodes.ts";
import { matches, type TokenStream } from "./tokenStream.ts";

/** Functions that parse expressions, for the parsers of calls, filters and tests. */
export const expressionParsers: ExpressionParsers = {
  expression: (stream) => parseExpression(stream),
  operand: (stream) => parsePostfix(stream, parsePrimary(stream)),
};

const comparisons = ["==", "!=", "<", "<=", ">", ">="];

/**
 * Parses an expression. If `withChoice` is false, stops before `if` instead of parsing `a if b else c`. Default true.
 */
export function parseExpression(stream: TokenStream, withChoice = true): Expression {
  let result = parseOr(stream);
  while (withChoice && stream.isName("if")) {
    const { line } = stream.next();
    const test = parseOr(stream);
    const no = stream.skip("name", "else") ? parseExpression(stream) : undefined;
    result = { type: "choice", test, yes: result, no, line };
  }
  return result;
}

function parseOr(stream: TokenStream): Expression {
  let left = parseAnd(stream);
  while (stream.skip("name", "or")) left = { type: "or", left, right: parseAnd(stream) };
  return left;
}

function parseAnd(stream: TokenStream): Expression {
  let left = parseNot(stream);
  while (stream.skip("name", "and")) left = { type: "and", left, right: parseNot(stream) };
  return left;
}

function parseNot(stream: TokenStream): Expression {
  return stream.skip("name", "not") ? { type: "not", value: parseNot(stream) } : parseCompare(stream);
}

function parseCompare(stream: TokenStream): Expression {
  const first = parseSum(stream);
  const rest: [Comparison, Expression][] = [];
  for (;;) {
    if (stream.isOperator(...comparisons)) rest.push([stream.next().value as Comparison, parseSum(stream)]);
    else if (stream.skip("name", "in")) rest.push(["in", parseSum(stream)]);
    else if (stream.isName("not") && matches(stream.following, "name", "in")) {
      stream.next();
      stream.next();
      rest.push(["not in", parseSum(stream)]);
    } else break;
  }
  return rest.length === 0 ? first : { type: "compare", first, rest };
}

const binary =
  (operators: readonly string[], operand: (stream: TokenStream) => Expression) =>
  (stream: TokenStream): Expression => {
    let left = operand(stream);
    while (stream.isOperator(...operators)) {
      const operator = stream.next().value as Operator;
      left = { type: "binary", operator, left, right: operand(stream) };
    }
    return left;
  };

const parsePower = binary(["**"], (stream) => parseUnary(stream));
const parseProduct = binary(["*", "/", "//", "%"], parsePower);
const parseSum = binary(["+", "-"], parseConcat);

function parseConcat(stream: TokenStream): Expression {
  const items = [parseProduct(stream)];
  while (stream.skip("operator", "~")) items.push(parseProduct(stream));
  return items.length === 1 ? items[0] : { type: "concat", items };
}

function parseUnary(stream: TokenStream, withFilter = true): Expression {
  const node: Expression = stream.isOperator("-", "+")
    ? { type: "unary", operator: stream.next().value as "-" | "+", value: parseUnary(stream, false) }
    : parsePrimary(stream);
  const whole = parsePostfix(stream, node);
  return withFilter ? parseFilterExpression(stream, whole) : whole;
}

const constants: Record<string, null | boolean> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};

/** Parses a name, a literal, or an expression in parentheses. */
export function parsePrimary(stream: TokenStream): Expression {
  const { type, value, line } = stream.current;
  if (type === "name") {
    stream.next();
    const name = value as string;
    if (Object.hasOwn(constants, name)) return { type: "literal", value: constants[name] };
    return { type: "name", name };
  }
  if (type === "string") {
    let text = "";
    while (stream.is("string")) text += stream.next().value;
    return { type: "literal", value: text };
  }
  if (type === "integer" || type === "float") return { type: "literal", value: stream.next().value };
  if (stream.skip("operator", "(")) {
    const inside = parseTuple(stream, { inParentheses: true });
    stream.expect("operator", ")");
    return inside;
  }
  if (stream.skip("operator", "[")) {
    return { type: "list", items: parseItems(stream, "]", () => parseExpression(stream)) };
  }
  if (stream.skip("operator", "{")) {
    const entry = (): [Expression, Expression] => {
      const key = parseExpression(stream);
      stream.expect("operator", ":");
      return [key, parseExpression(stream)];
    };
    return { type: "dict", entries: parseItems(stream, "}", entry) };
  }
  throw syntaxError(`unexpected ${stream.describe()}`, line);
}

function parseItems<T>(stream: TokenStream, end: string, parse: () => T): T[] {
  const items: T[] = [];
  while (!stream.isOperator(end)) {
    if (items.length > 0) stream.expect("operator", ",");
    if (stream.isOperator(end)) break;
    items.push(parse());
  }
  stream.expect("operator", end);
  return items;
}

/** Options of `parseTuple`. */
interface TupleOptions {
  withChoice?: boolean;
  inParentheses?: boolean;
  /** Function that parses one item. Default: `parseExpression`. */
  item?: () => Expression;
}

/** Parses one expression, or a tuple of several separated by commas. */
export function parseTuple(
  stream: TokenStream,
  { withChoice = true, inParentheses = false, item }: TupleOptions = {},
): Expression {
  const items: Expression[] = [];
  let isTuple = false;
  for (;;) {
    if (items.length > 0) stream.expect("operator", ",");
    if (stream.is("end") || stream.isOperator(")")) break;
    items.push(item ? item() : parseExpression(stream, withChoice));
    if (!stream.isOperator(",")) break;
    isTuple = true;
  }
  if (!isTuple && items.length > 0) return items[0];
  if (!isTuple && !inParentheses)
    throw syntaxError(`Expected an expression, got ${stream.describe()}`, stream.current.line);
  return { type: "tuple", items };
}

function parsePostfix(stream: TokenStream, start: Expression): Expression {
  let value = start;
  for (;;) {
    if (stream.isOperator(".")) value = parseDot(stream, value);
    else if (stream.isOperator("[")) value = parseSubscript(stream, value);
    else if (stream.isOperator("("))
      value = { type: "call", callee: value, ...parseCallParts(stream, expressionParsers) };
    else return value;
  }
}

function parseFilterExpression(stream: TokenStream, start: Expression): Expression {
  let value = start;
  for (;;) {
    if (stream.isOperator("|")) value = parseFilters(stream, expressionParsers, value);
    else if (stream.isName("is")) value = parseTest(stream, expressionParsers, value);
    else if (stream.isOperator("("))
      value = { type: "call", callee: value, ...parseCallParts(stream, expressionParsers) };
    else return value;
  }
}

function parseDot(stream: TokenStream, value: Expression): Expression {
  stream.next();
  const { type, value: name, line } = stream.next();
  if (type === "name") return { type: "attribute", value, name: name as string };
  if (type !== "integer") throw syntaxError("expected name or number", line);
  return { type: "item", value, key: { type: "literal", value: name } };
}

function parseSubscript(stream: TokenStream, value: Expression): Expression {
  const { line } = stream.next();
  const keys = parseSubscripts(stream);
  if (keys.length === 1 && !Array.isArray(keys[0])) return { type: "item", value, key: keys[0] };
  if (keys.length === 1) return { type: "slice", value, bounds: keys[0] as [Expression?, Expression?, Expression?] };
  const items = keys.map((key) => {
    if (Array.isArray(key)) throw syntaxError("a slice inside of a tuple is not supported", line);
    return key;
  });
  return { type: "item", value, key: { type: "tuple", items } };
}

type Bounds = [Expression?, Expression?, Expression?];

function parseSubscripts(stream: TokenStream): (Expression | Bounds)[] {
  const keys: (Expression | Bounds)[] = [];
  while (!stream.isOperator("]")) {
    if (keys.length > 0) stream.expect("operator", ",");
    keys.push(parseSubscribed(stream));
  }
  stream.expect("operator", "]");
  return keys;
}

function parseSubscribed(stream: TokenStream): Expression | Bounds {
  const bound = (): Expression | undefined => (stream.isOperator(":", "]", ",") ? undefined : parseExpression(stream));
  const start = bound();
  if (!stream.skip("operator", ":")) {
    if (start === undefined) throw syntaxError(`unexpected ${stream.describe()}`, stream.current.line);
    return start;
  }
  const stop = bound();
  return [start, stop, stream.skip("operator", ":") ? bound() : undefined];
}
