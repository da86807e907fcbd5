// pnpm check:packages: checks every package as it would be published.
//
// - It packs all packages, lints the archives with publint and attw, and type-checks a program on them.
// - It installs them with npm into an empty folder, uses the library and the command there as a new user would, and
//   follows the guides of docs/.
// - It tests all methods with `lowrank/testing` in node:test, Vitest and Jest.
// - It builds a sample for production with each bundler and without one, runs it in headless Chromium, in a page and in
//   a Web Worker, and compares the results with Node's. It also runs a page without WebGPU, and measures the downloads
//   of small pages.
// - It fine-tunes a model in a page that crashes and is reloaded, and uses the downloaded adapter in Node.
//
// `--next` also builds a Next.js app, and `--runtimes` runs the sample in Deno and Bun: both take minutes and packages
// from npm's registry. `--write-sizes` accepts the measured downloads as the new sizes.
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { formatTally } from "@lowrank/test-support/tally";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { command } from "../bundles/check.ts";
import { checkBundles } from "../bundles/checkBundles.ts";
import { followNodeGuide } from "../bundles/guides.ts";
import { checkRuntimes } from "../bundles/runtimes.ts";
import { checkRunners } from "./checkRunners.ts";
import { checkTypes } from "./checkTypes.ts";

/** Older resolution modes, which packages with only ES modules need not support. */
const olderWays = ["node10", "node16-cjs"];

/** Returns the problems that publint and Are The Types Wrong report for the archive of a package. */
async function lintArchive(archive: string): Promise<string[]> {
  const bytes = readFileSync(archive);
  const tarball = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
  const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)));
  const wrong = analysis.types
    ? analysis.problems.filter(
        (problem) => !("resolutionKind" in problem && olderWays.includes(problem.resolutionKind)),
      )
    : ["there are none"];
  return [
    ...messages.map((message) => formatMessage(message, pkg, { color: false }) ?? message.code),
    ...wrong.map((problem) => `types: ${JSON.stringify(problem)}`),
  ];
}

/** Returns a table of packed packages as text: kB (1000 bytes) to download, and unpacked. */
function archiveTable(archives: readonly string[]): string {
  const line = (...cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(26) : cell.padStart(10))).join("");
  const rows = archives.map((archive) => {
    const packed = readFileSync(archive);
    const kB = (bytes: number) => (bytes / 1000).toFixed(0);
    return line(basename(archive), kB(packed.length), kB(gunzipSync(packed).length));
  });
  return [line("archive", "kB", "unpacked"), ...rows].join("\n");
}

const flag = { type: "boolean", default: false } as const;
const { values: flags } = parseArgs({ options: { next: flag, runtimes: flag, "write-sizes": flag } });
const root = resolve(import.meta.dirname, "../..");
const { packageManager }: { packageManager: string } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const bin = join(root, "node_modules", ".bin");
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
const work = mkdtempSync(join(tmpdir(), "lowrank-packages-"));
const packed = join(work, "packed");
const user = join(work, "user");
const tally = { passed: 0, failed: 0 };

function count(name: string, problems: readonly string[]): void {
  for (const problem of problems) console.error(`${name}: ${problem}`);
  if (problems.length > 0) tally.failed++;
  else tally.passed++;
  console.log(`${problems.length > 0 ? "failed" : "ok"}: ${name}`);
}

/**
 * Installs all packages except the embedded model, as for a user who installs only `lowrank`. Uses the library, and
 * runs the commands that need the model.
 */
function checkBare(archives: readonly string[]): void {
  const bare = join(work, "bare");
  mkdirSync(bare);
  writeFileSync(join(bare, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(bare, "use.js"), script);
  const others = archives.filter((archive) => !archive.includes("nano"));
  const { problems } = command(bare, env, "npm", "install", "--no-audit", "--no-fund", ...others);
  if (existsSync(join(bare, "node_modules/@lowrank/nano"))) problems.push("@lowrank/nano was installed");
  problems.push(...command(bare, env, "node", "use.js").problems);
  const compared = command(bare, env, "npx", "--no-install", "lowrank", "compare").problems.join();
  if (!compared.includes("npm install @lowrank/nano")) problems.push(`lowrank compare said: ${compared}`);
  count("without @lowrank/nano", problems);
}

const script = `
import * as lowrank from "lowrank";
await lowrank.init(lowrank.wasm({ threads: 2 }));
const a = lowrank.tensor([1, 2, 3, 4], { shape: [2, 2] });
const product = await lowrank.matmul(a, a).data();
if (String(product) !== "7,10,15,22") throw new Error("matmul gave " + product);
process.exit(0);
`;

/** Loads files of a local hub with the installed packages, and prints which parts of the library are present. */
const hubScript = `
import { existsSync } from "node:fs";
import { openFiles } from "lowrank";
import { startFakeHub } from ${JSON.stringify(join(root, "tests/support/hub/startFakeHub.ts"))};
await using hub = await startFakeHub();
await hub.put({ name: "org/name" }, [["config.json", "{}"], ["model.safetensors", new Uint8Array(5000)]]);
await hub.fail({ path: "model.safetensors", times: 1, cutAfter: 1000 });
const files = await openFiles("hf://org/name", { hub: { endpoint: hub.endpoint, cacheDir: "hub" } });
const { size } = await files.open("model.safetensors");
if (size !== 5000 || (await files.readText("config.json")) !== "{}") throw new Error("hf:// gave " + size);
if (existsSync("node_modules/@huggingface/hub")) throw new Error("@huggingface/hub was installed, not bundled");
process.exit(0);
`;

/** A plugin of the command, in a folder without installed Lowrank packages. */
const plugin = `
import { definePeftMethod, lora, LoraConfig, registerPeftMethod } from "lowrank";
class Config extends LoraConfig {
  peftType = "MINE";
}
registerPeftMethod(
  definePeftMethod({ ...lora, peftType: "MINE", Config, recipes: undefined, options: undefined }),
);
`;

mkdirSync(packed);
mkdirSync(user);
try {
  for (const folder of globSync("packages/*", { cwd: root })
    .sort()
    .map((path) => join(root, path))) {
    const before = new Set(readdirSync(packed));
    const { problems } = command(folder, env, "npx", "-y", packageManager, "pack", "--pack-destination", packed);
    const archive = readdirSync(packed).find((name) => !before.has(name));
    if (archive !== undefined) {
      problems.push(...(await lintArchive(join(packed, archive))));
    }
    count(`pack ${folder.slice(root.length + 1)}`, problems);
  }
  const archives = readdirSync(packed).map((name) => join(packed, name));
  console.log(archiveTable(archives));
  writeFileSync(join(user, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(user, "use.js"), script);
  writeFileSync(join(user, "hub.js"), hubScript);
  count("install", command(user, env, "npm", "install", "--no-audit", "--no-fund", ...archives).problems);
  count("import", command(user, env, "node", "use.js").problems);
  checkBare(archives);
  count("hf:// addresses", command(user, env, "node", "hub.js").problems);
  for (const { name, problems } of checkTypes(user, root)) count(name, problems);
  count("docs/first-fine-tune.md, followed", followNodeGuide(root, user, env));
  checkRunners({ work, archives, env }, count);
  const install = { root, user, work, archives, env };
  const inNode = await checkBundles(install, { withNext: flags.next, writesSizes: flags["write-sizes"] }, count);
  if (flags.runtimes && inNode) checkRuntimes(install, inNode, count);
  const lowrank = ["npx", "--no-install", "lowrank"];
  count("command", command(user, env, ...lowrank, "--help").problems);
  writeFileSync(join(work, "plugin.mjs"), plugin);
  const planned = ["plan", "stories15m", "--plugin", join(work, "plugin.mjs"), "--method", "mine"];
  count("command with a plugin", command(user, env, ...lowrank, ...planned).problems);
} finally {
  rmSync(work, { recursive: true });
}
console.log(formatTally(tally));
process.exitCode = tally.failed > 0 ? 1 : 0;
