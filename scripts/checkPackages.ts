// pnpm check:packages: packs every package as it would be published, lints the archives with
// publint and attw, type-checks a program on them, installs them with npm into an empty folder and
// there uses the library and the command as a stranger would; follows the guides of docs/; builds a
// sample for production with each bundler and without one, and runs it in headless Chromium, in a
// page and in a Web Worker, against Node's numbers; weighs what small pages download; fine-tunes a
// model in a page that dies and is reloaded, and uses the adapter that it downloads in Node.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
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
import { delimiter, join, resolve } from "node:path";
import type { Browser } from "playwright";
import { findChromium } from "./browser/chromium.ts";
import { bundlers } from "./bundles/bundlers.ts";
import { followNodeGuide, followPageGuide } from "./bundles/guides.ts";
import { addModel, launch, runInChromium } from "./bundles/inChromium.ts";
import { pageSizes, sizeTable } from "./bundles/pageSizes.ts";
import { differences, runInNode, type Sample, writeSample } from "./bundles/sample.ts";
import { checkTypes } from "./packages/checkTypes.ts";
import { lintArchive } from "./packages/lintArchive.ts";
import { logitsInNode } from "./pageTraining/logitsInNode.ts";
import { pageModel } from "./pageTraining/pageModel.ts";
import { pageScript, trainInPage } from "./pageTraining/trainInPage.ts";
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
  console.log(`${problems.length > 0 ? "failed" : "ok"}: ${name}`);
}

function command(cwd: string, ...words: string[]): { problems: string[]; stdout: string } {
  const [program, ...args] = words;
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  const said = `${stderr ?? ""}\n${stdout ?? ""}`.trim().split("\n").slice(-8).join("\n  ");
  return { stdout, problems: status === 0 ? [] : [`${words.join(" ")} failed: ${error?.message ?? said}`] };
}

/**
 * Installs all but the embedded model, as who installs `lowrank` alone gets it; uses the library,
 * and asks the command for what needs the model.
 */
function checkBare(archives: readonly string[]): void {
  const bare = join(work, "bare");
  mkdirSync(bare);
  writeFileSync(join(bare, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(bare, "use.js"), script);
  const others = archives.filter((archive) => !archive.includes("nano"));
  const { problems } = command(bare, "npm", "install", "--no-audit", "--no-fund", ...others);
  if (existsSync(join(bare, "node_modules/@lowrank/nano"))) problems.push("@lowrank/nano was installed");
  problems.push(...command(bare, "node", "use.js").problems);
  const compared = command(bare, "npx", "--no-install", "lowrank", "compare").problems.join();
  if (!compared.includes("npm install @lowrank/nano")) problems.push(`lowrank compare said: ${compared}`);
  count("without @lowrank/nano", problems);
}

/**
 * Builds the sample in every way, and runs each in a page and a Web Worker where there is a
 * Chromium.
 */
async function checkBundles(): Promise<void> {
  writeSample(user);
  let inNode: Sample;
  try {
    inNode = runInNode(user, env);
  } catch (error) {
    count("sample in Node", [(error as Error).message]);
    return;
  }
  const { losses } = inNode;
  const falls = losses.length === 3 && losses[2] < losses[0];
  count("sample in Node", falls ? [] : [`losses are ${losses}; three that fall are expected`]);
  const executablePath = findChromium();
  await using browser = executablePath === undefined ? null : await launch(executablePath);
  if (browser === null) console.log("skipped: bundles in Chromium (no Chromium or Chrome was found; set CHROMIUM)");
  for (const [name, bundle] of Object.entries(bundlers)) {
    const outDir = join(work, `bundle ${name}`);
    const problems = await attempt(() => bundle(user, outDir));
    count(`${name}, build`, problems);
    if (browser === null || problems.length > 0) continue;
    addModel(user, outDir);
    for (const isolated of [true, false]) {
      // Where memory cannot be shared, one thread does what two do, to the bit.
      const expected = { ...inNode, threads: isolated ? inNode.threads : 1 };
      const inChromium = async () => {
        const { page, worker } = await runInChromium(browser, outDir, isolated);
        return [...differences("page", page, expected), ...differences("Web Worker", worker, expected)];
      };
      count(`${name}, ${isolated ? "isolated" : "not isolated"}`, await attempt(inChromium));
    }
  }
  if (browser === null) return;
  count("docs/browser.md, followed", await attempt(() => followPageGuide(root, user, browser)));
  count("what pages download", await attempt(() => checkSizes(browser)));
  count("a training in a page that is reloaded", await attempt(() => checkPageTraining(browser)));
}

/** Trains in a page, and loads the adapter that it downloads in Node. */
async function checkPageTraining(browser: Browser): Promise<string[]> {
  const model = pageModel();
  const script = join(user, "training.js");
  copyFileSync(pageScript, script);
  const { problems, ...trained } = await trainInPage(browser, { script, model, work: join(work, "page training") });
  const inNode = logitsInNode({ user, env, model, ...trained });
  const differs =
    inNode.length !== trained.logits.length || inNode.some((x, i) => Math.abs(x - trained.logits[i]) > 1e-4);
  return differs ? [...problems, "the downloaded adapter's logits in Node are not those in the page"] : problems;
}

/** Prints what pages download; returns a problem for each that is above its ceiling. */
async function checkSizes(browser: Browser): Promise<string[]> {
  const sizes = await pageSizes(browser, user);
  console.log(sizeTable(sizes));
  return sizes
    .filter(({ size, ceiling }) => size > ceiling)
    .map(({ page, size, ceiling }) => `${page} downloads ${size.toFixed(1)} kB of scripts, above ${ceiling}`);
}

/** Returns the problems that a check finds; an error that it throws is one too. */
async function attempt(check: () => Promise<string[]>): Promise<string[]> {
  try {
    return await check();
  } catch (error) {
    return [(error as Error).message];
  }
}

const script = `
import * as lowrank from "lowrank";
await lowrank.init(lowrank.wasm({ threads: 2 }));
const a = lowrank.tensor([1, 2, 3, 4], { shape: [2, 2] });
const product = await lowrank.matmul(a, a).data();
if (String(product) !== "7,10,15,22") throw new Error("matmul gave " + product);
process.exit(0);
`;

/** Loads files of a hub on this machine, as installed, and tells what of the library is there. */
const hubScript = `
import { existsSync } from "node:fs";
import { openFiles } from "lowrank";
import { startFakeHub } from ${JSON.stringify(join(root, "scripts/fakeHub/startFakeHub.ts"))};
await using hub = await startFakeHub();
await hub.put({ name: "org/name" }, [["config.json", "{}"], ["model.safetensors", new Uint8Array(5000)]]);
await hub.fail({ path: "model.safetensors", times: 1, cutAfter: 1000 });
const files = await openFiles("hf://org/name", { hub: { endpoint: hub.endpoint, cacheDir: "hub" } });
const { size } = await files.open("model.safetensors");
if (size !== 5000 || (await files.readText("config.json")) !== "{}") throw new Error("hf:// gave " + size);
if (existsSync("node_modules/@huggingface/hub")) throw new Error("@huggingface/hub was installed, not bundled");
process.exit(0);
`;

/** A plugin of the command, which lies where no package of Lowrank is installed. */
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
    const { problems } = command(folder, "npx", "-y", packageManager, "pack", "--pack-destination", packed);
    const archive = readdirSync(packed).find((name) => !before.has(name));
    if (archive !== undefined) {
      problems.push(...(await lintArchive(join(packed, archive))));
    }
    count(`pack ${folder.slice(root.length + 1)}`, problems);
  }
  const archives = readdirSync(packed).map((name) => join(packed, name));
  writeFileSync(join(user, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(user, "use.js"), script);
  writeFileSync(join(user, "hub.js"), hubScript);
  count("install", command(user, "npm", "install", "--no-audit", "--no-fund", ...archives).problems);
  count("import", command(user, "node", "use.js").problems);
  checkBare(archives);
  count("hf:// addresses", command(user, "node", "hub.js").problems);
  for (const { name, problems } of checkTypes(user, root)) count(name, problems);
  count("docs/first-fine-tune.md, followed", followNodeGuide(root, user, env));
  await checkBundles();
  const lowrank = ["npx", "--no-install", "lowrank"];
  count("command", command(user, ...lowrank, "--help").problems);
  writeFileSync(join(work, "plugin.mjs"), plugin);
  const planned = ["plan", "stories15m", "--plugin", join(work, "plugin.mjs"), "--method", "mine"];
  count("command with a plugin", command(user, ...lowrank, ...planned).problems);
} finally {
  rmSync(work, { recursive: true });
}
console.log(formatTally(tally));
process.exitCode = tally.failed > 0 ? 1 : 0;
