import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromiumFlags } from "@lowrank/test-support/chromium";
import { serve } from "@lowrank/test-support/serveFolder";
import { type Browser, chromium } from "playwright";
import { bundlers } from "./bundlers.ts";

const page = `
import { firstAvailable, init, tensor, wasm } from "lowrank";
import { webgpu } from "@lowrank/webgpu";

globalThis.runPage = async () => {
  await init(firstAvailable(webgpu, wasm));
  const square = tensor([1, 2, 3, 4], { shape: [2, 2] });
  return (await square.matmul(square).data()).join();
};
`;

/** Names an icon, since the console reports a missing one. */
const html = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="./page.js"></script>`;

/** A line that Chromium prints on every page that requests an adapter without success. */
const ownLine = "No available adapters.";

/** Scripts that run before the page's script, and the sentence on its console. */
const cases: readonly { readonly before: string; readonly sentence: string }[] = [
  {
    before: "",
    sentence:
      "webgpu: no adapter was found: there is no graphics driver that WebGPU can use here; wasm is used instead",
  },
  {
    before: "Object.defineProperty(navigator, 'gpu', { value: undefined });",
    sentence: "webgpu: WebGPU is not available on this page (navigator.gpu is missing); wasm is used instead",
  },
];

/**
 * Runs a page that prefers WebGPU in a Chromium without an adapter. Returns a problem if it does not compute, or if its
 * console shows anything but one sentence.
 */
export async function checkFallback(executablePath: string, user: string): Promise<string[]> {
  const folder = join(user, "fallback");
  const outDir = join(folder, "dist");
  mkdirSync(folder);
  writeFileSync(join(folder, "page.js"), page);
  writeFileSync(join(folder, "index.html"), html);
  await bundlers.Vite(folder, outDir);
  const args = chromiumFlags.filter((flag) => flag !== "--enable-unsafe-webgpu");
  await using browser = await chromium.launch({ executablePath, args });
  const server = await serve(outDir, {});
  try {
    const problems: string[] = [];
    for (const { before, sentence } of cases) {
      const { product, lines } = await runPage(browser, server.url, before);
      if (product !== "7,10,15,22") problems.push(`the product is ${product}; expected 7,10,15,22`);
      if (lines.length !== 1 || lines[0] !== sentence) {
        problems.push(`the console has ${JSON.stringify(lines)}; expected "${sentence}" alone`);
      }
    }
    return problems;
  } finally {
    await server.close();
  }
}

async function runPage(browser: Browser, url: string, before: string): Promise<{ product: unknown; lines: string[] }> {
  const tab = await browser.newPage();
  try {
    const lines: string[] = [];
    tab.on("console", (message) => {
      if (message.text() !== ownLine) lines.push(message.text());
    });
    await tab.addInitScript(before);
    await tab.goto(url);
    await tab.waitForFunction("globalThis.runPage");
    return { product: await tab.evaluate("runPage()"), lines };
  } finally {
    await tab.close();
  }
}
