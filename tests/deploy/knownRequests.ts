import type { Random } from "@lowrank/test-support/random";
import { askRetrying } from "./askRetrying.ts";
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

/** The text, tokens and log probabilities of one completion. */
interface Completion {
  readonly text: string;
  readonly tokens: readonly string[];
  /** As the server wrote them: equal values have equal bits. */
  readonly logprobs: readonly number[];
  readonly finish: string;
  /** Identifies the model and the version of the adapter. */
  readonly fingerprint: string;
}

interface Body {
  readonly system_fingerprint: string;
  readonly choices: readonly {
    readonly text: string;
    readonly finish_reason: string | null;
    readonly logprobs: { readonly tokens: readonly string[]; readonly token_logprobs: readonly number[] } | null;
  }[];
}

/** Reads the body of an answer of /v1/completions, complete or streamed, with `logprobs` and one choice. */
function readCompletion(body: string): Completion {
  const pieces: Body[] = body.startsWith("data: ")
    ? body
        .split("\n\n")
        .filter((event) => event.startsWith("data: {"))
        .map((event) => JSON.parse(event.slice("data: ".length)))
    : [JSON.parse(body)];
  const choices = pieces.flatMap((piece) => piece.choices);
  return {
    text: choices.map((choice) => choice.text).join(""),
    tokens: choices.flatMap((choice) => choice.logprobs?.tokens ?? []),
    logprobs: choices.flatMap((choice) => choice.logprobs?.token_logprobs ?? []),
    finish: choices.at(-1)?.finish_reason ?? "",
    fingerprint: pieces[0].system_fingerprint,
  };
}

/** Returns true if both have the same tokens and bit-identical log probabilities. */
function sameTokens(a: Completion, b: Completion): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
