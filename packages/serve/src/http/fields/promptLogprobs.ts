import type { ServingEvent } from "../../api/api.ts";

/** Log-probabilities at one prompt position in vLLM's format, by token id; null for the first token. */
export type PromptLogprob = Readonly<
  Record<string, { readonly logprob: number; readonly rank: number; readonly decoded_token: string }>
> | null;

/**
 * Returns the log-probabilities at a prompt position: of the `likeliest` most probable tokens (negative: of all
 * tokens), and of the prompt's own token.
 */
export function promptLogprobOf(
  { logprob }: Extract<ServingEvent, { type: "token" }>,
  likeliest: number,
): PromptLogprob {
  if (!logprob || logprob.logprob === null) return null;
  const shown = likeliest < 0 ? logprob.top : logprob.top.slice(0, likeliest);
  return Object.fromEntries(
    [...shown, logprob].map(({ token, text, logprob, rank }) => {
      return [String(token), { logprob: logprob as number, rank: rank as number, decoded_token: text }];
    }),
  );
}
