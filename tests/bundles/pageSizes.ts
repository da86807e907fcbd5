import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { samplePage, serve } from "@lowrank/test-support/serveFolder";
import type { Browser } from "playwright";
import { weighedBundlers } from "./bundlers.ts";
import { addModel } from "./inChromium.ts";

/**
 * The maximum size of a page's scripts, in kB (1000 bytes) as Chromium downloads them: minified and gzipped, without
 * headers. Each page is a file in `pages`. docs/design/sizes.md explains the goals, and why bundlers differ.
 */
const ceilings: Readonly<Record<keyof typeof weighedBundlers, Readonly<Record<string, number>>>> = {
  Vite: { core: 11.9, chained: 24.7, wasm: 75.5, webgpu: 71.5, lora: 114, app: 188 },
  "newest Vite": { core: 11.9, chained: 24.7, wasm: 75.5, webgpu: 71.5, lora: 132, app: 198 },
  webpack: { core: 11.7, chained: 24.4, wasm: 76, webgpu: 71.5, lora: 123, app: 183 },
  esbuild: { core: 12.1, chained: 25.3, wasm: 76.7, webgpu: 73, lora: 296, app: 314 },
};

/** A page built by a bundler: the kB of scripts that it downloads until it has finished, and their limit. */
export interface PageSize {
  readonly bundler: string;
  readonly page: string;
  readonly size: number;
  readonly ceiling: number;
}

/** Builds the pages with each bundler in `user`, a folder with the packages and the sample; measures each. */
export async function pageSizes(browser: Browser, user: string): Promise<PageSize[]> {
  const sizes: PageSize[] = [];
  for (const [bundler, build] of Object.entries(weighedBundlers)) {
    for (const [page, ceiling] of Object.entries(ceilings[bundler as keyof typeof weighedBundlers])) {
      const folder = join(user, `page-${page}`);
      const outDir = join(folder, `dist ${bundler}`);
      mkdirSync(folder, { recursive: true });
      copyFileSync(join(import.meta.dirname, "pages", `${page}.js`), join(folder, "page.js"));
      writeFileSync(join(folder, "index.html"), samplePage);
      await build(folder, outDir);
      addModel(user, outDir);
      sizes.push({ bundler, page, size: (await downloadedBytes(browser, outDir)) / 1000, ceiling });
    }
  }
  return sizes;
}

/** Runs a page; returns the bytes of its scripts as transferred, without headers. */
async function downloadedBytes(browser: Browser, outDir: string): Promise<number> {
  // Without shared memory there is one thread, as on most pages.
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
  const line = (bundler: string, page: string, ...cells: readonly string[]) =>
    [bundler.padEnd(13), page.padEnd(8), ...cells.map((cell) => cell.padStart(8))].join("");
  const rows = sizes.map(({ bundler, page, size, ceiling }) =>
    line(bundler, page, size.toFixed(1), ceiling.toFixed(1)),
  );
  return [line("bundler", "page", "kB", "at most"), ...rows].join("\n");
}
