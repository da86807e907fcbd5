import type { Example, ExampleOf } from "../kernel/example.ts";
import { f32, state } from "./shrink.ts";

/** Parameters of an attention call that the example changes. */
interface AttentionCall {
  readonly keyLength?: number;
  readonly state?: unknown;
}

/**
 * Makes an example of an attention call with the same head size but fewer queries and keys. Up to 3 queries are kept;
 * more are reduced to at most one full tile and part of a second. `before` and `behind` list the inputs before q and
 * after v by their shapes: "q" is shaped like q, "lse" like the log-sum-exp.
 */
export const attentionExample =
  <P extends AttentionCall>(before: readonly "q"[] = [], behind: readonly ("q" | "lse")[] = []): ExampleOf<P> =>
  (inputs, given): Example<P> => {
    const { keyLength, ...params } = given;
    const at = before.length;
    const [[, queries, heads, size], [, capacity, kvHeads]] = [inputs[at].shape, inputs[at + 1].shape];
    const [t, s] = [queries > 3 ? Math.min(queries, 35) : queries, Math.min(keyLength ?? capacity, 67)];
    const group = heads / kvHeads;
    const q = f32(1, t, group, size);
    const kinds = { q, lse: f32(1, group, t) };
    const masked = inputs.length > before.length + 3 + behind.length;
    return {
      inputs: [
        ...before.map((kind) => kinds[kind]),
        ...[q, f32(1, s, 1, size), f32(1, s, 1, size)],
        ...behind.map((kind) => kinds[kind]),
        ...(masked ? [{ shape: [1, 1, t, s], dtype: "bool" } as const] : []),
      ],
      params: { ...(params as P), ...(given.state !== undefined && { state }) },
    };
  };
