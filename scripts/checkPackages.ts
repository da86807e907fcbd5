// pnpm check:packages: packs every package as it would be published, lints the archives with publint, installs them with npm
// into an empty folder and there uses the library and the command as a stranger would.
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { formatTally } from "./tally.ts";

const root = resolve(import.meta.dirname, "..");
const { packageManager }: { packageManager: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const bin = join(root, "node_modules", ".bin");
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
const work = mkdtempSync(join(tmpdir(), "lowrank-packages-"));
const packed = join(work, "packed");
const user = join(work, "user");
const tally = { passed: 0, failed: 0 };

function count(name: string, problems: string[]): void {
  for (const problem of problems) console.error(`${name}: ${problem}`);
  if (problems.length > 0) tally.failed++;
  else tally.passed++;
}

function command(cwd: string, ...words: string[]): { problems: string[]; stdout: string } {
  const [program, ...args] = words;
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  const said = `${stderr ?? ""}\n${stdout ?? ""}`.trim().split("\n").slice(-8).join("\n  ");
  return { stdout, problems: status === 0 ? [] : [`${words.join(" ")} failed: ${error?.message ?? said}`] };
}

async function lint(archive: string): Promise<string[]> {
  const bytes = readFileSync(archive);
  const tarball = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
  return messages.map((message) => formatMessage(message, pkg, { color: false }) ?? message.code);
}

const script = `
import * as lowrank from "lowrank";
await lowrank.init(lowrank.wasm({ threads: 2 }));
const a = lowrank.tensor([1, 2, 3, 4], { shape: [2, 2] });
const product = await lowrank.matmul(a, a).data();
if (String(product) !== "7,10,15,22") throw new Error("matmul gave " + product);
process.exit(0);
`;

mkdirSync(packed);
mkdirSync(user);
try {
  for (const folder of globSync("packages/*", { cwd: root })
    .sort()
    .map((path) => join(root, path))) {
    const before = new Set(readdirSync(packed));
    const { problems } = command(folder, "npx", "-y", packageManager, "pack", "--pack-destination", packed);
    const archive = readdirSync(packed).find((name) => !before.has(name));
    if (archive !== undefined) problems.push(...(await lint(join(packed, archive))));
    count(`pack ${folder.slice(root.length + 1)}`, problems);
  }
  const archives = readdirSync(packed).map((name) => join(packed, name));
  writeFileSync(join(user, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(user, "use.js"), script);
  count("install", command(user, "npm", "install", "--no-audit", "--no-fund", ...archives).problems);
  count("import", command(user, "node", "use.js").problems);
  count("command", command(user, "npx", "--no-install", "lowrank", "--help").problems);
} finally {
  rmSync(work, { recursive: true });
}
console.log(formatTally(tally));
process.exitCode = tally.failed > 0 ? 1 : 0;
