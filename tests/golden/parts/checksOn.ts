import { type Backend, init } from "@lowrank/core";
import type { Check } from "../check/compare.ts";
import { callsOnHost, countCalls, describeCalls } from "../check/countCalls.ts";
import type { GoldenPart } from "../check/goldenFiles.ts";
import type { GoldenBackend } from "./backends.ts";
import { isWanted } from "./parts.ts";

/** Settings of a run of golden checks. */
interface RunSettings {
  /** Parts to check, by name. Default: all. */
  readonly only?: readonly string[];
  /** True to count op calls by their runner, which the last check reports. */
  readonly counted?: boolean;
}

/**
 * Starts a backend and checks parts of the golden data on it. An error is a failed check, and the next part continues.
 * If the backend is not available, one check reports the reason.
 */
export async function* checksOn(
  { start, onDevice }: GoldenBackend,
  parts: AsyncIterable<GoldenPart>,
  { only = [], counted = false }: RunSettings = {},
): AsyncGenerator<Check> {
  const started = await start();
  if (typeof started === "string") {
    yield { name: "all", skipped: started };
    return;
  }
  const calls = counted ? countCalls(started) : null;
  await init(calls?.backend ?? started);
  let some = false;
  for await (const check of wantedChecks(parts, only)) {
    some = true;
    yield check;
  }
  if (!calls || !some) return;
  const onHost = callsOnHost(calls.counts);
  yield {
    name: "op calls",
    note: describeCalls(calls.counts) + describeDevice(started),
    ...(onDevice && onHost > 0 && { error: `${onHost} ran on the host; its ops need kernels or compositions` }),
  };
}

async function* wantedChecks(parts: AsyncIterable<GoldenPart>, only: readonly string[]): AsyncGenerator<Check> {
  const missing = new Set(only);
  let name = "the golden data";
  try {
    for await (const part of parts) {
      if (!isWanted(part.name, only)) continue;
      for (const wanted of missing) if (isWanted(part.name, [wanted])) missing.delete(wanted);
      name = part.name;
      try {
        yield* part.checks();
      } catch (error) {
        yield failure(name, error as Error);
      }
    }
  } catch (error) {
    yield failure(`what comes behind ${name}`, error as Error);
  }
  for (const wanted of missing) yield { name: wanted, error: "no part of the golden data has this name" };
}

const failure = (name: string, error: Error): Check => ({ name: `the rest of ${name}`, error: error.stack });

/** Returns a human-readable name of a backend's adapter on a graphics processor. */
function describeDevice(backend: Backend & { adapter?: string }): string {
  return backend.adapter === undefined ? "" : `; on ${backend.adapter}`;
}
