import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const mostColumns = 120;

/** A line that is only a comment; `#` begins a comment in Python, but a private name in TypeScript. */
const commentLine: Record<string, RegExp> = { ts: /^\s*(\/\/|\/\*|\*)/, mjs: /^\s*(\/\/|\/\*|\*)/, py: /^\s*#/ };

/** The start of a doc comment that begins like a question, up to its first word. */
const riddle = /^[ \t]*\/\*\*(?:\s|\*(?!\/))*(What|How|Whether|Where|That|Which|When|Why)\b/gm;

/** Returns every breach of the rules for comments in a file, one sentence each, with the line and a fix. */
export function checkComments(path: string, source: string): string[] {
  const isComment = commentLine[path.slice(path.lastIndexOf(".") + 1)];
  const long = source.split("\n").flatMap((line, i) => {
    if (line.length <= mostColumns || !isComment?.test(line)) return [];
    return [`${path}:${i + 1}: a comment of ${line.length} columns; wrap it at ${mostColumns}`];
  });
  const riddles = [...source.matchAll(riddle)].map(({ 0: start, 1: word, index }) => {
    const line = source.slice(0, index + start.length).split("\n").length;
    return `${path}:${line}: a doc comment begins with "${word}"; say first what the thing is or does`;
  });
  return [...long, ...riddles];
}

if (process.argv[1] === import.meta.filename) {
  const root = resolve(import.meta.dirname, "../..");
  const folders = ["packages/*/{src,scripts}", "assembly", "bench", "conformance", "tests", "tools"];
  const patterns = folders.map((folder) => `${folder}/**/*.{ts,mjs,py}`);
  const exclude = ["**/node_modules/**", "**/.venv/**", "**/*.gen.*"];
  const paths = globSync(patterns, { cwd: root, exclude }).map((path) => path.replaceAll("\\", "/"));
  const problems = paths.sort().flatMap((path) => checkComments(path, readFileSync(join(root, path), "utf8")));
  for (const problem of problems) console.error(problem);
  console.log(`checkComments: ${paths.length} files, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
