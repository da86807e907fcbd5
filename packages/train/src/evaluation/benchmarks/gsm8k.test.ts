import { expect, test } from "vitest";
import { gsm8kNumber, gsm8kPrompt } from "./gsm8k.ts";

test.each([
  ["She makes 9 * 2 = $18.\n#### 18", "18", "18"],
  ["#### 1,234,567.", "1234567", "1234567"],
  ["#### -3.5 and #### 4", "-3.5", "4"],
  ["The answer is $1,000.50 dollars.", null, "1000.50"],
  ["It takes 2 + 1 = 3 bolts", null, "3"],
  ["I do not know", null, null],
  ["####18", null, "18"],
])("%j: strictly %j, flexibly %j", (answer, strict, flexible) => {
  expect([gsm8kNumber(answer, "strict"), gsm8kNumber(answer, "flexible")]).toEqual([strict, flexible]);
});

test("a prompt shows solved problems before the one that is asked", () => {
  const problem = { question: "2 + 2?", answer: "4\n#### 4" };
  expect(gsm8kPrompt([], problem)).toBe("Question: 2 + 2?\nAnswer:");
  expect(gsm8kPrompt([{ question: "1 + 1?", answer: "2\n#### 2" }], problem)).toBe(
    "Question: 1 + 1?\nAnswer: 2\n#### 2\n\nQuestion: 2 + 2?\nAnswer:",
  );
});
