import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { peftMethods } from "../methods/index.ts";
import { declinedMethods } from "./declinedMethods.ts";
import { toCamelCase } from "./keyCase.ts";

const text = readFileSync(join(import.meta.dirname, "../../../../docs/methods.md"), "utf8");
const section = text.slice(text.indexOf("## What of PEFT is not here"));
const rows = section.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));

test("docs list the methods of PEFT that are not here, with the reason that errors give", () => {
  const listed = rows.flatMap(([, type = "", why = ""]) =>
    /^`[A-Z0-9_]+`$/.test(type) ? [[type.slice(1, -1), why]] : [],
  );
  expect(Object.fromEntries(listed)).toEqual(declinedMethods);
  expect(Object.keys(peftMethods).filter((type) => Object.hasOwn(declinedMethods, type))).toEqual([]);
});

test("docs list the options of PEFT that a method here refuses or does not read", () => {
  const names: Readonly<Record<string, string>> = {
    LORA: "LoRA",
    ADALORA: "AdaLoRA",
    LOHA: "LoHa",
    LOKR: "LoKr",
    HIRA: "HiRA",
    PROMPT_TUNING: "prompt tuning",
  };
  for (const [type, { format }] of Object.entries(peftMethods)) {
    if (type === "BOTTLENECK") continue; // AdapterHub's, not PEFT's.
    const options = [...Object.keys(format.refused), ...Object.keys(format.ignored)].map(toCamelCase);
    if (options.length > 0) expect(names, `${type} has ${options}`).toHaveProperty(type);
    const own = rows.filter(([, methods = ""]) => methods.split(", ").includes(names[type]));
    const listed = own.flatMap(([, , option = ""]) => [...option.matchAll(/`(\w+)/g)].map(([, name]) => name));
    expect(listed, type).toEqual(expect.arrayContaining(options));
  }
});
