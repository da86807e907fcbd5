import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import type { Browser, BrowserContext, Page } from "playwright";
import { samplePage, serve } from "./serve.ts";

/** The page's script; a copy of it imports `lowrank` from its folder. */
export const pageScript: string = join(import.meta.dirname, "page.js");

/** An adapter that a page trained and downloaded, and its results there. */
export interface PageTraining {
  /** The folder of the downloaded files. */
  readonly adapter: string;
  readonly inputIds: number[][];
  readonly logits: number[];
  /** Differences between the interrupted training and the uninterrupted one; expected to be empty. */
  readonly problems: string[];
}

interface Result {
  losses: number[];
  inputIds: number[][];
  logits: number[];
}

/** The start of a training, as the page reports it. */
interface Start {
  from: number;
  warnings: { code: string; message: string }[];
}

const limitMs = 120_000;
const last = "checkpoint-20";

/**
 * Fine-tunes the model of a folder in a page twice: in one run, and by three pages. The first of these crashes while it
 * writes a checkpoint, and the second is reloaded between two checkpoints. Compares the full contents of the last
 * checkpoints, and downloads the adapter. `script` is the path of the page's script, `work` an empty folder.
 */
export async function trainInPage(
  browser: Browser,
  { script, model, work }: { script: string; model: string; work: string },
): Promise<PageTraining> {
  const site = join(work, "site");
  await build({
    entryPoints: { page: script },
    // The sources import it for hf:// addresses; packages include a build of it for browsers.
    external: ["@huggingface/hub"],
    ...{ bundle: true, splitting: true, format: "esm", platform: "browser", outdir: site, logLevel: "error" },
  });
  writeFileSync(join(site, "index.html"), samplePage);
  cpSync(model, join(site, "model"), { recursive: true });
  const server = await serve(site, {});
  try {
    const context = await browser.newContext({ acceptDownloads: true });
    try {
      return await withinLimit(trainTwice(context, server.url, join(work, "adapter")));
    } finally {
      await context.close();
    }
  } finally {
    await server.close();
  }
}

async function trainTwice(context: BrowserContext, url: string, adapter: string): Promise<PageTraining> {
  const reports = new Reports();
  await context.exposeFunction("report", (kind: string, value: unknown) => reports.take(kind, value));
  const whole = await train(await open(context, url), "whole");
  const problems = [...started("the first page", reports.start, 0, [])];

  // checkpoint-5 takes six files; the page hangs when half of checkpoint-10 is written.
  const first = await open(context, url);
  await first.evaluate("hangAfter(9)");
  await diesAt(reports.when("hang"), first);
  await first.close();

  const second = await open(context, url);
  await diesAt(reports.when("step", 17), second);
  problems.push(...started("the second page", reports.start, 5, ["incomplete-checkpoint"]));
  await second.reload();
  await second.waitForFunction("globalThis.train");

  const rest = await train(second, "run");
  problems.push(...started("the reloaded page", reports.start, 15, []));
  if (String(rest.losses) !== String(whole.losses.slice(15))) {
    problems.push(`losses after the reload are ${rest.losses}, in one go ${whole.losses.slice(15)}`);
  }
  if (whole.losses[19] >= whole.losses[0]) problems.push(`losses do not fall: ${whole.losses}`);
  problems.push(...(await differences(second)));
  mkdirSync(adapter);
  for (const name of ["adapter_config.json", "adapter_model.safetensors"]) {
    const [download] = await Promise.all([
      second.waitForEvent("download"),
      second.evaluate(`download("run/${last}", ${JSON.stringify(name)})`),
    ]);
    await download.saveAs(join(adapter, download.suggestedFilename()));
  }
  return { adapter, inputIds: rest.inputIds, logits: rest.logits, problems };
}

/** Receives the reports of pages: keeps the last start, and stops the page at the awaited moment. */
class Reports {
  start: Start | undefined;
  #awaited: { kind: string; value?: unknown; reached: () => void } | undefined;

  when(kind: string, value?: unknown): Promise<void> {
    return new Promise((reached) => {
      this.#awaited = { kind, value, reached };
    });
  }

  async take(kind: string, value: unknown): Promise<void> {
    if (kind === "start") this.start = value as Start;
    const awaited = this.#awaited;
    if (awaited?.kind !== kind || (awaited.value ?? value) !== value) return;
    this.#awaited = undefined;
    awaited.reached();
    await new Promise(() => {});
  }
}

async function open(context: BrowserContext, url: string): Promise<Page> {
  const tab = await context.newPage();
  await tab.goto(url);
  await tab.waitForFunction("globalThis.train");
  return tab;
}

function train(tab: Page, folder: string): Promise<Result> {
  return tab.evaluate<Result>(`train(${JSON.stringify(folder)})`);
}

/** Trains in a page up to the moment at which it must crash. */
async function diesAt(moment: Promise<void>, tab: Page): Promise<void> {
  const training = train(tab, "run");
  const early = training.then(() => Promise.reject(new Error("the training ended before the page was to die")));
  await Promise.race([moment, early]);
}

function started(page: string, start: Start | undefined, from: number, codes: readonly string[]): string[] {
  const found = start?.warnings.map(({ code }) => code);
  if (start?.from === from && String(found) === String(codes)) return [];
  return [`${page} went on from step ${start?.from} with warnings [${found}]; expected ${from} and [${codes}]`];
}

/** Compares the last checkpoints of both trainings, byte by byte. */
async function differences(tab: Page): Promise<string[]> {
  const read = (folder: string) => tab.evaluate<Record<string, string>>(`filesOf("${folder}/${last}")`);
  const [whole, run] = [await read("whole"), await read("run")];
  const names = new Set([...Object.keys(whole), ...Object.keys(run), "adapter_model.safetensors"]);
  return [...names].flatMap((name) =>
    whole[name] !== undefined && whole[name] === run[name]
      ? []
      : [`${name} of ${last} is not that of the training in one go`],
  );
}

async function withinLimit<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the page still trains after ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
