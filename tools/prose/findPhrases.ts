import { createRequire } from "node:module";
import { join } from "node:path";
import { TextlintKernel, type TextlintPluginCreator, type TextlintRuleModule } from "@textlint/kernel";
import ts from "typescript-5";

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

/** A line that configures a tool, and is no prose. */
const directive = /^\s*(@ts-|biome-|#|eslint|@vitest|\/ <reference)/;

/**
 * Returns the comments of a TypeScript file as Markdown. Each comment line keeps its line number; a line without a
 * comment is empty. Code in a comment keeps its fence.
 */
export function commentText(source: string): string {
  const lines = source.split("\n").map(() => "");
  const starts = lineStarts(source);
  for (const [start, end] of commentRanges(source)) {
    const first = lineAt(starts, start);
    const text = source.slice(start, end);
    for (const [i, line] of text.split("\n").entries()) {
      const words = line.replace(/^\s*(\/\*\*?|\*\/|\*(?!\/)|\/\/)?/, "").replace(/\*\/\s*$/, "");
      if (!directive.test(words)) lines[first + i] += words.replace(/^ /, "");
    }
  }
  return lines.join("\n");
}

function commentRanges(source: string): [number, number][] {
  const file = ts.createSourceFile("a.ts", source, ts.ScriptTarget.Latest, true);
  const found = new Map<number, number>();
  const add = (ranges: readonly ts.CommentRange[] | undefined) => {
    for (const { pos, end } of ranges ?? []) found.set(pos, end);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isToken(node) || node.getChildCount(file) === 0) {
      add(ts.getLeadingCommentRanges(source, node.getFullStart()));
      add(ts.getTrailingCommentRanges(source, node.getEnd()));
    }
    for (const child of node.getChildren(file)) if (!ts.isJSDoc(child)) visit(child);
  };
  visit(file);
  return [...found].sort(([a], [b]) => a - b);
}

function lineStarts(source: string): number[] {
  const starts = [0];
  for (let at = source.indexOf("\n"); at >= 0; at = source.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function lineAt(starts: readonly number[], position: number): number {
  let line = starts.length - 1;
  while (starts[line] > position) line--;
  return line;
}
