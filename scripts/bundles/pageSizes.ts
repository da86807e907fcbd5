import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright";
import { bundlers } from "./bundlers.ts";
import { addModel } from "./inChromium.ts";
import { samplePage } from "./sample.ts";
import { serve } from "./serve.ts";

/**
 * The most that the scripts of a page may weigh, in kB (1000 bytes) as Chromium downloads them:
 * minified by Vite and gzipped, without headers. Each is a file in `pages`. What they aim at is in
 * docs/design/sizes.md.
 */
const ceilings = { core: 11.7, chained: 24.2, wasm: 85, webgpu: 70.7, lora: 120, app: 178.5 };

/** A page, the kB of scripts that it downloads until it is done, and the most they may be. */
export interface PageSize {
  readonly page: string;
  readonly size: number;
  readonly ceiling: number;
}

/** Builds the pages in `user`, a folder with the packages and the sample; measures each. */
export async function pageSizes(browser: Browser, user: string): Promise<PageSize[]> {
  const sizes: PageSize[] = [];
  for (const [page, ceiling] of Object.entries(ceilings)) {
    const folder = join(user, `page-${page}`);
    const outDir = join(folder, "dist");
    mkdirSync(folder);
    copyFileSync(join(import.meta.dirname, "pages", `${page}.js`), join(folder, "page.js"));
    writeFileSync(join(folder, "index.html"), samplePage);
    await bundlers.Vite(folder, outDir);
    addModel(user, outDir);
    sizes.push({ page, size: (await downloadedBytes(browser, outDir)) / 1000, ceiling });
  }
  return sizes;
}

/** Runs a page; returns the bytes of its scripts as they came over the wire, without headers. */
async function downloadedBytes(browser: Browser, outDir: string): Promise<number> {
  // Without memory to share there is one thread, as on most pages.
  const server = await serve(outDir, {});
  const tab = await browser.newPage();
  try {
    const network = await tab.context().newCDPSession(tab);
    await network.send("Network.enable");
    const headers = new Map<string, number>();
    let bytes = 0;
    network.on("Network.responseReceived", ({ requestId, type, response }) => {
      if (type === "Script") headers.set(requestId, response.encodedDataLength);
    });
    network.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      const before = headers.get(requestId);
      if (before !== undefined) bytes += encodedDataLength - before;
    });
    await tab.goto(server.url);
    await tab.waitForFunction("globalThis.runPage");
    await tab.evaluate("runPage()");
    return bytes;
  } finally {
    await tab.close();
    await server.close();
  }
}

/** Returns a table of sizes as text. */
export function sizeTable(sizes: readonly PageSize[]): string {
  const line = (...cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(8) : cell.padStart(8))).join("");
  const rows = sizes.map(({ page, size, ceiling }) => line(page, size.toFixed(1), ceiling.toFixed(1)));
  return [line("page", "kB", "at most"), ...rows].join("\n");
}
