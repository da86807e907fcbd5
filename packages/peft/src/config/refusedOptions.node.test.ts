import { readFileSync } from "node:fs";
import { join } from "node:path";
import { toCamelCase } from "@lowrank/core/internal";
import { expect, test } from "vitest";
import { ownMethods } from "../testing/ownMethods.ts";

const peftMethods = await ownMethods();
const text = readFileSync(join(import.meta.dirname, "../../../../docs/methods.md"), "utf8");
const section = text.slice(text.indexOf("## What of PEFT is not here"));
/** The items of its lists, "- subject: rest", with their lines joined. */
const items = Array.from(section.replaceAll(/\n {2}/g, " ").matchAll(/^- (.+?): (.*)$/gm), ([, subject, rest]) => ({
  subject,
  rest,
}));

test("docs list the options of PEFT that a method here refuses or does not read", () => {
  const names: Readonly<Record<string, string>> = {
    LORA: "LoRA",
    ADALORA: "AdaLoRA",
    LOHA: "LoHa",
    LOKR: "LoKr",
    HIRA: "HiRA",
    OSF: "OSF",
    FROD: "FRoD",
    ADAMSS: "AdaMSS",
    SHADOW: "Shadow",
    PROMPT_TUNING: "prompt tuning",
    MULTITASK_PROMPT_TUNING: "multitask prompt tuning",
  };
  for (const [type, { format }] of Object.entries(peftMethods)) {
    if (type === "BOTTLENECK") continue; // AdapterHub's, not PEFT's.
    const options = [...Object.keys(format.refused), ...Object.keys(format.ignored)].map(toCamelCase);
    if (options.length > 0) expect(names, `${type} has ${options}`).toHaveProperty(type);
    const own = items.filter(({ subject }) => subject.split(", ").includes(names[type]));
    const listed = own.flatMap(({ rest }) => [...rest.matchAll(/`(\w+)/g)].map(([, name]) => name));
    expect(listed, type).toEqual(expect.arrayContaining(options));
  }
});
