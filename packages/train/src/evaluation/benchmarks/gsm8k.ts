/** A problem of the GSM8K benchmark. `answer` is the solution, which ends in "#### " and the result. */
export interface Gsm8kProblem {
  readonly question: string;
  readonly answer: string;
}

/** Returns a few-shot prompt: the solved problems, then the question, in lm-evaluation-harness' format. */
export function gsm8kPrompt(solved: readonly Gsm8kProblem[], { question }: Gsm8kProblem): string {
  const shots = solved.map((problem) => `Question: ${problem.question}\nAnswer: ${problem.answer}\n\n`);
  return `${shots.join("")}Question: ${question}\nAnswer:`;
}

/** Texts at which an answer to a GSM8K prompt ends. */
export const gsm8kStops = ["Question:", "</s>", "<|im_end|>"] as const;

/**
 * Extracts the number from an answer by lm-evaluation-harness' rules. "strict": the first number after "####".
 * "flexible": the last number in the text. Null if there is none.
 */
export function gsm8kNumber(answer: string, how: "strict" | "flexible"): string | null {
  if (how === "strict") return normalized(/#### (-?[0-9.,]+)/.exec(answer)?.[1]);
  const found = [...answer.matchAll(/(-?[$0-9.,]{2,})|(-?[0-9]+)/g)];
  return normalized(found.at(-1)?.[0]);
}

/** Removes commas, dollar signs and a final full stop from a number. Returns null for undefined. */
function normalized(number: string | undefined): string | null {
  return number?.replaceAll(/[,$]/g, "").replace(/\.$/, "") ?? null;
}
