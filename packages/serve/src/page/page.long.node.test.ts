import { createHash } from "node:crypto";
import { chromiumFlags, findChromium } from "@lowrank/test-support/chromium";
import { type Browser, chromium, type Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../http/createApp.ts";
import { listening } from "../testing/listening.ts";
import { ScriptedEngine } from "../testing/scriptedEngine.ts";

const executablePath = findChromium();

test("the page loads nothing from elsewhere, and its policy allows its own script alone", async () => {
  const response = await createApp({ engine: new ScriptedEngine() }).request("/");
  const html = await response.text();
  const policy = response.headers.get("content-security-policy") ?? "";
  const [, script] = /<script>([\s\S]*)<\/script>/.exec(html) as RegExpExecArray;
  expect(policy).toContain(`script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`);
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
  expect(html).not.toMatch(/(?:src|href)="(?!data:)|https?:\/\/|@import|url\(/);
  expect(script).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/);
});

describe.skipIf(executablePath === undefined)("in Chromium", () => {
  const attack = '<img src=x onerror="document.title=1">';
  let browser: Browser;
  let server: Awaited<ReturnType<typeof listening>>;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: chromiumFlags });
    const keys = [{ id: "me", sha256: createHash("sha256").update("my-key").digest("hex"), operator: true }];
    const engine = new ScriptedEngine({ adapters: [attack, "judge"], words: ["<b>", attack, " end"], delay: 400 });
    server = await listening({ engine, keys });
    page = await browser.newPage();
    page.on("console", (message) => void (message.type() === "error" && problems.push(message.text())));
    page.on("pageerror", (error) => void problems.push(error.message));
    await page.goto(server.url);
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  test("two adapters answer side by side, the batch is watched, and all is text", async () => {
    await expect.poll(() => page.textContent("#state")).toContain("didn't provide an API key");
    problems.length = 0;
    await page.fill("#key", "my-key");
    await page.locator("#key").blur();
    await expect.poll(() => page.locator("#left-model option").count()).toBe(3);
    await page.selectOption("#left-model", attack);
    await page.selectOption("#right-model", "judge");
    await page.fill("#prompt", "<i>both</i>");
    await page.press("#prompt", "Enter");
    await expect.poll(() => page.locator("#batch .row").allTextContents()).toContain("judge 1");
    expect(await page.locator("#batch .row").allTextContents()).toContain(`${attack} 1`);
    for (const side of ["left", "right"]) {
      const turns = page.locator(`#${side}-turns .turn`);
      await expect
        .poll(() => turns.allTextContents(), { timeout: 10_000 })
        .toEqual(["<i>both</i>", `<b>${attack} end`]);
    }
    expect(await page.textContent("#numbers")).toContain("pages 2 of 64");
    expect(await page.title()).toBe("Lowrank");
    expect(await page.locator("img, b, i").count()).toBe(0);
    expect(problems).toEqual([]);
  });

  test("a model without a chat template continues texts, and an encoder has no form", async () => {
    const engine = new ScriptedEngine({ hasChatTemplate: false, words: [" one", " two"] });
    await using plain = await listening({ engine });
    const other = await browser.newPage();
    await other.goto(plain.url);
    await expect.poll(() => other.textContent("#kind")).toContain("has no chat template");
    await other.fill("#prompt", "Count:");
    await other.press("#prompt", "Enter");
    await expect.poll(() => other.locator("#left-turns .assistant").allTextContents()).toEqual([" one two"]);
    expect(engine.requests.map(({ prompt }) => prompt)).toEqual([{ text: "Count:" }, { text: "Count:" }]);
    await using encoder = await listening({ engine: new ScriptedEngine({ task: "embed" }) });
    await other.goto(encoder.url);
    await expect.poll(() => other.textContent("#kind")).toContain("/v1/embeddings");
    expect(await other.locator("#ask").isVisible()).toBe(false);
    await other.close();
  });

  test("a chat goes on, can be stopped, and tells failures", async () => {
    await page.fill("#prompt", "again");
    await page.click("button.main");
    await expect.poll(() => page.locator("#left-turns .turn").count()).toBe(4);
    await page.click("#stop");
    await expect.poll(() => page.locator("#stop").isDisabled()).toBe(true);
    await page.fill("#temperature", "9");
    await page.fill("#prompt", "too hot");
    // Removes the browser's own check of the field, so that the server's is tested.
    await page.evaluate("document.getElementById('temperature').removeAttribute('max')");
    await page.press("#prompt", "Enter");
    await expect
      .poll(() => page.locator("#left-turns .error").allTextContents())
      .toEqual([expect.stringContaining("Invalid 'temperature'")]);
    await page.click("#clear");
    expect(await page.locator(".turn").count()).toBe(0);
  });
});
