import { expect, test } from "vitest";
import { ownMethods } from "../testing/ownMethods.ts";
import { toSnakeCase } from "./checks.ts";
import type { PeftConfig } from "./peftConfig.ts";
// The defaults of PEFT 0.21.2's dataclasses, under the names in its files.
import peftDefaults from "./peftDefaults.gen.json" with { type: "json" };

const methods = await ownMethods();

test.each(Object.entries<Record<string, unknown>>(peftDefaults))("%s has the defaults of PEFT", (type, expected) => {
  const method = methods[type as keyof typeof methods];
  const { peftType, ...fields } = new (method.Config as new (options: object) => PeftConfig)({});
  expect(peftType).toBe(type);
  const { verbatim = [], spelling = {} } = method.format;
  const spell = (key: string) => (verbatim.includes(key) ? key : (spelling[key] ?? toSnakeCase(key)));
  const own = Object.entries(fields).map(([key, value]) => [spell(key), value] as const);
  // All configurations here have fields for modules, and prompt methods default to language models.
  const differs = (name: string) => name.endsWith("_modules") || name === "modules_to_save" || name === "task_type";
  for (const [name, value] of own.filter(([name]) => Object.hasOwn(expected, name) || !differs(name))) {
    if (name !== "task_type" || expected[name] !== null) expect(value, name).toEqual(expected[name]);
  }
});
