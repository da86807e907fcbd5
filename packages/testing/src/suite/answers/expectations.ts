import { quoted } from "../shared/check.ts";
import type { Expectation } from "../shared/suite.ts";
import { SuiteError } from "../shared/suiteError.ts";

/** The requirements of a prompt. */
const requirements = ["exact", "contains", "notContains", "matches", "schema", "check"] as const;

/** Validates an answer. Returns the problems, empty if there are none. */
export type AnswerCheck = (answer: string) => Promise<string[]>;

/**
 * Returns a function that compares an answer with the requirements of a prompt. `path` leads to the prompt in its
 * suite, for errors about the requirements.
 *
 * @throws `SuiteError` for an invalid JSON schema, and if there is no requirement.
 */
export async function answerCheck(expected: Expectation, path: readonly (string | number)[]): Promise<AnswerCheck> {
  const { exact, contains, notContains, matches, schema, check } = expected;
  const isGiven = (name: keyof Expectation) => expected[name] !== undefined && [expected[name]].flat().length > 0;
  if (!requirements.some(isGiven)) {
    throw new SuiteError(path, `there is no requirement; give ${requirements.join(", ")}`);
  }
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
    if (check) problems.push(...(await ownProblems(check, answer)));
    return problems;
  };
}

/** Returns the problem that a user's function finds: the text that it returns, or the message of its error. */
async function ownProblems(check: NonNullable<Expectation["check"]>, answer: string): Promise<string[]> {
  try {
    const own: unknown = await check(answer);
    if (own === true) return [];
    if (own === false) return ["check: returned false"];
    if (typeof own === "string") return [`check: ${own}`];
    return [`check: returned ${own}; return true if the answer is right, or a text that describes the problem`];
  } catch (error) {
    return [`check: it threw ${error}`];
  }
}

function firstDifference(answer: string, exact: string): string {
  const [found, wanted] = [answer.trim(), exact.trim()];
  let at = 0;
  while (at < found.length && found[at] === wanted[at]) at++;
  return `differs from character ${at + 1}: ${quoted(found.slice(at))} instead of ${quoted(wanted.slice(at))}`;
}
