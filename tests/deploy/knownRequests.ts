import type { Random } from "@lowrank/test-support/random";
import { askRetrying } from "./askRetrying.ts";
import { type Completion, readCompletion, sameTokens } from "./completion.ts";
import { admin, type Tenant } from "./deployment.ts";

/** A request with known correct answers. */
export interface KnownRequest {
  readonly tenant: Tenant;
  readonly body: { readonly model: string; readonly [field: string]: unknown };
  /** The answers, by the version in their fingerprint: a name that is swapped has several. */
  readonly answers: ReadonlyMap<string, Completion>;
}

/** A name that requests may use. */
export interface UsableName {
  readonly model: string;
  readonly tenant: Tenant;
  /** Fixed names of its versions, which are not swapped. */
  readonly versions: readonly string[];
}

const prompts = [
  ["the length of name", "open a file and read it", "sort the list of numbers", "add two numbers and print the sum"],
  ["the largest of a and b", "a loop over the keys of table", "true if text begins with prefix", "reverse words"],
].flat();

/** Draws requests, half of them greedy and half with a seed, and has a server answer each of them alone. */
export async function knownRequests(
  url: string,
  names: readonly UsableName[],
  { perName, random }: { perName: number; random: Random },
): Promise<KnownRequest[]> {
  const known: KnownRequest[] = [];
  for (const { model, tenant, versions } of names) {
    for (let i = 0; i < perName; i++) {
      const body = {
        prompt: random.pick(prompts),
        max_tokens: 4 + random.below(28),
        logprobs: 1,
        ignore_eos: random.below(2) === 0,
        ...(i % 2 === 0 ? { temperature: 0 } : { temperature: 0.9, top_p: 0.95, seed: random.below(1 << 30) }),
      };
      const answers = new Map<string, Completion>();
      for (const version of versions) {
        const { status, body: text } = await askRetrying(`${url}/v1/completions`, { ...body, model: version }, admin);
        if (status !== 200) throw new Error(`${version}, asked alone, gave ${status}: ${text}`);
        const answer = readCompletion(text);
        answers.set(answer.fingerprint, answer);
      }
      known.push({ tenant, body: { ...body, model }, answers });
    }
  }
  return known;
}

/** Returns the problem of an answer, or undefined if every token is right. */
export function problemOf({ body, answers }: KnownRequest, status: number, text: string): string | undefined {
  const what = `${JSON.stringify(body)} was answered by`;
  if (status !== 200) return `${what} ${status}: ${text.slice(0, 300)}`;
  const answer = readCompletion(text);
  const expected = answers.get(answer.fingerprint);
  if (!expected) return `${what} the unknown version ${answer.fingerprint}, not ${[...answers.keys()].join(" or ")}`;
  if (sameTokens(answer, expected)) return undefined;
  return `${what} other tokens than alone: ${JSON.stringify(answer)}, not ${JSON.stringify(expected)}`;
}
