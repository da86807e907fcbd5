import { join } from "node:path";
import { parsePeftConfig, peftMethods } from "@lowrank/peft";
import { type PeftType, peftConfig } from "./adapterCase.ts";
import { randomBatch, randomClasses } from "./batch.ts";
import type { Findings } from "./compare.ts";
import { sameDefaults } from "./configDefaults.ts";
import { oursInPeft, type Trial, theirsInLowrank } from "./directions.ts";
import { Draw } from "./draw.ts";
import { casesOf, drawnMethods } from "./methods/index.ts";
import type { Python } from "./python.ts";
import { Coverage, type RandomCase, randomCase } from "./randomCase.ts";
import type { Report } from "./report.ts";

/** The random cases to test: their number, the first seed, and one method, only mixed models, or all in turn. */
export interface RandomChoice {
  cases: number;
  seed: number;
  method?: PeftType | "mixed";
}

const directions = { "PEFT's in Lowrank": theirsInLowrank, "ours in PEFT": oursInPeft };

/** Tests random cases in both directions. Returns the covered methods and options. */
export async function randomChecks(
  { cases, seed, method }: RandomChoice,
  { python, folder, report }: { python: Python; folder: string; report: Report },
): Promise<Coverage> {
  const coverage = new Coverage();
  if (method === "mixed") return coverage;
  const methods = method === undefined ? drawnMethods : [method];
  if (method === undefined) await report.check("every method of PEFT is here or refused", () => everyMethod(python));
  for (const peftType of methods) {
    await report.check(`${peftType}: fields and defaults of its configuration`, () =>
      sameDefaults(python, peftType, casesOf(peftType)),
    );
  }
  for (let index = 0; index < cases; index++) {
    const peftType = methods[index % methods.length];
    const drawn = randomCase(seed + index, peftType, casesOf(peftType));
    const trial = lazyTrial(drawn, python, join(folder, `random${index}`));
    const { own } = drawn.adapter.method;
    for (const [direction, run] of Object.entries(own ? { "both directions": own } : directions)) {
      const passed = await report.check(
        `${drawn.label}: ${direction}`,
        async () => run(drawn.adapter, await trial()),
        reproduction(drawn),
      );
      if (passed) coverage.add(drawn);
    }
  }
  return coverage;
}

/** Returns lines that help to repeat a failure: the command, the options and the base model. */
function reproduction({ seed, adapter, base }: RandomCase): string[] {
  const { peft_type: _, task_type: __, ...config } = peftConfig(adapter);
  return [
    `pnpm conformance --seed ${seed} --cases 1 --method ${adapter.peftType.toLowerCase()}`,
    `options ${JSON.stringify(config)}`,
    `base ${JSON.stringify(base.config)}`,
  ];
}

/** Returns a function that makes the base model when the first check needs it. */
function lazyTrial({ seed, base, shape, adapter }: RandomCase, python: Python, folder: string): () => Promise<Trial> {
  const { config, dtype, task, classes } = base;
  const place = join(folder, "base");
  let modelMade: Promise<unknown> | undefined;
  return async () => {
    modelMade ??= python.ask("make_model", { config, seed: seed % 2 ** 32, out: place, dtype, task });
    await modelMade;
    const batch = randomBatch(seed, config.vocab_size, shape);
    const labelled = task === "CAUSAL_LM" ? batch : { ...batch, labels: randomClasses(seed, shape.rows, classes) };
    const further = adapter.method.inputs?.(new Draw(seed, 1000), adapter.options, labelled);
    return { python, base: place, batch: { ...labelled, ...further }, folder, classes, dtype };
  };
}

/**
 * Checks that Lowrank either has each of PEFT's methods, with random cases, or rejects its configuration with an error
 * that says that PEFT has it.
 */
async function everyMethod(python: Python): Promise<Findings> {
  const types = await python.ask<string[]>("peft_methods", {});
  const wrong: string[] = [];
  for (const type of types) {
    if (!Object.hasOwn(peftMethods, type)) {
      if (!(await isRefused(type))) wrong.push(`${type} is not refused as a method of PEFT`);
    } else if (!(drawnMethods as readonly string[]).includes(type)) {
      wrong.push(`${type} has no random cases`);
    }
  }
  const foreign = drawnMethods.filter((type) => !types.includes(type)).map((type) => `PEFT has no ${type}`);
  return { differences: new Map(), problems: [...wrong, ...foreign] };
}

async function isRefused(type: string): Promise<boolean> {
  try {
    await parsePeftConfig({ peft_type: type });
    return false;
  } catch (error) {
    return (error as Error).message.includes(`the PEFT method ${type} is not supported`);
  }
}
