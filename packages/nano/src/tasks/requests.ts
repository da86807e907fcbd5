import type { ComparisonName, ConditionName, ExpressionName, Intent, PlainStatement } from "./intent.ts";
import { conditionPhrasings, filterPhrasings } from "./phrases/conditions.ts";
import { expressionPhrasings } from "./phrases/expressions.ts";
import { endings, openings, qualifiers } from "./phrases/manners.ts";
import { conditionStatements, expressionStatements, filterStatement, plainStatements } from "./phrases/statements.ts";
import type { Phrasings, Split } from "./template.ts";
import { wordsOf } from "./template.ts";

/** Returns every kind of request. All languages support the same kinds. */
export function listIntents(): Intent[] {
  const expressions = Object.keys(expressionPhrasings) as ExpressionName[];
  const conditions = Object.keys(conditionPhrasings) as ConditionName[];
  const comparisons = Object.keys(filterPhrasings) as ComparisonName[];
  return [
    ...expressions.flatMap((inner): Intent[] => [
      { statement: "print", inner },
      { statement: "store", inner },
    ]),
    ...conditions.flatMap((inner): Intent[] => [
      { statement: "check", inner },
      { statement: "when", inner },
      { statement: "choose", inner },
    ]),
    ...comparisons.map((inner): Intent => ({ statement: "filter", inner })),
    ...(Object.keys(plainStatements) as PlainStatement[]).map((statement): Intent => ({ statement, inner: undefined })),
  ];
}

/**
 * Returns the wordings of one kind of request in one split. They still contain word choices `[a|b]` and placeholders
 * `{a}` for arguments.
 */
export function templatesOf(intent: Intent, split: Split): string[] {
  switch (intent.statement) {
    case "print":
    case "store": {
      const { thing, order } = expressionPhrasings[intent.inner];
      const frames = expressionStatements[intent.statement][split];
      return [...compose(frames, "{thing}", thing[split]), ...compose(frames, "{order}", order[split])];
    }
    case "check":
    case "when":
    case "choose":
      return compose(
        conditionStatements[intent.statement][split],
        "{condition}",
        conditionPhrasings[intent.inner][split],
      );
    case "filter":
      return compose(filterStatement[split], "{condition}", filterPhrasings[intent.inner][split]);
    default:
      return [...plainStatements[intent.statement][split]];
  }
}

function compose(frames: readonly string[], hole: string, phrasings: readonly string[]): string[] {
  return frames
    .filter((frame) => frame.includes(hole))
    .flatMap((frame) => phrasings.map((phrasing) => frame.replace(hole, phrasing)));
}

/** Returns all words that can occur in requests of the given splits, except the arguments. */
export function requestWords(splits: readonly Split[]): Set<string> {
  const phrasings: Phrasings[] = [
    ...Object.values(expressionPhrasings).flatMap(({ thing, order }) => [thing, order]),
    ...Object.values(conditionPhrasings),
    ...Object.values(filterPhrasings),
    ...Object.values(expressionStatements),
    ...Object.values(conditionStatements),
    filterStatement,
    ...Object.values(plainStatements),
  ];
  const manners = [...openings, ...endings, ...Object.values(qualifiers).flat()];
  return new Set([...manners, ...phrasings.flatMap((one) => splits.flatMap((split) => one[split]))].flatMap(wordsOf));
}
