import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chromiumFlags, findChromium } from "@lowrank/test-support/chromium";
import { chromium } from "playwright";

/** Folder of the documentation's pictures. */
const pictures = join(import.meta.dirname, "..", "..", "docs", "pictures");

/**
 * Writes a page, from its charts on, as `<name>-light.webp` and `<name>-dark.webp`. With the height "all", the picture
 * has all of the charts. `only` are the titles of the charts to keep. Default: all.
 */
export async function photograph(
  name: string,
  html: string,
  { width, height, only }: { width: number; height: number | "all"; only?: readonly string[] },
): Promise<void> {
  const browser = await chromium.launch({ executablePath: findChromium(), args: chromiumFlags });
  try {
    for (const colorScheme of ["light", "dark"] as const) {
      const viewport = { width, height: height === "all" ? 600 : height };
      const page = await browser.newPage({ viewport, colorScheme });
      await page.setContent(html);
      await page.evaluate((kept) => {
        for (const figure of document.querySelectorAll(".charts figure")) {
          const title = figure.querySelector("figcaption strong")?.textContent ?? "";
          if (kept && !kept.includes(title)) figure.remove();
        }
      }, only);
      if (height === "all") {
        const tall = await page.evaluate(() => (document.querySelector(".charts") as HTMLElement).offsetHeight + 16);
        await page.setViewportSize({ width, height: tall });
      }
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
