import { posix } from "node:path";

/** Folders at the start of paths from the repository's root. */
const rootFolder = /^(?:\.ci|assembly|bench|conformance|docs|golden|packages|tests|tools)\//;

/** The text without fenced code blocks. */
function prose(markdown: string): string {
  return markdown.replaceAll(/^\s*(`{3,})[^\n]*\n[\s\S]*?^\s*\1\s*$/gm, "");
}

/** The anchors that GitHub gives to the headings of a Markdown text. */
function anchors(markdown: string): Set<string> {
  const headings = prose(markdown).matchAll(/^#+ (.+)$/gm);
  return new Set(
    Array.from(headings, ([, text]) =>
      text
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** The functions of the repository that the check uses. */
export interface DocTree {
  /** True where a path from the root exists; `*` stands for any name. */
  readonly exists: (path: string) => boolean;
  readonly read: (path: string) => string;
}

/**
 * Returns the problems of a Markdown file's paths, a sentence each. A relative link must lead to a file, and to a
 * heading if it names one. A path in backticks must exist; `<op>` matches any name.
 */
export function pathProblems(file: string, markdown: string, { exists, read }: DocTree): string[] {
  const text = prose(markdown);
  const problems: string[] = [];
  for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [path, anchor] = target.split("#");
    const place = path === "" ? file : posix.join(posix.dirname(file), path);
    if (path !== "" && !exists(place)) problems.push(`the link ${target} leads to ${place}, which does not exist`);
    else if (anchor !== undefined && !anchors(path === "" ? markdown : read(place)).has(anchor)) {
      problems.push(`the link ${target} names a heading that ${place} does not have`);
    }
  }
  for (const [, path] of text.matchAll(/`([^`\s]+)`/g)) {
    if (!rootFolder.test(path) || exists(path.replaceAll(/<[^>]+>/g, "*"))) continue;
    problems.push(`the path ${path} does not exist`);
  }
  return problems;
}
