import names from "./peftNames.gen.json" with { type: "json" };
import { type Row, rows } from "./rows.ts";

/** PEFT's names by group, such as "peft" or "peft.PeftModel". */
export const groups: Readonly<Record<string, readonly string[]>> = names.groups;

/**
 * Returns the row of a name of PEFT's API. A configuration class has our class of the same name, and other classes of
 * a method follow from it; all other names are in `rows`. `exported` contains the names that `lowrank` exports.
 */
export function rowOf(group: string, name: string, exported: ReadonlySet<string>): Row {
  const own = rows[group]?.[name];
  if (own) return own;
  if (group === "peft.XLoraModel") return ["", "see X-LoRA in methods.md"];
  const [, method, kind] = /^(\w+?)(Config|Model|Embedding|Encoder)$/.exec(name) ?? [];
  if (group !== "peft" || kind === undefined)
    throw new Error(`tools/peftApi/rows.ts has no row for ${name} of ${group}`);
  const config = [...exported].find((one) => one.toLowerCase() === `${method}config`.toLowerCase());
  if (config === undefined) return ["", "this method or option is missing; methods.md has the reason"];
  if (kind === "Config") return [config, ""];
  if (kind === "Model") return ["getPeftModel", `with the configuration \`${config}\``];
  return [config, "the encoder of the method is inside the library"];
}

/** Returns the page docs/peft-api.md. */
export function page(exported: ReadonlySet<string>): string {
  const lines = [
    "# PEFT's API",
    "",
    `Every public name of PEFT ${names.peft}, and what to use here. Names are in camelCase, and options are objects:`,
    "`lora_alpha=16` is `{ loraAlpha: 16 }`. Functions that read or compute weights are asynchronous. A dash means that",
    "there is nothing of this name here. `pnpm docs:peft` writes this page.",
  ];
  for (const [group, members] of Object.entries(groups)) {
    lines.push("", `## ${group}`, "", "| PEFT | Lowrank | difference |", "| --- | --- | --- |");
    for (const name of members) {
      const [ours, difference] = rowOf(group, name, exported);
      lines.push(
        `| \`${name}\` | ${ours ? `\`${ours.replace("#", ".")}\`` : "-"} | ${difference.replaceAll("|", "\\|")} |`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}
