// Runs golden checks in a Web Worker of Chromium, and reports each to the page.
import type { Check } from "../check/compare.ts";
import { type GoldenJob, type GoldenPlace, jobChecks } from "./job.ts";

/** A message to the page; the last is "end" or an error. */
export type WorkerMessage = { check: Check } | { error: string } | "end";

const tell = (message: WorkerMessage): void => postMessage(message);

async function run(job: GoldenJob, place: GoldenPlace): Promise<void> {
  for await (const check of jobChecks(job, place)) tell({ check });
  tell("end");
}

addEventListener("message", ({ data: [job, place] }: MessageEvent<[GoldenJob, GoldenPlace]>) => {
  run(job, place).catch((error: Error) => tell({ error: String(error.stack) }));
});
