import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { isolationHeaders } from "@lowrank/test-support/chromium";
import { serve } from "@lowrank/test-support/serveFolder";
import type { Browser } from "playwright";
import type { EngineSample, Sample } from "./sample.ts";

/** The sample's results in a page, in its Web Worker, and through `lowrank/worker`. */
export interface Run {
  readonly page: Sample;
  readonly worker: Sample;
  readonly engine: EngineSample;
}

const limitMs = 60_000;

/** Copies nano's model into a bundle's folder. */
export function addModel(user: string, outDir: string): void {
  const model = join(outDir, "model");
  mkdirSync(model);
  cpSync(join(user, "node_modules/@lowrank/nano/model"), model, { recursive: true });
}

/** Serves a bundle and runs the sample; `isolated` pages can share memory with threads. */
export async function runInChromium(browser: Browser, outDir: string, isolated: boolean): Promise<Run> {
  const server = await serve(outDir, isolated ? isolationHeaders : {});
  const tab = await browser.newPage();
  try {
    const failed = new Promise<never>((_, reject) => {
      tab.once("pageerror", reject);
      setTimeout(() => reject(new Error(`the sample still runs after ${limitMs} ms`)), limitMs).unref();
    });
    const run = async () => {
      await tab.goto(server.url);
      await tab.waitForFunction("globalThis.runSample");
      return tab.evaluate<Run>("runSample()");
    };
    return await Promise.race([run(), failed]);
  } finally {
    await tab.close();
    await server.close();
  }
}
