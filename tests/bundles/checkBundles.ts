import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findChromium, isolationHeaders, launch } from "@lowrank/test-support/chromium";
import { samplePage, serve } from "@lowrank/test-support/serveFolder";
import type { Browser } from "playwright";
import { type Bundle, bundlers } from "./bundlers.ts";
import { type Check, problemsOf } from "./check.ts";
import { checkFallback } from "./checkFallback.ts";
import { followPageGuide } from "./guides.ts";
import { addModel } from "./inChromium.ts";
import { bundleWithNext } from "./next.ts";
import { pageSizes, sizeTable, writeSizes } from "./pageSizes.ts";
import { checkPageTraining } from "./pageTraining/checkPageTraining.ts";
import { type Placed, places, placesTable, runPlaces } from "./places.ts";
import { runOnServer, type ServerRun, writeSample } from "./sample.ts";

/** The folders and the environment of a check. */
export interface CheckedInstall {
  /** The repository. */
  readonly root: string;
  /** A folder with the packages installed. */
  readonly user: string;
  /** A folder for bundles. */
  readonly work: string;
  readonly archives: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Runs the sample in Node, builds it in every way and, if Chromium is found, runs each build in a page, in a Web Worker
 * and by `lowrank/worker`. Prints a table of the results and of the download sizes. Returns Node's results, or null if
 * the sample fails there.
 */
export async function checkBundles(
  install: CheckedInstall,
  { withNext, writesSizes }: { readonly withNext: boolean; readonly writesSizes: boolean },
  check: Check,
): Promise<ServerRun | null> {
  const { root, user, work, archives, env } = install;
  writeSample(user);
  let inNode: ServerRun;
  try {
    inNode = runOnServer(user, ["node"], env);
  } catch (error) {
    check("sample in Node", [(error as Error).message]);
    return null;
  }
  const { losses } = inNode.page;
  const falls = losses.length === 3 && losses[2] < losses[0];
  check("sample in Node", falls ? [] : [`losses are ${losses}; three that fall are expected`]);
  const executablePath = findChromium();
  await using browser = executablePath === undefined ? null : await launch(executablePath);
  if (browser === null) console.log("skipped: bundles in Chromium (no Chromium or Chrome was found; set CHROMIUM)");
  const next: Bundle = (_, outDir) => bundleWithNext(archives, outDir, env);
  const rows: Placed[] = [];
  for (const [name, bundle] of Object.entries(withNext ? { ...bundlers, "Next.js": next } : bundlers)) {
    const outDir = join(work, `bundle ${name}`);
    const problems = await problemsOf(() => bundle(user, outDir));
    check(`${name}, build`, problems);
    if (browser === null || problems.length > 0) continue;
    addModel(user, outDir);
    for (const isolated of [true, false]) {
      const row = await runPlaces(browser, name, outDir, inNode, isolated);
      rows.push(row);
      check(
        row.name,
        places.flatMap((place) => row.problems[place].map((problem) => `${place}: ${problem}`)),
      );
    }
  }
  if (browser === null || executablePath === undefined) return inNode;
  console.log(placesTable(rows));
  check("docs/browser.md, followed", await problemsOf(() => followPageGuide(root, user, browser)));
  check("a Content-Security-Policy without blobs", await problemsOf(() => checkCsp(browser, user)));
  check("WebGPU, else WebAssembly", await problemsOf(() => checkFallback(executablePath, user)));
  check("what pages download", await problemsOf(() => checkSizes(browser, user, writesSizes)));
  check("a training in a page that is reloaded", await problemsOf(() => checkPageTraining(browser, install)));
  return inNode;
}

/** Prints download sizes; returns a problem for each page above its limit. With `writes`, writes them as new sizes. */
async function checkSizes(browser: Browser, user: string, writes: boolean): Promise<string[]> {
  const sizes = await pageSizes(browser, user);
  console.log(sizeTable(sizes));
  if (writes) {
    writeSizes(sizes);
    return [];
  }
  return sizes
    .filter(({ size, ceiling }) => size > ceiling)
    .map(
      ({ bundler, page, size, ceiling }) =>
        `${page} by ${bundler} downloads ${size.toFixed(1)} kB of scripts, above ${ceiling}`,
    );
}

/** The policy in docs/bundlers.md. */
const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";

const page = `
import { init, tensor, wasm } from "lowrank";

globalThis.runPage = async () => {
  const backend = await wasm({ threads: 2, workerUrl: new URL("/lowrank/worker.js", location.href) });
  await init(backend);
  const square = tensor([1, 2, 3, 4], { shape: [2, 2] });
  return [backend.threads, ...(await square.matmul(square).data())].join();
};
`;

/**
 * Runs kernels on two threads in a page whose Content-Security-Policy forbids blobs, from the package's worker file.
 * Returns a problem if they do not start.
 */
async function checkCsp(browser: Browser, user: string): Promise<string[]> {
  const folder = join(user, "csp");
  const outDir = join(folder, "dist");
  mkdirSync(folder);
  writeFileSync(join(folder, "page.js"), page);
  writeFileSync(join(folder, "index.html"), samplePage);
  await bundlers.Vite(folder, outDir);
  mkdirSync(join(outDir, "lowrank"));
  copyFileSync(join(user, "node_modules/@lowrank/wasm/dist/threads/worker.js"), join(outDir, "lowrank/worker.js"));
  const server = await serve(outDir, { ...isolationHeaders, "Content-Security-Policy": policy });
  const tab = await browser.newPage();
  try {
    await tab.goto(server.url);
    await tab.waitForFunction("globalThis.runPage");
    const got = await tab.evaluate("runPage()");
    return got === "2,7,10,15,22" ? [] : [`threads and product are ${got}; expected 2,7,10,15,22`];
  } finally {
    await tab.close();
    await server.close();
  }
}
