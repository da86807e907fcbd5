import { type Gsm8kProblem, gsm8kNumber, gsm8kPrompt, gsm8kStops } from "@lowrank/train";
import { type EvalTask, share, type TaskOptions } from "./evalTask.ts";
import { answering, readRecords, textField } from "./records.ts";

/** Evaluation on GSM8K: compares the number at the end of the solution that the model writes. */
export const gsm8kTask: EvalTask = {
  name: "gsm8k",
  help: 'records {"question", "answer"} of GSM8K: the share of correct answers after "####" (strict) and as the last value (flexible)',
  options: ["limit", "batchSize", "maxNewTokens", "chat", "system", "numFewshot", "fewshotData"],
  read: async (path, options) => {
    const { solved, asked } = await problems(path, options);
    return async (measured) => {
      const answers = await answering(
        measured,
        asked.map((problem) => gsm8kPrompt(solved, problem)),
        options,
        { maxNewTokens: options.maxNewTokens ?? 256, stop: gsm8kStops },
      );
      const rows = asked.map(({ question, answer }, i) => {
        const target = gsm8kNumber(answer, "strict");
        const [strict, flexible] = (["strict", "flexible"] as const).map((how) => gsm8kNumber(answers[i], how));
        return { question, target, answer: answers[i], strict, flexible };
      });
      const right = (how: "strict" | "flexible") => rows.map((row) => row[how] !== null && row[how] === row.target);
      const metrics = [
        share("exact_match,strict-match", right("strict")),
        share("exact_match,flexible-extract", right("flexible")),
      ];
      return { metrics, samples: rows };
    };
  },
};

/**
 * Reads the problems whose solutions the few-shot prompt shows (`solved`), and the problems that the model must solve
 * (`asked`). Without `fewshotData`, `solved` are the first `numFewshot` problems of `path`, and `asked` the others.
 */
async function problems(
  path: string,
  { numFewshot = 5, fewshotData, limit = Number.POSITIVE_INFINITY }: TaskOptions,
): Promise<{ solved: Gsm8kProblem[]; asked: Gsm8kProblem[] }> {
  const read = async (file: string, most: number) =>
    (await readRecords(file, most)).map((record) => {
      const problem = { question: textField(record, ["question"]), answer: textField(record, ["answer"]) };
      if (gsm8kNumber(problem.answer, "strict") !== null) return problem;
      throw new Error(`${record.place}: its answer has no "#### " followed by a number`);
    });
  if (fewshotData !== undefined) {
    return {
      solved: await read(fewshotData, Math.max(1, numFewshot)).then((all) => all.slice(0, numFewshot)),
      asked: await read(path, limit),
    };
  }
  const all = await read(path, numFewshot + limit);
  if (all.length <= numFewshot) {
    throw new Error(
      `${path} has ${all.length} problems, but --num-fewshot needs ${numFewshot} of them as examples; give --fewshot-data`,
    );
  }
  return { solved: all.slice(0, numFewshot), asked: all.slice(numFewshot) };
}
