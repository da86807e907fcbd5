// pnpm docs:check: type-checks every ts and js block of the Markdown files, parses every json block, and checks every
// sh block against the scripts and the help of the lowrank command. A block marked `run` is also executed. Links and
// paths must exist.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type DocBlock, docBlocks } from "@lowrank/test-support/docBlocks";
import { formatTally } from "@lowrank/test-support/tally";
import { pathProblems } from "./docPaths.ts";

const root = resolve(import.meta.dirname, "../..");
const folder = join(root, "docs", ".blocks");
const bin = join(root, "node_modules", ".bin");
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };

const name = (block: DocBlock): string => `${block.file}:${block.line}`;
const isCode = (block: DocBlock): boolean => block.language === "ts" || block.language === "js";
const written = (block: DocBlock): string => `${block.file.replaceAll("/", "__")}.${block.line}.${block.language}`;

/** Returns problems by written file; tsc reports positions in the Markdown file. */
function typeCheck(blocks: DocBlock[]): Map<string, string[]> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const block of blocks) writeFileSync(join(folder, written(block)), `${block.code}export {};\n`);
  const compilerOptions = { allowJs: true, checkJs: true, noUnusedLocals: false, noUnusedParameters: false };
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.check.json", compilerOptions, include: ["*"] }),
  );
  const { stdout, status } = spawnSync(join(bin, "tsc"), ["-p", folder, "--pretty", "false"], {
    encoding: "utf8",
    cwd: folder,
  });
  const problems = new Map<string, string[]>();
  for (const line of stdout.split("\n")) {
    const match = /^([^\s(]+)\((\d+),\d+\): (.*)$/.exec(line);
    if (match === null) continue;
    const [, file, at, message] = match;
    problems.set(file, [...(problems.get(file) ?? []), `line ${at}: ${message}`]);
  }
  if (status !== 0 && problems.size === 0) throw new Error(`tsc: ${stdout}`);
  return problems;
}

const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const helpTexts = new Map<string, string | undefined>();

function helpOf(command: string): string | undefined {
  if (!helpTexts.has(command)) {
    const { status, stdout } = spawnSync(join(bin, "lowrank"), [command, "--help"], { encoding: "utf8", env });
    helpTexts.set(command, status === 0 ? stdout : undefined);
  }
  return helpTexts.get(command);
}

function shellProblems(block: DocBlock): string[] {
  const lines = block.code.replaceAll("\\\n", " ").split("\n");
  return lines.flatMap((line) => {
    const script = /^\s*(?:pnpm|npm run|npm (?=test\b))\s*(?:run\s+)?([\w:]+)/.exec(line)?.[1];
    if (script !== undefined && !(script in scripts) && !["install", "exec", "add", "i"].includes(script)) {
      return [`"${line.trim()}": package.json has no script "${script}"`];
    }
    const [, command, rest = ""] = /^\s*(?:npx |pnpm exec )?lowrank\s+([a-z][\w-]*)(.*)$/.exec(line) ?? [];
    if (command === undefined) return [];
    const help = helpOf(command);
    if (help === undefined) return [`"${line.trim()}": \`lowrank ${command} --help\` fails`];
    const flags = [...rest.matchAll(/\s(--[\w-]+)/g)].map((match) => match[1]);
    return flags
      .filter((flag) => !help.includes(flag))
      .map((flag) => `"${line.trim()}": lowrank ${command} has no ${flag}`);
  });
}

function run(block: DocBlock): string[] {
  const cwd = mkdtempSync(join(tmpdir(), "lowrank-docs-"));
  const [command, ...args] = isCode(block)
    ? [process.execPath, join(folder, written(block))]
    : ["bash", "-euc", block.code];
  const { status, stderr } = spawnSync(command, args, { cwd, env, encoding: "utf8", timeout: 300_000 });
  rmSync(cwd, { recursive: true });
  return status === 0 ? [] : [`ended with exit code ${status}: ${stderr.trim().split("\n").slice(-3).join(" | ")}`];
}

function jsonProblems(block: DocBlock): string[] {
  try {
    JSON.parse(block.code);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

const read = (file: string): string => readFileSync(join(root, file), "utf8");
const exists = (path: string): boolean =>
  path.includes("*") ? globSync(path, { cwd: root }).length > 0 : existsSync(join(root, path));

const files = globSync(["*.md", "docs/**/*.md", "packages/*/README.md"], { cwd: root, exclude: ["**/node_modules/**"] })
  .map((file) => file.replaceAll("\\", "/"))
  .sort();
const blocks = files.flatMap((file) => docBlocks(file, read(file)));
const typeProblems = typeCheck(blocks.filter(isCode));
const tally = { passed: 0, failed: 0 };
for (const file of files) {
  const problems = pathProblems(file, read(file), { exists, read });
  for (const problem of problems) console.error(`${file}: ${problem}`);
  if (problems.length > 0) tally.failed++;
  else tally.passed++;
}
for (const block of blocks) {
  const problems = isCode(block) ? (typeProblems.get(written(block)) ?? []) : [];
  if (block.language === "sh") problems.push(...shellProblems(block));
  if (block.language === "json") problems.push(...jsonProblems(block));
  if (block.words.includes("run") && problems.length === 0) problems.push(...run(block));
  for (const problem of problems) console.error(`${name(block)}: ${problem}`);
  if (problems.length > 0) tally.failed++;
  else if (isCode(block) || ["sh", "json"].includes(block.language)) tally.passed++;
}
rmSync(folder, { recursive: true });
console.log(formatTally(tally));
process.exitCode = tally.failed > 0 ? 1 : 0;
