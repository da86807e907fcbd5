import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build as esbuild } from "esbuild";
import { chromium } from "playwright";
import { createLogger, preview, build as vite } from "vite";
import { chromiumFlags, isolationHeaders } from "../browser/chromium.ts";

/** The numbers and the text that the sample app gives. */
export interface Sample {
  product: number[];
  threads: number;
  losses: number[];
  text: string;
}

const page = `<!doctype html><meta charset="utf-8"><script type="module" src="./page.js"></script>`;

/**
 * Puts the sample app into `user`, a folder with the packages installed; the
 * bundles are written below it.
 */
export function writeSample(user: string): void {
  for (const name of ["app.js", "page.js", "appWorker.js"])
    copyFileSync(join(import.meta.dirname, name), join(user, name));
  writeFileSync(join(user, "index.html"), page);
}

/** Runs the sample in Node, unbundled. */
export function runInNode(user: string, env: NodeJS.ProcessEnv): Sample {
  const code =
    'import { runApp } from "./app.js"; console.log(JSON.stringify(await runApp("node_modules/@lowrank/nano/model")));';
  const { status, stdout, stderr } = spawnSync("node", ["--input-type=module", "--eval", code], {
    cwd: user,
    env,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the sample fails in Node: ${stderr}`);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) as string);
}

/**
 * In kB, minified: kernels for relaxed and plain SIMD, and all of the
 * library that the sample needs.
 */
const chunkSizeWarningLimit = 1000;

/** Builds the sample for production with Vite and no configuration; returns its warnings. */
export async function bundleWithVite(user: string, outDir: string): Promise<string[]> {
  const warnings: string[] = [];
  const warn = (text: string) => void warnings.push(text);
  const customLogger = { ...createLogger("error"), warn, warnOnce: warn };
  await vite({
    root: user,
    configFile: false,
    logLevel: "warn",
    customLogger,
    build: { outDir, chunkSizeWarningLimit },
  });
  return warnings;
}

/** Builds the sample for browsers with esbuild; returns its warnings. */
export async function bundleWithEsbuild(user: string, outDir: string): Promise<string[]> {
  const { warnings } = await esbuild({
    absWorkingDir: user,
    entryPoints: { page: "page.js", appWorker: "appWorker.js", worker: "@lowrank/wasm/worker" },
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    outdir: outDir,
    logLevel: "silent",
  });
  writeFileSync(join(outDir, "index.html"), page);
  return warnings.map(({ text }) => text);
}

const limitMs = 60_000;

/**
 * Serves a bundle, with nano's model beside it, to headless Chromium, and runs the sample there.
 */
export async function runInChromium(
  user: string,
  outDir: string,
  executablePath: string,
): Promise<{ page: Sample; worker: Sample }> {
  const model = join(outDir, "model");
  mkdirSync(model);
  cpSync(join(user, "node_modules/@lowrank/nano/model"), model, { recursive: true });
  const server = await preview({
    root: user,
    configFile: false,
    // A file that is not there is not found, instead of the page in its place.
    appType: "mpa",
    logLevel: "error",
    build: { outDir },
    preview: { host: "127.0.0.1", port: 0, headers: isolationHeaders },
  });
  const browser = await chromium.launch({ executablePath, args: chromiumFlags });
  try {
    const tab = await browser.newPage();
    const failed = new Promise<never>((_, reject) => {
      tab.once("pageerror", reject);
      setTimeout(() => reject(new Error(`the sample still runs after ${limitMs} ms`)), limitMs).unref();
    });
    const run = async () => {
      await tab.goto(server.resolvedUrls!.local[0]);
      await tab.waitForFunction("globalThis.runSample");
      return tab.evaluate<{ page: Sample; worker: Sample }>("runSample()");
    };
    return await Promise.race([run(), failed]);
  } finally {
    await browser.close();
    await server.close();
  }
}

/**
 * Returns a sentence for each number or text that differs from Node's; losses
 * may by 1e-5 of themselves.
 */
export function differences(name: string, got: Sample, expected: Sample): string[] {
  const problems: string[] = [];
  for (const key of ["product", "threads", "text"] as const) {
    const [here, there] = [JSON.stringify(got[key]), JSON.stringify(expected[key])];
    if (here !== there) problems.push(`${name}: ${key} is ${here}, in Node ${there}`);
  }
  const close = expected.losses.every((loss, i) => Math.abs(got.losses[i] - loss) <= 1e-5 * Math.abs(loss));
  if (!close || got.losses.length !== expected.losses.length) {
    problems.push(`${name}: losses are ${got.losses}, in Node ${expected.losses}`);
  }
  return problems;
}
