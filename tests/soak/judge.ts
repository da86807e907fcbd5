import { readFileSync } from "node:fs";
import { admin, type Deployment } from "../deploy/deployment.ts";
import { ask } from "./ask.ts";
import type { Checks } from "./checks.ts";
import { eventually } from "./fault.ts";
import type { Probed } from "./healthProbe.ts";
import type { Life } from "./memory.ts";

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

/** A line fitted to memory over time. */
export interface Slope {
  /** Bytes a second. */
  readonly perSecond: number;
  /** The standard error of `perSecond`. */
  readonly error: number;
  /** Seconds from the first point to the last. */
  readonly seconds: number;
  readonly meanBytes: number;
}

interface Sample {
  readonly seconds: number;
  readonly bytes: number;
}

/** The parts into which a life's steady time is cut. */
const parts = 12;

/** The fraction of a life that is warm-up: code is compiled, heaps and pools reach their size. */
const warmUp = 0.3;

/** The least seconds of warm-up, also in a short life: busy replicas grew for four minutes. */
const leastWarmUp = 300;

/** The seconds of steady time that a slope needs. */
const leastSteady = 300;

/** The seconds that a process must live for its memory to be checked. */
export const leastLife: number = leastWarmUp + leastSteady;

/** Student's t for ten degrees of freedom, which one sample in 40 exceeds by chance. */
const t = 2.228;

/** The fraction of the mean by which memory may rise over the steady time. */
const mostRise = 0.05;

/**
 * Fits a line to a process's memory after its warm-up. The steady time is cut into parts, and the minimum of each
 * counts: garbage comes and goes, but a leak raises the minimum. Returns null if the time is too short.
 */
export function fitSlope(samples: readonly Sample[]): Slope | null {
  if (samples.length === 0) return null;
  const [first, last] = [samples[0].seconds, (samples.at(-1) as Sample).seconds];
  const warm = first + Math.max(leastWarmUp, warmUp * (last - first));
  const steady = samples.filter(({ seconds }) => seconds >= warm);
  if (last - warm < leastSteady || steady.length < 2 * parts) return null;
  const points = Array.from({ length: parts }, (_, i) => {
    const part = steady.slice((i * steady.length) / parts, ((i + 1) * steady.length) / parts);
    return part.reduce((least, sample) => (sample.bytes < least.bytes ? sample : least));
  });
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(({ seconds }) => seconds)), mean(points.map(({ bytes }) => bytes))];
  const spread = points.reduce((sum, { seconds }) => sum + (seconds - x) ** 2, 0);
  const perSecond = points.reduce((sum, { seconds, bytes }) => sum + (seconds - x) * (bytes - y), 0) / spread;
  const residue = points.reduce((sum, { seconds, bytes }) => sum + (bytes - y - perSecond * (seconds - x)) ** 2, 0);
  const error = Math.sqrt(residue / (parts - 2) / spread);
  const seconds = (steady.at(-1) as Sample).seconds - steady[0].seconds;
  return { perSecond, error, seconds, meanBytes: y };
}

/**
 * Returns true if a line rises significantly, and by more than a twentieth of the memory. Both must hold: over a long
 * time any drift is significant, and over a short time chance alone can cause a rise.
 */
export function isUpward({ perSecond, error, seconds, meanBytes }: Slope): boolean {
  return perSecond > t * error && perSecond * seconds > mostRise * meanBytes;
}

/** Returns the value below which the fraction `share` of the values is; NaN without values. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
