/** The text, tokens and log probabilities of one completion. */
export interface Completion {
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
export function readCompletion(body: string): Completion {
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
export function sameTokens(a: Completion, b: Completion): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
