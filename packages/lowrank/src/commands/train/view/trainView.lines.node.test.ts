import stringWidth from "string-width";
import { expect, test } from "vitest";
import { type TrainState, trainViewLines } from "./trainView.ts";

const state: TrainState = {
  ...{ step: 1, maxSteps: 4, losses: [[1, 2]], validations: [], learningRate: 0.01, gradNorm: 0.5 },
  ...{ tokensPerSecond: 1000, memory: 5e6, secondsLeft: 0, samples: null },
};
const lines = (more: Partial<TrainState> = {}, columns = 80, rows?: number, colours = false) =>
  trainViewLines({ ...state, ...more }, { columns, rows, colours });
const facts = "learning rate 0.01 | gradient norm 0.5 | 1,000 tokens/s | 5.0 MB";

test("facts are the latest loss and validation, and the time left unless it is the end", () => {
  expect(lines()).toEqual([`${"█".repeat(10)}${"░".repeat(30)} step 1 of 4, 25 %`, `loss 2.0000 | ${facts}`]);
  expect(lines({ losses: [] })[1]).toBe(facts);
  expect(
    lines(
      {
        validations: [
          [0, 3],
          [2, 1.5],
        ],
      },
      200,
    )[1],
  ).toBe(`loss 2.0000 | validation 1.5000 at step 2 | ${facts}`);
  expect(lines({ secondsLeft: 0.04 }, 200)[1]).toBe(`loss 2.0000 | ${facts} | 0.0 s left`);
});

test("facts are wrapped where the next one would be wider than the terminal", () => {
  const line = `loss 2.0000 | ${facts}`;
  expect(lines({}, line.length)).toHaveLength(2);
  expect(lines({}, line.length - 1).slice(1)).toEqual([line.slice(0, line.lastIndexOf(" | ")), "5.0 MB"]);
  for (const line of lines({}, 8)) expect(line.length).toBeLessThanOrEqual(8);
});

test("the bar has forty signs at most, eight at least, or is left out", () => {
  const text = "step 1 of 4, 25 %";
  const bar = (columns: number) => lines({}, columns)[0];
  expect(bar(text.length + 41)).toBe(`${"█".repeat(10)}${"░".repeat(30)} ${text}`);
  expect(bar(text.length + 40)).toBe(`${"█".repeat(10)}${"░".repeat(29)} ${text}`);
  expect(bar(text.length + 9)).toBe(`██░░░░░░ ${text}`);
  expect(bar(text.length + 8)).toBe(text);
  expect(bar(text.length - 1)).toBe(text.slice(0, -1));
  expect(lines({ step: 199, maxSteps: 200 })[0]).toContain("99 %");
  expect(lines({ step: 4 })[0]).toBe(`${"█".repeat(40)} step 4 of 4, 100 %`);
});

test("a curve needs two losses and a terminal of 18 rows", () => {
  const two = {
    losses: [
      [1, 2],
      [2, 1],
    ] as const,
  };
  const isDrawn = (more: object, rows?: number) => lines(more, 80, rows).some((line) => line.includes("┤"));
  expect(isDrawn({ losses: [[1, 2]] })).toBe(false);
  expect([isDrawn(two), isDrawn(two, 18), isDrawn(two, 17)]).toEqual([true, true, false]);
  expect(lines(two)).toContain("  ━ training loss");
  expect(lines({ ...two, validations: [[1, 1]] })).toContain("  ━ training loss  ● validation");
});

test("the axes show the least, middle and largest loss, and the first, middle and last step", () => {
  const drawn = lines({
    losses: [
      [3, 2],
      [8, 1],
    ],
    validations: [
      [0, 4],
      [99, 1],
    ],
  });
  const text = drawn.join("\n");
  for (const tick of ["4.000┤", "2.500┤", "1.000┤"]) expect(text).toContain(tick);
  expect(drawn.find((line) => /^ +3 +6 +8$/.test(line))).toBeDefined();
  // Validations before the first and after the last step are drawn at the ends.
  expect(text.match(/●/g)?.length).toBeGreaterThanOrEqual(2);
  const large = lines({
    losses: [
      [1, 2000],
      [2, 1000],
    ],
  }).join("\n");
  expect(large).toContain("2.0e+3┤");
  expect(large).toContain("1.0e+3┤");
  expect(
    lines({
      losses: [
        [1, 999.5],
        [2, -999.5],
      ],
    }).join("\n"),
  ).toContain("999.500┤");
  const equal = lines({
    losses: [
      [1, 2],
      [2, 2],
    ],
  }).join("\n");
  expect(equal).toContain("2.000┤");
  expect(
    lines({
      losses: [
        [1, 0],
        [2, 0],
      ],
    }).join("\n"),
  ).toContain("0.000┤");
});

test("lines are one fewer than the rows of the terminal", () => {
  const samples = { step: 1, samples: Array.from({ length: 30 }, (_, i) => ({ prompt: `${i}`, answer: "x" })) };
  expect(lines({ samples })).toHaveLength(23);
  expect(lines({ samples }, 80, 10)).toHaveLength(9);
});

test("a prompt is cut at its beginning to half of the line, an answer at its end", () => {
  const sample = (prompt: string, answer: string, columns: number) =>
    lines({ samples: { step: 1, samples: [{ prompt, answer }] } }, columns).at(-1);
  // Half of 26 - 6 columns.
  expect(sample("0123456789", "abc", 26)).toBe("  0123456789 → abc");
  expect(sample("x0123456789", "abc", 26)).toBe("  …123456789 → abc");
  expect(sample("0123456789", "a".repeat(11), 26)).toBe(`  0123456789 → ${"a".repeat(11)}`);
  expect(sample("0123456789", "a".repeat(12), 26)).toBe(`  0123456789 → ${"a".repeat(11)}`);
  expect(sample("漢字漢字漢字", "b", 26)).toBe("  …字漢字漢 → b".replace("字漢字漢", "漢字漢字"));
  expect(sample("a \n\t b", "c\r\nd", 26)).toBe("  a b → c d");
  // A wide character that would cross the edge is left out.
  const cut = sample("0123456789", "漢".repeat(9), 26)!;
  expect(stringWidth(cut)).toBe(25);
});

test("a curve of a narrow terminal is ten columns wide, or as wide as there is room", () => {
  const axis = (columns: number) =>
    lines({ losses: [[1, 2] as const, [2, 1] as const] }, columns)
      .find((line) => line.includes("└"))
      ?.trimEnd();
  // The labels, the axis and its arrow take nine columns.
  expect(axis(80)).toHaveLength(78);
  expect([17, 18, 19].map((columns) => axis(columns)?.length)).toEqual([17, 17, 17]);
  expect(axis(8)).toBe(axis(19)?.slice(0, 8));
  expect(axis(20)).toHaveLength(18);
});

test("colours are kept where a line is cut", () => {
  const coloured = lines(
    {
      losses: [
        [1, 2],
        [2, 1],
      ],
      validations: [[1, 1]],
    },
    12,
    undefined,
    true,
  );
  const wide = lines({ losses: [[1, 2] as const, [2, 1] as const], validations: [[1, 1]] }, 80, undefined, true);
  expect(wide).toContain("  \x1b[34m━\x1b[0m training loss  \x1b[33m●\x1b[0m validation");
  const legend = coloured.find((line) => line.includes("train"))!;
  expect(stringWidth(legend)).toBeLessThanOrEqual(12);
  expect(legend).toContain("\x1b[34m━\x1b[0m");
});
