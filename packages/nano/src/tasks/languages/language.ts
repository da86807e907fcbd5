import type {
  ConditionName,
  ConditionStatement,
  ExpressionName,
  ExpressionStatement,
  Intent,
  PlainStatement,
  Slots,
} from "../intent.ts";

/** Programming languages for which task data can be generated. */
export type LanguageName = "python" | "javascript" | "lua" | "sql";

type Render = (slots: Slots) => string;
type RenderAround = (inner: string, slots: Slots) => string;

/** Functions that write code in one programming language, for each kind of expression, condition and statement. */
export interface Language {
  expressions: Record<ExpressionName, Render>;
  conditions: Record<ConditionName, Render>;
  expressionStatements: Record<ExpressionStatement, RenderAround>;
  conditionStatements: Record<ConditionStatement, RenderAround>;
  /**
   * Returns the code that selects the elements of list `l` for which a condition is true. The condition is given as
   * code in which the variable `element` is the list's element.
   */
  filter: RenderAround;
  /** Name of the variable for one list element in the condition of `filter`. */
  element: string;
  statements: Record<PlainStatement, Render>;
  /** Converts a request's arguments to the language's notation. Default: they are used unchanged. */
  slots?: (slots: Slots) => Slots;
  /**
   * Functions that write a whole statement, keyed by family such as `print.listSum`. They are used for families whose
   * expression or condition cannot be written inside a statement in this language. Default: none.
   */
  whole?: Readonly<Record<string, Render>>;
}

/** Returns the code for a request, given its intent and its arguments. */
export function renderIntent(language: Language, intent: Intent, requested: Slots): string {
  const slots = language.slots ? language.slots(requested) : requested;
  if (intent.inner === undefined) return language.statements[intent.statement](slots);
  if (intent.statement === "filter") {
    return language.filter(language.conditions[intent.inner]({ ...slots, x: language.element }), slots);
  }
  const whole = language.whole?.[`${intent.statement}.${intent.inner}`];
  if (whole) return whole(slots);
  if (intent.statement === "print" || intent.statement === "store") {
    return language.expressionStatements[intent.statement](language.expressions[intent.inner](slots), slots);
  }
  return language.conditionStatements[intent.statement](language.conditions[intent.inner](slots), slots);
}
