import { quoted } from "../shared/check.ts";
import type { Expectation } from "../shared/suite.ts";

/** Validates an answer. Returns the problems, empty if there are none. */
export type AnswerCheck = (answer: string) => Promise<string[]>;

/**
 * Returns a function that compares an answer with the requirements of a prompt. `path` leads to the prompt in its
 * suite, for errors about the requirements.
 *
 * @throws `SuiteError` for an invalid JSON schema.
 */
export async function answerCheck(expected: Expectation, path: readonly (string | number)[]): Promise<AnswerCheck> {
  const { exact, contains, notContains, matches, schema, check } = expected;
  const expression = typeof matches === "string" ? new RegExp(matches, "u") : matches;
  const validate = schema && (await (await import("./jsonSchema.ts")).jsonSchema(schema, [...path, "schema"]));
  return async (answer) => {
    const problems: string[] = [];
    if (exact !== undefined && answer.trim() !== exact.trim())
      problems.push(`exact: ${firstDifference(answer, exact)}`);
    for (const text of [contains ?? []].flat()) {
      if (!answer.includes(text)) problems.push(`contains: ${quoted(text)} is missing`);
    }
    for (const text of [notContains ?? []].flat()) {
      if (answer.includes(text)) problems.push(`notContains: ${quoted(text)} occurs`);
    }
    // `search` ignores the position that a global or sticky expression keeps.
    if (expression && answer.search(expression) < 0) problems.push(`matches: ${expression} matches nothing`);
    if (validate) problems.push(...validate(answer).map((problem) => `schema: ${problem}`));
    const own = await check?.(answer);
    if (own !== undefined && own !== true) problems.push(`check: ${own === false ? "returned false" : own}`);
    return problems;
  };
}

function firstDifference(answer: string, exact: string): string {
  const [found, wanted] = [answer.trim(), exact.trim()];
  let at = 0;
  while (at < found.length && found[at] === wanted[at]) at++;
  return `differs from character ${at + 1}: ${quoted(found.slice(at))} instead of ${quoted(wanted.slice(at))}`;
}
