import { stripVTControlCharacters } from "node:util";
import stringWidth from "string-width";
import { expect, test } from "vitest";
import { type TrainState, trainViewLines } from "./trainView.ts";

const state: TrainState = {
  step: 120,
  maxSteps: 414,
  losses: Array.from({ length: 120 }, (_, i) => [i + 1, 3 * Math.exp(-i / 40) + 0.1 * (i % 3)] as const),
  validations: [
    [0, 3.2],
    [60, 1.1],
    [120, 0.6],
  ],
  learningRate: 1.42e-4,
  gradNorm: 0.7123,
  tokensPerSecond: 1412.3,
  memory: 812_000_000,
  secondsLeft: 3725,
  samples: {
    step: 100,
    samples: [{ prompt: `Rewrite ${"this ".repeat(30)}sentence.`, answer: "漢字".repeat(60) }],
  },
};

test.each([40, 80, 160])("no line is wider than a terminal of %i columns, and all facts are there", (columns) => {
  for (const colours of [true, false]) {
    const lines = trainViewLines(state, { columns, colours });
    for (const line of lines) expect(stringWidth(line), line).toBeLessThanOrEqual(columns);
    const text = lines.map(stripVTControlCharacters).join("\n");
    expect(text.includes("\x1b") || lines.join("").includes("\x1b")).toBe(colours);
    for (const fact of ["step 120 of 414, 28 %", "loss 0.3531", "validation 0.6000 at step 120", "0.000142"]) {
      expect(text).toContain(fact);
    }
    for (const fact of ["gradient norm 0.7123", "1,412 tokens/s", "812.0 MB", "1 h 02 min left", "● validation"]) {
      expect(text).toContain(fact);
    }
    expect(text).toContain("sentence. → 漢");
  }
});

test("at 80 columns the view is this", () => {
  const lines = trainViewLines({ ...state, samples: null }, { columns: 80, colours: false });
  expect(lines).toMatchInlineSnapshot(`
    [
      "████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░ step 120 of 414, 28 %",
      "     ▲",
      "3.200┤●",
      "     │━━━┓",
      "     │   ┗━━━━━┓",
      "1.680┤         ┗━━━┓",
      "     │             ┗━━━━━━━━━━┓",
      "     │                        ┗━━━━━━━━━━●┏━┓",
      "     │                                   ┗┛ ┗━━━━━━━━━━━━━━━━━━━━━━━━━━━┓ ┏━●",
      "0.161┤                                                                  ┗━┛",
      "     └┬──────────────────────────────────┬──────────────────────────────────┬▶",
      "      1                                 61                                120",
      "  ━ training loss  ● validation",
      "loss 0.3531 | validation 0.6000 at step 120 | learning rate 0.000142",
      "gradient norm 0.7123 | 1,412 tokens/s | 812.0 MB | 1 h 02 min left",
    ]
  `);
});

test("a curve falls from left to right, and validations are dots", () => {
  const [, , ...rows] = trainViewLines(state, { columns: 80, colours: false });
  const chart = rows.slice(0, 8);
  expect(chart.join("\n").match(/●/g)).toHaveLength(3);
  expect(chart[0].indexOf("●")).toBeLessThan(chart.findLast((row) => row.includes("●"))?.indexOf("●") ?? 0);
});

test("before there is a curve, and of equal losses, there are facts", () => {
  const first = trainViewLines({ ...state, losses: [[1, 2]], samples: null }, { columns: 80, colours: false });
  expect(first[0]).toMatch(/^█+░+ step 120/);
  expect(first[1]).toMatch(/^loss 2\.0000 \| validation/);
  const flat = { ...state, losses: [[1, 2] as const, [2, 2] as const], validations: [] };
  expect(trainViewLines(flat, { columns: 80, colours: false }).join("")).not.toContain("NaN");
});

test("a low terminal has no curve, and a lower one fewer lines", () => {
  expect(trainViewLines(state, { columns: 80, rows: 12, colours: false }).join("")).not.toContain("┤");
  expect(trainViewLines(state, { columns: 80, rows: 3, colours: false })).toHaveLength(2);
});

test("answers cannot command the terminal", () => {
  const samples = { step: 1, samples: [{ prompt: "\x1b[2J", answer: "\x07a\nb" }] };
  const lines = trainViewLines({ ...state, samples }, { columns: 80, colours: false });
  expect(lines.at(-1)).toBe("  ?[2J → ?a b");
});
