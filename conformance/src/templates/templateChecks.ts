import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ChatMessage, Tokenizer } from "@lowrank/models";
import type { CommandLine } from "../commandLine.ts";
import type { Findings } from "../compare.ts";
import type { Python } from "../python.ts";
import type { Report } from "../report.ts";
import { conversations } from "./conversations.ts";
import { drawTemplate, type TemplateCase } from "./drawTemplate.ts";

/** The rendered text of a template, or its error. */
interface Outcome {
  text?: string;
  error?: string;
}

/** Number of templates in one check. */
const batch = 100;
/** Number of drawn templates in the fixed checks. */
const drawn = 1000;
/** Environment variable for a folder of `*.jinja` files, such as `models/templates` of llama.cpp. */
const folderVariable = "LOWRANK_TEMPLATES";
const table = new URL("../../../packages/models/src/jinja/tests/pythonOutputs.gen.json", import.meta.url);

/**
 * Checks chat templates: drawn ones, the unit tests' ones, and real ones in the folder that `LOWRANK_TEMPLATES`
 * names. Each must render as in transformers, or fail on both sides.
 */
export async function templateChecks(
  { cases, seed, fixed }: CommandLine,
  { python, report }: { python: Python; report: Report },
): Promise<void> {
  const count = fixed ? Math.max(cases, drawn) : cases;
  for (let from = seed; from < seed + count; from += batch) {
    const seeds = Array.from({ length: Math.min(batch, seed + count - from) }, (_, i) => from + i);
    const name = `templates, seeds ${from} to ${seeds.at(-1)}`;
    await report.check(name, () => sameOutcomes(seeds.map(drawTemplate), python), [
      `pnpm conformance --seed ${from} --cases ${seeds.length} templates`,
    ]);
  }
  if (!fixed) return;
  await report.check("templates, the table of the unit tests", () => sameTable(python));
  const folder = process.env[folderVariable];
  if (!folder || !existsSync(folder)) return report.skip(`real templates: ${folderVariable} names no folder of them`);
  const files = (await readdir(folder)).filter((name) => name.endsWith(".jinja")).sort();
  for (const file of files) {
    const template = await readFile(join(folder, file), "utf8");
    await report.check(`templates, ${file}`, () => sameOutcomes(realCases(template), python));
  }
}

function realCases(template: string): TemplateCase[] {
  return Object.values(conversations).map(({ messages, addGenerationPrompt = false, variables = {} }) => {
    return {
      template,
      messages,
      addGenerationPrompt,
      variables: { ...variables, bos_token: "<s>", eos_token: "</s>" },
    };
  });
}

/** Renders the cases on both sides. Texts must be equal, or both sides must throw. */
async function sameOutcomes(all: readonly TemplateCase[], python: Python): Promise<Findings> {
  const theirs = await python.ask<Outcome[]>("render_chat_templates", { cases: all });
  const ours = await Promise.all(all.map(render));
  const problems = all.flatMap(({ template, ...given }, i) => {
    const [mine, other] = [ours[i], theirs[i]];
    if (mine.text === other.text) return [];
    return [
      `${JSON.stringify(template)} of ${JSON.stringify(given)}: ${shown(mine)}; transformers gives ${shown(other)}`,
    ];
  });
  const errors = theirs.filter(({ text }) => text === undefined).length;
  const counts = [["rendered", theirs.length - errors] as const, ["errors on both sides", errors] as const];
  return { differences: new Map(counts), problems };
}

const shown = ({ text, error }: Outcome): string => (text === undefined ? `the error ${error}` : JSON.stringify(text));

async function render({ template, messages, addGenerationPrompt, variables }: TemplateCase): Promise<Outcome> {
  const tokenizer = new Tokenizer({ tokenizerJson, tokenizerConfig: {}, chatTemplate: template });
  try {
    const chat = messages as unknown as ChatMessage[];
    return { text: await tokenizer.applyChatTemplate(chat, { addGenerationPrompt, variables }) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

const tokenizerJson = {
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
  post_processor: null,
  decoder: { type: "ByteLevel" },
  model: { type: "BPE", vocab: { a: 0 }, merges: [] },
};

async function sameTable(python: Python): Promise<Findings> {
  const { context, groups } = JSON.parse(await readFile(table, "utf8")) as {
    context: Record<string, unknown>;
    groups: Record<string, ({ template: string } & Outcome)[]>;
  };
  const rows = Object.values(groups).flat();
  const templates = rows.map(({ template }) => template);
  const theirs = await python.ask<Outcome[]>("render_templates", { templates, context });
  const problems = rows.flatMap(({ template, text }, i) =>
    text === theirs[i].text ? [] : [`${template}: the table has ${text}, and transformers gives ${shown(theirs[i])}`],
  );
  return { differences: new Map([["templates", rows.length]]), problems };
}
