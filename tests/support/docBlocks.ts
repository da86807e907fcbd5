/** A fenced code block of a Markdown file, joined with later blocks that are marked `continues`. */
export interface DocBlock {
  file: string;
  /** The line of the opening fence, from 1. */
  line: number;
  language: string;
  /** Words after the language: `run` executes the block, `continues` appends it to the last block of its language. */
  words: string[];
  /** The code, padded so that each line has the same line number as in the Markdown file. */
  code: string;
}

/** Reads the fenced code blocks of a Markdown text; throws if a fence is not closed. */
export function docBlocks(file: string, markdown: string): DocBlock[] {
  const blocks: DocBlock[] = [];
  const lines = markdown.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const open = /^\s*(`{3,})\s*(\S*)\s*(.*)$/.exec(lines[at]);
    if (open === null) continue;
    const [, fence, language, rest] = open;
    const end = lines.findIndex((line, i) => i > at && line.trim() === fence);
    if (end === -1) throw new Error(`${file}:${at + 1}: the code block has no closing ${fence}`);
    const words = rest.split(/\s+/).filter(Boolean);
    const inner = lines.slice(at + 1, end);
    const before = blocks.findLast((block) => block.language === language);
    if (words.includes("continues") && before) {
      const gap = at + 1 - (before.code.split("\n").length - 1);
      before.code += "\n".repeat(gap) + inner.map((line) => `${line}\n`).join("");
    } else {
      const code = "\n".repeat(at + 1) + inner.map((line) => `${line}\n`).join("");
      blocks.push({ file, line: at + 1, language, words, code });
    }
    at = end;
  }
  return blocks;
}
