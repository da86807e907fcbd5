import type {
  ConditionName,
  ConditionStatement,
  ExpressionName,
  ExpressionStatement,
  Intent,
  PlainStatement,
  Slots,
} from "../intent.ts";

/** The languages of the task data. */
export type LanguageName = "python" | "javascript" | "lua" | "sql";

type Render = (slots: Slots) => string;
type RenderAround = (inner: string, slots: Slots) => string;

/** The code of each part of an intent in one language. */
export interface Language {
  expressions: Record<ExpressionName, Render>;
  conditions: Record<ConditionName, Render>;
  expressionStatements: Record<ExpressionStatement, RenderAround>;
  conditionStatements: Record<ConditionStatement, RenderAround>;
  /** Returns the elements of `l` that satisfy a condition, which refers to an element by the name `element`. */
  filter: RenderAround;
  /** The name of a list's element. */
  element: string;
  statements: Record<PlainStatement, Render>;
  /** Converts a request's arguments to this language's notation. Default: unchanged. */
  slots?: (slots: Slots) => Slots;
  /** Statements, by family, that the language cannot compose of their parts. */
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
