import { type EvalTask, share } from "./evalTask.ts";
import { answering, readRecords, textField } from "./records.ts";

/** Evaluation of answers that must equal the expected text, except for white space around them. */
export const exactMatchTask: EvalTask = {
  name: "exact-match",
  help: 'records {"prompt", "completion"}: the share of answers that are the completion, white space around them apart',
  options: ["limit", "batchSize", "maxNewTokens", "stop", "chat", "system"],
  read: async (path, options) => {
    const questions = (await readRecords(path, options.limit)).map((record) => ({
      prompt: textField(record, ["prompt", "question", "instruction"]),
      target: textField(record, ["completion", "answer", "output"]),
    }));
    return async (measured) => {
      const longest = Math.max(...questions.map(({ target }) => measured.tokenizer.encode(target).length));
      const answers = await answering(
        measured,
        questions.map(({ prompt }) => prompt),
        options,
        // A longer answer is wrong.
        { maxNewTokens: options.maxNewTokens ?? longest + 8, stop: options.stop ?? [] },
      );
      const right = questions.map(({ target }, i) => answers[i].trim() === target.trim());
      const samples = questions.map((question, i) => ({ ...question, answer: answers[i], right: right[i] }));
      return { metrics: [share("exact_match", right)], samples };
    };
  },
};
