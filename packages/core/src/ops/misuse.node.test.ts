import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DType, init, noGrad, reference, scope, type Tensor, tensor } from "../index.ts";
import type { OpCase } from "../testing/cases.ts";
import { opCases } from "../testing/index.ts";
import type { Input } from "../testing/input.ts";

// Calls each function with one input of another dtype or shape. The golden file holds the outcomes: the error, or the
// dtypes and shapes of the results. To record it: LOWRANK_RECORD=1 pnpm test packages/core/src/ops/misuse.node.test.ts
// --project node

const path = join(import.meta.dirname, "misuse.gen.json");
/** The changed inputs, by inputs and outcome. */
type Outcomes = Record<string, Record<string, string>>;
const recording = process.env.LOWRANK_RECORD !== undefined;
const golden: Record<string, Outcomes> = recording ? {} : JSON.parse(readFileSync(path, "utf8"));

beforeAll(async () => {
  await init(reference());
});

const kinds = (input: Pick<Input, "dtype" | "shape">): string => `${input.dtype ?? "f32"}[${input.shape}]`;

/** Returns the input with other dtypes and shapes. */
function changesOf({ dtype = "f32", shape, high }: Input): Input[] {
  const dtypes: DType[] = dtype === "f32" ? ["i32", "bf16"] : ["f32", dtype === "bool" ? "i32" : "bool"];
  const resized = shape.flatMap((n, d) =>
    [n + 1, ...(d === 0 || d === shape.length - 1 ? [0] : [])].map((m) => {
      return shape.map((size, i) => (i === d ? m : size));
    }),
  );
  const shapes = [[2, ...shape], [1, ...shape], shape.slice(1), shape.slice(0, -1), [...shape, 1], ...resized];
  const seen = new Set([shape.join()]);
  const others = shapes.filter((other) => !seen.has(other.join()) && seen.add(other.join()));
  return [
    ...dtypes.map((other) => ({ shape, dtype: other })),
    ...others.map((other) => ({ shape: other, dtype, high })),
  ];
}

/** Creates an input of integers from 0 to `high` - 1, in a fixed mixed order. */
function made({ shape, dtype, high = 2 }: Input): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Array.from({ length: size }, (_, i) => (i * 7 + 1) % high),
    { shape, dtype },
  );
}

function outcomeOf(run: OpCase["run"], inputs: readonly Input[]): string {
  return scope(() => {
    try {
      const results = [noGrad(() => run(inputs.map(made)))].flat() as Tensor[];
      return results.map(kinds).join(" ");
    } catch (error) {
      return (error as Error).message;
    }
  });
}

/** Returns at most two cases with different inputs, none of them large or packed. */
function chosen(cases: readonly OpCase[]): readonly OpCase[] {
  const seen = new Set<string>();
  const small = cases.filter(({ inputs }) => {
    const key = inputs.map((input) => `${input.dtype} ${input.shape.length}`).join();
    const fits = inputs.every(({ shape, store }) => !store && shape.reduce((a, b) => a * b, 1) <= 500);
    const telling = inputs.every(({ shape }) => !shape.includes(0)) && inputs.some(({ shape }) => shape.length > 0);
    if (seen.has(key) || !fits || !telling) return false;
    return seen.add(key);
  });
  return small.slice(0, 2);
}

function outcomesOf(cases: readonly OpCase[]): Outcomes {
  return Object.fromEntries(
    chosen(cases).map(({ inputs, run }) => {
      const found: Record<string, string> = {};
      for (const [k, input] of inputs.entries()) {
        for (const change of changesOf(input)) {
          const outcome = outcomeOf(
            run,
            inputs.map((other, i) => (i === k ? change : other)),
          );
          const changed = `${k}: ${kinds(change)}`;
          found[outcome] = found[outcome] === undefined ? changed : `${found[outcome]}; ${changed}`;
        }
      }
      return [inputs.map(kinds).join(" "), found];
    }),
  );
}

describe("inputs of other dtypes and shapes", () => {
  const recorded: Record<string, Outcomes> = {};
  for (const [name, cases] of Object.entries(opCases)) {
    it(name, () => {
      const outcomes = outcomesOf(cases);
      for (const outcome of Object.values(outcomes).flatMap(Object.keys)) {
        expect(outcome).toMatch(/^([a-zA-Z0-9]+: |(f32|i32|bool|u8|bf16)\[)/);
      }
      if (recording) recorded[name] = outcomes;
      else expect(outcomes).toEqual(golden[name]);
    });
  }

  afterAll(() => {
    if (recording) writeFileSync(path, `${JSON.stringify(recorded, null, 1)}\n`);
  });
});
