/** A problem of GSM8K, with its solution, which ends in "#### " and the answer. */
export interface Gsm8kProblem {
  readonly question: string;
  readonly answer: string;
}

/** A prompt for a problem after solved ones, as lm-evaluation-harness writes it. */
export function gsm8kPrompt(solved: readonly Gsm8kProblem[], { question }: Gsm8kProblem): string {
  const shots = solved.map((problem) => `Question: ${problem.question}\nAnswer: ${problem.answer}\n\n`);
  return `${shots.join("")}Question: ${question}\nAnswer:`;
}

/** The texts at which an answer to such a prompt ends. */
export const gsm8kStops = ["Question:", "</s>", "<|im_end|>"] as const;

/**
 * Takes the number out of an answer: strictly, what first stands behind "####"; else flexibly, the
 * last number of all. Null where there is none. The rules are lm-evaluation-harness'.
 */
export function gsm8kNumber(answer: string, how: "strict" | "flexible"): string | null {
  if (how === "strict") return normalized(/#### (-?[0-9.,]+)/.exec(answer)?.[1]);
  const found = [...answer.matchAll(/(-?[$0-9.,]{2,})|(-?[0-9]+)/g)];
  return normalized(found.at(-1)?.[0]);
}

/** A number without commas, dollars and a full stop at its end. */
function normalized(number: string | undefined): string | null {
  return number?.replaceAll(/[,$]/g, "").replace(/\.$/, "") ?? null;
}
