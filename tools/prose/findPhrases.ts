import { createRequire } from "node:module";
import { join } from "node:path";
import { TextlintKernel, type TextlintPluginCreator, type TextlintRuleModule } from "@textlint/kernel";
import { commentText } from "./commentText.ts";

const require = createRequire(import.meta.url);
const { default: markdown }: { default: TextlintPluginCreator } = require("@textlint/textlint-plugin-markdown");
const { default: prh }: { default: TextlintRuleModule } = require("textlint-rule-prh");

/** A phrase that makes readers stop, with its line and plainer words. */
export interface Phrase {
  readonly line: number;
  readonly message: string;
}

const kernel = new TextlintKernel();
const plugins = [{ pluginId: "markdown", plugin: markdown }];
const rules = [{ ruleId: "prh", rule: prh, options: { rulePaths: [join(import.meta.dirname, "phrases.yml")] } }];

/** Finds the phrases of phrases.yml in a Markdown page or in the comments of a TypeScript file. Code is left out. */
export async function findPhrases(path: string, source: string): Promise<Phrase[]> {
  const text = path.endsWith(".ts") ? commentText(source) : source;
  const { messages } = await kernel.lintText(text, { ext: ".md", filePath: path, plugins, rules });
  return messages.map(({ loc, message }) => ({ line: loc.start.line, message }));
}

const mostColumns = 120;
const startOfDocComment = /^\s*\/\*\*/;
const questionWord = /^(What|How|Whether|Where|That|Which|When|Why)\b/;

/** Finds comments longer than 120 columns, and doc comments that begin like a question. */
export function findBadComments(source: string): Phrase[] {
  const lines = source.split("\n");
  const comments = commentText(source).split("\n");
  return lines.flatMap((code, i) => {
    const text = comments[i].trim();
    const found: string[] = [];
    if (code.length > mostColumns && text !== "" && /^\s*(\/\/|\/?\*)/.test(code)) {
      found.push(`a comment of ${code.length} columns; wrap it at ${mostColumns}`);
    }
    const isFirst = startOfDocComment.test(code) || /^\s*\/\*\*\s*$/.test(lines[i - 1] ?? "");
    const word = isFirst && questionWord.exec(text)?.[0];
    if (word) found.push(`a doc comment begins with "${word}"; name first what the thing is or does`);
    return found.map((message) => ({ line: i + 1, message }));
  });
}
