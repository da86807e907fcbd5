import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { docBlocks } from "@lowrank/test-support/docBlocks";
import type { Browser } from "playwright";
import { createServer } from "vite";

const limitMs = 60_000;

/** Returns the code blocks of a guide that begin with a file name, by that name; `output` is the guide's output. */
function filesOf(guide: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const { code, language } of docBlocks(guide, readFileSync(guide, "utf8"))) {
    const text = code.trimStart();
    const name = /^(?:\/\/|<!--) ([\w.]+)(?: -->)?\n/.exec(text)?.[1];
    if (name) files.set(name, text);
    else if (language === "text" && !files.has("output")) files.set("output", text);
  }
  return files;
}

/** Returns a problem for each line of a guide's output that is missing; the values of losses may differ. */
function missingLines(expected: string, output: string): string[] {
  const lines = expected.trim().split("\n");
  const came = (line: string) => output.includes(line.replace(/loss [\d.]+$/, "loss "));
  return lines.filter((line) => !came(line)).map((line) => `"${line}" did not come; there was:\n${output}`);
}

/** Follows docs/first-fine-tune.md in a folder with the packages installed. */
export function followNodeGuide(root: string, user: string, env: NodeJS.ProcessEnv): string[] {
  const files = filesOf(join(root, "docs/first-fine-tune.md"));
  let output = "";
  for (const name of ["train.js", "ask.js"]) {
    writeFileSync(join(user, name), files.get(name) as string);
    const { status, stdout, stderr } = spawnSync("node", [name], { cwd: user, env, encoding: "utf8" });
    if (status !== 0) return [`${name} ended with exit code ${status}: ${stderr}`];
    output += stdout;
  }
  return missingLines(`${files.get("output")}console.log(score > 40);`, output);
}

/** Follows docs/browser.md with Vite's development server and Chromium. */
export async function followPageGuide(root: string, user: string, browser: Browser): Promise<string[]> {
  const files = filesOf(join(root, "docs/browser.md"));
  const folder = join(user, "guide");
  mkdirSync(join(folder, "public"), { recursive: true });
  cpSync(join(user, "node_modules/@lowrank/nano/model"), join(folder, "public/nano"), { recursive: true });
  for (const name of ["index.html", "engine.js", "page.js"]) {
    writeFileSync(join(folder, name), files.get(name) as string);
  }
  // The packages are installed above the folder, which the server does not serve by default.
  const server = await createServer({
    root: folder,
    configFile: false,
    logLevel: "error",
    server: { fs: { strict: false } },
  });
  const tab = await browser.newPage();
  const failures: string[] = [];
  tab.on("pageerror", ({ message }) => failures.push(message));
  try {
    await server.listen();
    await tab.goto(server.resolvedUrls?.local[0] as string);
    const ended = "document.querySelector('pre')?.textContent.endsWith('done\\n')";
    await tab.waitForFunction(ended, null, { timeout: limitMs }).catch(() => failures.push("the page did not end"));
    const shown =
      (await tab
        .locator("pre")
        .textContent({ timeout: 1000 })
        .catch(() => "")) ?? "";
    return [...failures, ...missingLines(files.get("output") as string, shown)];
  } finally {
    await tab.close();
    await server.close();
  }
}
