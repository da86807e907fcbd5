import type { AnyMethod, PeftConfig } from "@lowrank/peft";
import { methods, type PeftType, peftName } from "./adapterCase.ts";
import type { Findings } from "./compare.ts";
import type { MethodCases } from "./methodCases.ts";
import type { Python } from "./python.ts";

/** A method's fields and their defaults in PEFT, and its targets by model type. */
interface PeftDefaults {
  fields: Record<string, unknown>;
  targets: Record<string, string[]>;
}

/** Returns PEFT's default configuration of a method. */
export async function peftDefaults(python: Python, peftType: PeftType): Promise<PeftDefaults> {
  return python.ask<PeftDefaults>("config_defaults", { peft_type: peftType });
}

/** Fields that all of Lowrank's configurations have. They are null if PEFT's configuration lacks them. */
const shared = new Set(["modules_to_save", "target_modules", "exclude_modules"]);

/**
 * Checks every field: each of PEFT's is an option with the same default, or is listed as refused or ignored with that
 * default, and there are no others. Default targets by model type must equal PEFT's.
 */
export async function sameDefaults(python: Python, peftType: PeftType, { names }: MethodCases): Promise<Findings> {
  const { fields, targets } = await peftDefaults(python, peftType);
  const method = methods[peftType];
  const Config = method.Config as new (options: object) => PeftConfig;
  const { peftType: _, ...options } = new Config({});
  const own = Object.fromEntries(Object.entries(options).map(([name, value]) => [peftName(name, names), value]));
  const { refused, ignored } = method.format;
  const problems: string[] = [];
  for (const [field, value] of Object.entries(fields)) {
    const found = [own, refused, ignored].filter((table) => Object.hasOwn(table, field));
    if (found.length !== 1) problems.push(`${field} is ${found.length > 1 ? "named twice" : "not known"}`);
    else if (text(found[0][field]) !== text(value) && !impliesTask(field, method)) {
      problems.push(`${field} is ${text(value)} by default, here ${text(found[0][field])}`);
    }
  }
  for (const [field, value] of Object.entries({ ...own, ...refused, ...ignored })) {
    if (Object.hasOwn(fields, field) || (shared.has(field) && value === null)) continue;
    problems.push(`PEFT has no ${field}`);
  }
  if ("defaultTargets" in method) problems.push(...differingTargets(method.defaultTargets, targets));
  return { differences: new Map(), problems };
}

/** Returns true for the task type of prompt methods, which defaults to a language model. */
function impliesTask(field: string, method: AnyMethod): boolean {
  return field === "task_type" && "createEncoder" in method;
}

function differingTargets(
  ours: Readonly<Record<string, readonly string[]>>,
  theirs: Readonly<Record<string, readonly string[]>>,
): string[] {
  return Object.keys(ours).flatMap((type) => {
    const [a, b] = [ours, theirs].map((targets) => (targets[type] ? text(targets[type]) : "none"));
    return a === b ? [] : [`targets of ${type} are ${b}, here ${a}`];
  });
}

/**
 * Returns the configuration in an adapter's file with all defaults filled in: PEFT writes all fields, Lowrank only
 * some. Omits the PEFT version.
 */
export function fullConfig(json: string, { fields }: PeftDefaults): Map<string, string> {
  const { peft_version: _, ...said } = JSON.parse(json) as Record<string, unknown>;
  const all = { ...fields, ...said };
  return new Map(Object.entries(all).map(([field, value]) => [field, text(value)]));
}

/**
 * Returns a value as JSON. Lists of names are compared as sets, since PEFT adds a classifier's heads to
 * `modules_to_save` at each load.
 */
function text(value: unknown): string {
  const isSet = Array.isArray(value) && value.every((item) => typeof item === "string");
  return JSON.stringify(isSet ? [...new Set(value)].sort() : value);
}
