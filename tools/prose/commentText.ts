import ts from "typescript-5";

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
