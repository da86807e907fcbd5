import type { Browser } from "playwright";
import { runInChromium } from "./inChromium.ts";
import { differences, type ServerRun } from "./sample.ts";

/** The environments in which a bundle runs, as columns of the table. */
export const places = ["page", "Web Worker", "lowrank/worker"] as const;

/** A bundle in a browser: the problems in each environment. */
export interface Placed {
  readonly name: string;
  readonly problems: Readonly<Record<(typeof places)[number], readonly string[]>>;
}

/**
 * Runs a bundle in a page, in the page's Web Worker and by the engine in a Worker; compares the results with Node's.
 */
export async function runPlaces(
  browser: Browser,
  bundler: string,
  outDir: string,
  inNode: ServerRun,
  isolated: boolean,
): Promise<Placed> {
  // If memory cannot be shared, one thread gives the same results as two, to the bit.
  const expected = { ...inNode.page, threads: isolated ? inNode.page.threads : 1 };
  const name = `${bundler}, ${isolated ? "isolated" : "not isolated"}`;
  try {
    const { page, worker, engine } = await runInChromium(browser, outDir, isolated);
    const problems = {
      page: differences(page, expected),
      "Web Worker": differences(worker, expected),
      "lowrank/worker": differences(engine, inNode.engine),
    };
    return { name, problems };
  } catch (error) {
    const problems = [(error as Error).message];
    return { name, problems: { page: problems, "Web Worker": problems, "lowrank/worker": problems } };
  }
}

/** Returns the table of bundles and places as text. */
export function placesTable(rows: readonly Placed[]): string {
  const line = (first: string, cells: readonly string[]) =>
    `${first.padEnd(32)}${cells.map((c) => c.padEnd(16)).join("")}`;
  return [
    line("bundle", places),
    ...rows.map(({ name, problems }) =>
      line(
        name,
        places.map((place) => (problems[place].length === 0 ? "as in Node" : "FAILED")),
      ),
    ),
  ]
    .map((text) => text.trimEnd())
    .join("\n");
}
