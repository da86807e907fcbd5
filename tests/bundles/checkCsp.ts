import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isolationHeaders } from "@lowrank/test-support/chromium";
import { samplePage, serve } from "@lowrank/test-support/serveFolder";
import type { Browser } from "playwright";
import { bundlers } from "./bundlers.ts";

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
export async function checkCsp(browser: Browser, user: string): Promise<string[]> {
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
