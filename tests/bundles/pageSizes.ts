import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { samplePage, serve } from "@lowrank/test-support/serveFolder";
import type { Browser } from "playwright";
import { weighedBundlers } from "./bundlers.ts";
import { addModel } from "./inChromium.ts";

/** A page may be this many times as large as when its size was last written. */
const growth = 1.03;

/** The written sizes in kB (1000 bytes) by bundler and page. Each page is a file in `pages`. */
type SizeTable = Readonly<Record<string, Readonly<Record<string, number>>>>;

const sizesFile = join(import.meta.dirname, "pageSizes.json");

/**
 * A page built by a bundler: the kB of scripts that Chromium downloads until the page has finished, minified and
 * gzipped, without headers; and their limit.
 */
export interface PageSize {
  readonly bundler: string;
  readonly page: string;
  readonly size: number;
  readonly ceiling: number;
}

/** Builds the pages with each bundler in `user`, a folder with the packages and the sample; measures each. */
export async function pageSizes(browser: Browser, user: string): Promise<PageSize[]> {
  const sizes: PageSize[] = [];
  const written: SizeTable = JSON.parse(readFileSync(sizesFile, "utf8"));
  for (const [bundler, build] of Object.entries(weighedBundlers)) {
    for (const [page, before] of Object.entries(written[bundler])) {
      const folder = join(user, `page-${page}`);
      const outDir = join(folder, `dist ${bundler}`);
      mkdirSync(folder, { recursive: true });
      const script = readFileSync(join(import.meta.dirname, "pages", `${page}.js`), "utf8");
      // The sample's scripts are copied into the folder above.
      writeFileSync(join(folder, "page.js"), script.replace("../app/", "../"));
      writeFileSync(join(folder, "index.html"), samplePage);
      await build(folder, outDir);
      addModel(user, outDir);
      sizes.push({ bundler, page, size: (await downloadedBytes(browser, outDir)) / 1000, ceiling: growth * before });
    }
  }
  return sizes;
}

/** Writes the measured sizes, from which the limits follow. */
export function writeSizes(sizes: readonly PageSize[]): void {
  const tables = Map.groupBy(sizes, ({ bundler }) => bundler);
  const pages = (of: readonly PageSize[]) => of.map(({ page, size }) => [page, Number(size.toFixed(1))]);
  const table = Object.fromEntries([...tables].map(([bundler, of]) => [bundler, Object.fromEntries(pages(of))]));
  writeFileSync(sizesFile, `${JSON.stringify(table, null, 2)}\n`);
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
