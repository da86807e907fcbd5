import { memoryFiles } from "@lowrank/files";
import type { Check } from "../check/compare.ts";
import { namedBackend } from "../parts/backends.ts";
import { checksOn } from "../parts/checksOn.ts";
import { goldenParts } from "../parts/parts.ts";

/** A run of golden checks in a browser. */
export interface GoldenJob {
  /** The page, or a Web Worker started by it. */
  readonly place: "page" | "worker";
  /** The backend's name. */
  readonly backend: string;
  readonly threads: number;
  /** Parts to check, by name; an empty list means all. */
  readonly only: readonly string[];
}

/** The address of the golden files, and their names. */
export interface GoldenPlace {
  readonly url: string;
  readonly names: readonly string[];
}

/** Runs the checks of a job in the current page or Worker. All golden files are loaded first. */
export async function* jobChecks(
  { backend, threads, only }: GoldenJob,
  { url, names }: GoldenPlace,
): AsyncGenerator<Check> {
  const contents = await Promise.all(
    names.map(async (name) => {
      const response = await fetch(new URL(name, url));
      if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
      return [name, await response.arrayBuffer()] as const;
    }),
  );
  const parts = goldenParts(memoryFiles(new Map(contents), url));
  yield* checksOn(namedBackend(backend, threads), parts, { only, counted: true });
}
