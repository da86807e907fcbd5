import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium } from "playwright";
import { chromiumFlags } from "../browser/chromium.ts";
import { bundlers } from "./bundlers.ts";
import { serve } from "./serve.ts";

const page = `
import { firstAvailable, init, tensor, wasm } from "lowrank";
import { webgpu } from "@lowrank/webgpu";

globalThis.runPage = async () => {
  await init(firstAvailable(webgpu, wasm));
  const square = tensor([1, 2, 3, 4], { shape: [2, 2] });
  return (await square.matmul(square).data()).join();
};
`;

/** It names an icon, since the console tells of one that is missing. */
const html = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="./page.js"></script>`;

/** A line of Chromium's own, which every page has that asks for an adapter in vain. */
const ownLine = "No available adapters.";

/** Scripts that run before the page's own, and the sentence on its console. */
const cases: readonly { readonly before: string; readonly sentence: string }[] = [
  {
    before: "",
    sentence:
      "webgpu: no adapter was found: there is no graphics driver that WebGPU can use here; wasm is used instead",
  },
  {
    before: "Object.defineProperty(navigator, 'gpu', { value: undefined });",
    sentence: "webgpu: this browser has no WebGPU here (navigator.gpu is missing); wasm is used instead",
  },
];

/**
 * Runs a page that prefers WebGPU in a Chromium that has no adapter. Returns a problem where it
 * does not compute, or where its console has anything but one sentence.
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
