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

/** Functions that write the parts of an intent as code in one programming language. */
export interface Language {
  expressions: Record<ExpressionName, Render>;
  conditions: Record<ConditionName, Render>;
  expressionStatements: Record<ExpressionStatement, RenderAround>;
  conditionStatements: Record<ConditionStatement, RenderAround>;
  /** Returns the code for the elements of list `l` that satisfy a condition, in which `element` names the element. */
  filter: RenderAround;
  /** Name of the variable for a list's element in the code of `filter`. */
  element: string;
  statements: Record<PlainStatement, Render>;
  /** Converts a request's arguments to the language's notation. Default: they are used unchanged. */
  slots?: (slots: Slots) => Slots;
  /**
   * Code of whole statements, by family such as `print.listSum`. It is used instead of combining the codes of statement
   * and expression, if the language cannot combine them. Default: none.
   */
  whole?: Readonly<Record<string, Render>>;
}

/** Returns the code for an intent with its arguments. */
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
