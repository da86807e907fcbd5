import { globSync, statSync } from "node:fs";
import { join } from "node:path";
import { chromiumFlags } from "@lowrank/test-support/chromium";
import { openSourcePage } from "@lowrank/test-support/sourcePage";
import sirv from "sirv";
import type { Plugin } from "vite";
import type { Check } from "../check/compare.ts";
import type { GoldenJob } from "./job.ts";
import { Mailbox } from "./mailbox.ts";
import type { GoldenPage } from "./page.ts";

/** The URL path of the golden files for the page. */
const path = "/golden-files";

/** Blocks every address except the loopback. */
const loopbackOnly = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1";

/** Returns the environment that --in names. Throws for another name. */
export function placeOf(name: string): GoldenJob["place"] {
  if (name === "page" || name === "worker") return name;
  throw new Error(`golden: --in is "${name}"; use page or worker`);
}

function serveFolder(dir: string): Plugin {
  return {
    name: "lowrank:golden-files",
    configureServer: (server) => void server.middlewares.use(path, sirv(dir, { dev: true, etag: false })),
  };
}

/**
 * Runs the golden checks of a folder in headless Chromium, in a page or in its Web Worker. All that the browser loads
 * comes from a server of this process.
 */
export async function* checksInChromium(dir: string, job: GoldenJob): AsyncGenerator<Check> {
  const flags = [...chromiumFlags, loopbackOnly];
  await using opened = await openSourcePage("tests/golden/inChromium/page.ts", {
    plugins: [serveFolder(dir)],
    flags,
  });
  const { page, version } = opened;
  console.log(`${job.place} of ${version}`);
  const mailbox = new Mailbox<Check>();
  await page.exposeFunction("reportCheck", (check: Check) => mailbox.put(check));
  page.once("crash", () => mailbox.close(new Error("the page crashed")));
  const names = globSync("**/*", { cwd: dir }).filter((name) => statSync(join(dir, name)).isFile());
  const place = { url: new URL(`${path}/`, page.url()).href, names };
  await page.waitForFunction("globalThis.runGolden");
  page
    .evaluate((given) => (globalThis as unknown as GoldenPage).runGolden(...given), [job, place] as const)
    .then(
      () => mailbox.close(),
      (error: Error) => mailbox.close(error),
    );
  yield* mailbox.read();
}
