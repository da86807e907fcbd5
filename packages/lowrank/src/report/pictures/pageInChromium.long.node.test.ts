import { chromiumFlags, findChromium } from "@lowrank/test-support/chromium";
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { comparisonOf, rowOf } from "../../testing/comparisonOf.ts";
import { toHtml } from "./toHtml.ts";

const executablePath = findChromium();
const settings =
  "r=8 loraAlpha=16 targetModules=all-linear useDora=true initLoraWeights=gaussian modulesToSave=lm_head";
const rows = Array.from({ length: 9 }, (_, i) =>
  rowOf(i === 0 ? "full fine-tuning" : `adapters of kind ${i}`, {
    ...{ trainable: 10 ** i, settings, flopsPerToken: 7 ** i, trainingBytes: 456_000 + 1000 * i },
    quality: { metric: "exact match", higherIsBetter: true, mean: Math.sqrt(i) / 4, deviation: 0.05 },
  }),
);
const html = toHtml(comparisonOf(rows));

describe.skipIf(executablePath === undefined)("the page of a comparison in Chromium", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: chromiumFlags });
  });
  afterAll(() => browser.close());

  async function open(width: number, colorScheme: "light" | "dark" = "light"): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    await page.setContent(html);
    return page;
  }
  const names = (page: Page) => page.locator("tbody tr:visible td:first-child").allTextContents();

  test.each([400, 1200, 1920])("at %d px nothing is cut off: the table scrolls in its own box", async (width) => {
    const page = await open(width);
    const found = await page.evaluate(() => {
      const root = document.documentElement;
      const texts = [...document.querySelectorAll("svg text")].map((text) => {
        const [box, svg] = [
          text.getBoundingClientRect(),
          (text as SVGElement).ownerSVGElement?.getBoundingClientRect(),
        ];
        const isInside = svg && box.left >= svg.left - 1 && box.right <= svg.right + 1 && box.bottom <= svg.bottom + 1;
        return isInside ? "" : text.textContent;
      });
      return { scrolls: root.scrollWidth > root.clientWidth, outside: texts.filter((text) => text !== "") };
    });
    expect(found).toEqual({ scrolls: false, outside: [] });
    const settingsCell = await page.locator("td.settings").first().boundingBox();
    if (width > 400) expect((settingsCell?.x ?? width) + (settingsCell?.width ?? 0)).toBeLessThan(width);
    await page.close();
  });

  test("a click on a heading sorts the rows, and the box filters them", async () => {
    const page = await open(1200);
    const given = rows.map(({ name }) => name);
    expect(await names(page)).toEqual(given);
    const heading = page.getByRole("button", { name: "trainable parameters" });
    await heading.click();
    expect(await names(page)).toEqual(given.toReversed());
    expect(await page.locator("th[aria-sort]").getAttribute("aria-sort")).toBe("descending");
    await heading.press("Enter");
    expect(await names(page)).toEqual(given);
    await page.getByRole("searchbox").fill("full");
    expect(await names(page)).toEqual(["full fine-tuning"]);
    await page.close();
  });

  test.each(["light", "dark"] as const)("axe finds no problem of access in %s", async (scheme) => {
    const page = await open(1200, scheme);
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(background).toBe(scheme === "dark" ? "rgb(20, 23, 28)" : "rgb(255, 255, 255)");
    await page.addScriptTag({ content: axe.source });
    const problems = await page.evaluate(async () => {
      const { violations } = await (
        globalThis as unknown as { axe: { run(): Promise<{ violations: object[] }> } }
      ).axe.run();
      return violations.map((found) => JSON.stringify(found));
    });
    expect(problems).toEqual([]);
    await page.close();
  });
});
