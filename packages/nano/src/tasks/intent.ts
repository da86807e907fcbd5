/** Values that a statement prints or stores. */
export type ExpressionName =
  | "add"
  | "subtract"
  | "multiply"
  | "divide"
  | "remainder"
  | "power"
  | "larger"
  | "smaller"
  | "absolute"
  | "listSum"
  | "listLargest"
  | "listSmallest"
  | "listCount"
  | "listFirst"
  | "listLast"
  | "upper"
  | "lower"
  | "stringLength"
  | "firstLetter"
  | "concat"
  | "replace";

/** Comparisons that apply to a variable (`x > 5`) as well as to the elements of a list. */
export type ComparisonName = "greater" | "less" | "atLeast" | "atMost" | "equal" | "notEqual";

/** Conditions, which are true or false. */
export type ConditionName = ComparisonName | "even" | "odd" | "divisible" | "contains" | "startsWith" | "endsWith";

/** Statements that contain an expression. */
export type ExpressionStatement = "print" | "store";

/** Statements that contain a condition. */
export type ConditionStatement = "check" | "when" | "choose";

/** Statements without an inner expression or condition. */
export type PlainStatement =
  | "forEach"
  | "countUp"
  | "repeat"
  | "mapAdd"
  | "mapMultiply"
  | "append"
  | "sort"
  | "clear"
  | "increase"
  | "decrease"
  | "printWord"
  | "storeWord"
  | "storeNumber";

type Around<Statement extends string, Inner> = { [S in Statement]: { statement: S; inner: Inner } }[Statement];

/** A task to be written as code, independent of the language. */
export type Intent =
  | Around<ExpressionStatement, ExpressionName>
  | Around<ConditionStatement, ConditionName>
  | Around<"filter", ComparisonName>
  | Around<PlainStatement, undefined>;

/** Arguments of a request: names and values that are copied from its words into the code. */
export interface Slots {
  /** A number or a variable. */
  a: string;
  b: string;
  /** A variable that holds a number, string or list. */
  x: string;
  s: string;
  l: string;
  /** The name that is assigned to. */
  t: string;
  /** Words in quotes. */
  w: string;
  v: string;
  /** A number, divisor, repetition count, and the two ends of a range. */
  n: string;
  d: string;
  k: string;
  i: string;
  j: string;
}

/** Returns the name of an intent's family, such as `print.add` or `sort`. */
export function familyName(intent: Intent): string {
  return intent.inner === undefined ? intent.statement : `${intent.statement}.${intent.inner}`;
}
