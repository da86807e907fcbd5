import { answerChoices, type ChoiceQuestion } from "@lowrank/train";
import { type EvalTask, share } from "./evalTask.ts";
import { type PlacedRecord, readRecords, textField } from "./records.ts";

/** Evaluation of questions by the likelihood of each choice. */
export const multipleChoiceTask: EvalTask = {
  name: "multiple-choice",
  help: 'records {"question", "choices", "answer"}: the share whose right choice is the likeliest (acc), and per character (acc_norm)',
  options: ["limit"],
  read: async (path, { limit }) => {
    const questions = (await readRecords(path, limit)).map(toQuestion);
    return async ({ model, tokenizer, onProgress }) => {
      const samples: object[] = [];
      const [plain, byLength]: [boolean[], boolean[]] = [[], []];
      for (const [i, question] of questions.entries()) {
        const found = await answerChoices(model, tokenizer, question);
        plain.push(found.likeliest === question.answer);
        byLength.push(found.likeliestByLength === question.answer);
        samples.push({ ...question, ...found });
        onProgress(i + 1, questions.length);
      }
      return { metrics: [share("acc", plain), share("acc_norm", byLength)], samples };
    };
  },
};

/** Reads a question in the format of ARC, HellaSwag, MMLU and others. */
function toQuestion(record: PlacedRecord): ChoiceQuestion {
  const { fields, place } = record;
  const prompt = textField(record, ["prompt", "question", "query", "ctx", "goal"]);
  const given = fields.choices ?? fields.endings ?? fields.options;
  const { text = given, label: labels } = (given ?? {}) as { text?: unknown; label?: unknown };
  if (!Array.isArray(text) || text.length < 2 || text.some((choice) => typeof choice !== "string")) {
    throw new Error(
      `${place}: expected "choices", a list of two texts or more; it has ${Object.keys(fields).join(", ")}`,
    );
  }
  const right = fields.answer ?? fields.answerKey ?? fields.label ?? fields.gold;
  const answer = placeOf(right, text as string[], Array.isArray(labels) ? labels : null);
  if (answer < 0) {
    throw new Error(
      `${place}: its answer is ${JSON.stringify(right)}; expected the index of a choice from 0 to ${text.length - 1}, a letter, or the text of a choice`,
    );
  }
  return { prompt, choices: text as string[], answer };
}

function placeOf(right: unknown, choices: readonly string[], labels: readonly unknown[] | null): number {
  if (labels) return labels.indexOf(right);
  const number = typeof right === "number" ? right : /^\d+$/.test(String(right)) ? Number(right) : -1;
  if (number >= 0) return Number.isInteger(number) && number < choices.length ? number : -1;
  const whole = choices.indexOf(String(right));
  if (whole >= 0) return whole;
  const letter = /^[A-Z]$/.test(String(right)) ? String(right).charCodeAt(0) - 65 : -1;
  return letter < choices.length ? letter : -1;
}
