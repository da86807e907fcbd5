import { readFileSync } from "node:fs";
import { admin, type Deployment } from "../deploy/deployment.ts";
import { ask } from "./ask.ts";
import type { Checks } from "./checks.ts";
import { eventually } from "./fault.ts";
import type { Probed } from "./healthProbe.ts";
import type { Life } from "./memory.ts";
import { percentile } from "./percentile.ts";
import { fitSlope, isUpward, leastLife } from "./slope.ts";

/** Gauges that are 0 when nothing runs. */
const levels = ["vllm:num_requests_running", "vllm:num_requests_waiting", "lowrank_cache_pages_used"];

/** Checks that replicas have not crashed, have returned no server errors, and hold no resources any more. */
export async function judgeReplicas({ replicas }: Deployment, checks: Checks): Promise<void> {
  for (const { name, url, crashes, log } of replicas) {
    checks.count("no replica crashed", crashes.length > 0 ? `${name} ended with ${crashes}` : undefined);
    // A client that disconnected is logged with that status too, although it received no answer.
    const lines = readFileSync(log, "utf8").split("\n");
    const faults = lines.filter((line) => line.includes('"status":500,') && !line.includes('"gone":true'));
    checks.count("no replica failed by itself", faults.length > 0 ? `${name}: ${faults[0]}` : undefined);
    await checks.run("what clients left behind is free", () =>
      eventually(15, async () => {
        const { body } = await ask(url, { path: "/metrics", key: admin.key });
        for (const level of levels) {
          const value = new RegExp(`^${level}(?:\\{.*\\})? (\\S+)$`, "m").exec(body)?.[1];
          if (value !== "0") throw new Error(`${name}: ${level} is ${value}, and nothing runs`);
        }
      }),
    );
  }
}

/** The most milliseconds for 95 of 100 answers of /health. */
const mostHealth = 50;

/** The most milliseconds by which 95 of 100 timers may be late on a machine that can measure times. */
const mostLate = 10;

/** Checks the response times of /health, of all replicas together. On a busy machine they are only printed. */
export function judgeHealth(probed: ReadonlyMap<string, Probed>, checks: Checks): void {
  const all = [...probed.values()].flatMap(({ milliseconds }) => milliseconds);
  const [half, most, last] = [0.5, 0.95, 1].map((share) => percentile(all, share));
  const late = percentile(
    [...probed.values()].flatMap((own) => own.late),
    0.95,
  );
  const figures = `p50 ${half.toFixed(1)} ms, p95 ${most.toFixed(1)} ms, slowest ${last.toFixed(0)} ms`;
  checks.say(`/health under load: ${figures}, of ${all.length}; timers are late by ${late.toFixed(1)} ms (p95)`);
  if (most < mostHealth) checks.count("/health under load, p95");
  else if (late > mostLate) checks.say("skipped: the time of /health (this machine's own timers are late)");
  else checks.count("/health under load, p95", `${figures}; the limit is ${mostHealth} ms`);
  const wrong = [...probed.values()].flatMap(({ statuses }) => statuses);
  checks.count("/health of a living replica is 200", wrong.length > 0 ? `it was ${wrong}` : undefined);
}

/** The fraction of the whole time that a process must have lived for its memory to be checked. */
const longLife = 0.5;

/**
 * Checks that the memory of long-lived processes has no upward slope. A run that is too short for such a process
 * reports that it does not check.
 */
export function judgeMemory(lives: readonly Life[], seconds: number, checks: Checks): void {
  let judged = 0;
  for (const { replica, pid, samples } of lives) {
    const lived = samples.at(-1)!.seconds - samples[0].seconds;
    const slope = lived >= longLife * seconds ? fitSlope(samples) : null;
    if (!slope) continue;
    judged++;
    const { perSecond, error, meanBytes } = slope;
    const perMinute = (bytes: number) => `${((60 * bytes) / 1e6).toFixed(2)} MB`;
    const figures =
      `${(meanBytes / 1e6).toFixed(0)} MB, ${perMinute(perSecond)} ± ${perMinute(error)} a minute ` +
      `over ${slope.seconds.toFixed(0)} s`;
    checks.say(`memory of ${replica} (process ${pid}): ${figures}`);
    checks.count("memory has no upward slope", isUpward(slope) ? `${replica}: ${figures}` : undefined);
  }
  if (judged > 0) return;
  if (longLife * seconds < leastLife) {
    const minutes = leastLife / longLife / 60;
    checks.say(`skipped: the slope of memory (it needs a longer run: --minutes ${minutes} or more)`);
  } else checks.count("memory has no upward slope", "no process lived long enough to be judged");
}
