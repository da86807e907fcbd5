// node tools/prose/check.ts [FILE...]: finds the phrases of phrases.yml in all pages and comments. It also finds
// comments that are too long, and doc comments that begin like a question.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { findBadComments, findPhrases } from "./findPhrases.ts";

const root = resolve(import.meta.dirname, "../..");
const named = process.argv.slice(2);
const command = ["ls-files", ...(named.length > 0 ? named : ["*.md", "*.ts"])];
const paths = execFileSync("git", command, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 })
  .split("\n")
  .filter((path) => path !== "" && !/\.gen\.|fixtures|\.d\.ts$/.test(path));
let problems = 0;
for (const path of paths) {
  const source = readFileSync(join(root, path), "utf8");
  const found = [...(path.endsWith(".ts") ? findBadComments(source) : []), ...(await findPhrases(path, source))];
  problems += found.length;
  for (const { line, message } of found) console.error(`${path}:${line}: ${message}`);
}
console.log(`prose: ${paths.length} files, ${problems} problems`);
if (problems > 0) process.exitCode = 1;
