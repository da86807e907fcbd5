import type {
  ConditionName,
  ConditionStatement,
  ExpressionName,
  ExpressionStatement,
  Intent,
  PlainStatement,
  Slots,
} from "../intent.ts";

/** Languages that the task data are written in. */
export type LanguageName = "python" | "javascript" | "lua" | "sql";

type Render = (slots: Slots) => string;
type RenderAround = (inner: string, slots: Slots) => string;

/** One language: how each part of an intent is written. */
export interface Language {
  expressions: Record<ExpressionName, Render>;
  conditions: Record<ConditionName, Render>;
  expressionStatements: Record<ExpressionStatement, RenderAround>;
  conditionStatements: Record<ConditionStatement, RenderAround>;
  /** Elements of `l` that satisfy a condition, which is written about the element's own name. */
  filter: RenderAround;
  /** Name that the elements of a list go by. */
  element: string;
  statements: Record<PlainStatement, Render>;
  /** Rewrites a request's arguments as this language writes them. Default: unchanged. */
  slots?: (slots: Slots) => Slots;
  /** Statements, by family, that the language cannot make of their parts. */
  whole?: Readonly<Record<string, Render>>;
}

/** Writes the code that an intent with its arguments asks for. */
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
