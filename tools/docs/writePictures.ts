// Writes the pictures of the documentation, docs/pictures/*.webp: screenshots of a report of methods and of a training
// of the embedded model, light and dark. Needs Chromium. Run it after a change of the pages.

import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatePairs } from "@lowrank/nano";
import { chromiumFlags, findChromium } from "@lowrank/test-support/chromium";
import { chromium } from "playwright";

const root = join(import.meta.dirname, "..", "..");
const pictures = join(root, "docs", "pictures");
const folder = await mkdtemp(join(tmpdir(), "lowrank-pictures-"));
const lowrank = (...words: string[]): void =>
  void execFileSync(process.execPath, [join(root, "packages/lowrank/src/bin.ts"), ...words], {
    cwd: root,
    stdio: "inherit",
  });

try {
  const methods = "full,lora,qlora,dora,ia3,vera,houlsby,prefix";
  lowrank("report", "llama-3.2-1b", "--methods", methods, "--output", join(folder, "methods.html"));
  const pairs = generatePairs({ language: "javascript", split: "train", count: 600, seed: 1 });
  await writeFile(join(folder, "pairs.jsonl"), pairs.map((pair) => JSON.stringify(pair)).join("\n"));
  const data = ["--model", "packages/nano/model", "--data", join(folder, "pairs.jsonl")];
  const rate = ["--lr", "3e-3", "--schedule", "cosine", "--warmup-steps", "20", "--quiet"];
  lowrank("train", ...data, ...rate, "--output", join(folder, "run"));
  await photograph("methods", join(folder, "methods.html"), { width: 1000, height: 630 });
  await photograph("training", join(folder, "run", "report.html"), { width: 1000, height: 650 });
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Writes a page, from its charts on, as `<name>-light.webp` and `<name>-dark.webp`. */
async function photograph(name: string, path: string, viewport: { width: number; height: number }): Promise<void> {
  const browser = await chromium.launch({ executablePath: findChromium(), args: chromiumFlags });
  try {
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await browser.newPage({ viewport, colorScheme });
      await page.setContent(await readFile(path, "utf8"));
      await page.evaluate(() => {
        const charts = document.querySelector(".charts") as HTMLElement;
        globalThis.scrollTo(0, charts.offsetTop - 8);
      });
      const session = await page.context().newCDPSession(page);
      const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 80 });
      await writeFile(join(pictures, `${name}-${colorScheme}.webp`), Buffer.from(data, "base64"));
      await page.close();
    }
  } finally {
    await browser.close();
  }
}
