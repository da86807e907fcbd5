import { parsePeftConfig, peftMethods } from "@lowrank/peft";
import type { Findings } from "./compare.ts";
import { drawnMethods } from "./methods/index.ts";
import type { Python } from "./python.ts";

/**
 * Checks that Lowrank either has each of PEFT's methods, with random cases, or rejects its configuration with an error
 * that says that PEFT has it.
 */
export async function everyMethod(python: Python): Promise<Findings> {
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
