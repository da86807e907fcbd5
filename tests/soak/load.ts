import { Random } from "@lowrank/test-support/random";
import { askRetrying } from "../deploy/askRetrying.ts";
import { type KnownRequest, problemOf } from "../deploy/knownRequests.ts";
import type { Checks } from "./checks.ts";

/** Statistics of a load. */
export interface LoadCounts {
  answers: number;
  /** Answers that needed a retry. */
  retried: number;
  tokens: number;
  /** Seconds of each answer. */
  readonly seconds: number[];
}

/**
 * Runs clients that send known requests to `url`, one after another, until `isOver`. Every answer is compared with the
 * answer of a separate server, token for token.
 */
export async function runLoad(
  url: string,
  known: readonly KnownRequest[],
  { clients, seed, checks, isOver }: { clients: number; seed: number; checks: Checks; isOver: () => boolean },
): Promise<LoadCounts> {
  const counts: LoadCounts = { answers: 0, retried: 0, tokens: 0, seconds: [] };
  const client = async (random: Random) => {
    while (!isOver()) {
      // Squaring makes the first names the most popular.
      const request = known[Math.floor(random.next() ** 2 * known.length)];
      const body = { ...request.body, stream: random.below(2) === 0 };
      const headers = random.below(2) === 0 ? { "x-adapter": request.body.model } : undefined;
      const start = performance.now();
      await checks.run("answers under load have the tokens of a server alone", async () => {
        const options = { key: request.tenant.key, headers };
        const answer = await askRetrying(`${url}/v1/completions`, body, options);
        const problem = problemOf(request, answer.status, answer.body);
        if (problem !== undefined) throw new Error(problem);
        if (answer.attempts > 1) counts.retried++;
      });
      counts.answers++;
      counts.tokens += [...request.answers.values()][0].tokens.length;
      counts.seconds.push((performance.now() - start) / 1000);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, i) => client(new Random(seed * 1000 + i))));
  return counts;
}
