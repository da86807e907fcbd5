import { knownMethods, type PeftConfig, type peftMethods } from "@lowrank/peft";
import type { MethodCases } from "./methodCases.ts";
import type { RandomBase } from "./randomBases.ts";

/** PEFT's name of a method that Lowrank also has. */
export type PeftType = keyof typeof peftMethods;

/** All methods, by PEFT's name. */
export const methods: Awaited<ReturnType<typeof knownMethods>> = await knownMethods();

/** One adapter to test in both directions. */
export interface AdapterCase {
  peftType: PeftType;
  /** The options of Lowrank's configuration. */
  options: object;
  method: MethodCases;
  /** True if the adapter can be merged into the case's base model. */
  merges: boolean;
  task: RandomBase["task"];
}

/** Returns Lowrank's configuration of a case, for the base model in a folder. */
export function lowrankConfig({ peftType, options, task }: AdapterCase, base: string): PeftConfig {
  const Config = methods[peftType].Config as unknown as new (options: object) => PeftConfig;
  return new Config({ taskType: task, baseModelNameOrPath: base, ...options });
}

/** Returns PEFT's configuration of a case. Keys inside patterns and index tables are data and are not renamed. */
export function peftConfig({ peftType, options, task, method: { names } }: AdapterCase): Record<string, unknown> {
  return { peft_type: peftType, task_type: task, ...snakeKeys(options, names) };
}

/** Returns PEFT's spelling of an option. */
export function peftName(option: string, names: MethodCases["names"] = {}): string {
  return names[option] ?? option.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function snakeKeys(options: object, names: MethodCases["names"]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      peftName(key, names),
      key.endsWith("Config") || key === "useBdlora" ? snakeKeys(value, names) : value,
    ]),
  );
}
