import fc from "fast-check";

/** Name or id in a step: one of the fixed ones, or the `nth` that a tenant has made so far. */
export type Ref =
  | { readonly of: "fixed"; readonly at: number }
  | { readonly of: "own"; readonly at: number }
  | { readonly of: "other"; readonly at: number };

/** Step of a tenant. */
export type Step =
  | {
      readonly do: "generate";
      readonly route: string;
      readonly model: Ref;
      readonly prompt: string;
      readonly hold: boolean;
    }
  | { readonly do: "models" | "files" | "jobs" | "stats" | "metrics" | "load" | "release" }
  | { readonly do: "model" | "deleteModel" | "file" | "content" | "deleteFile"; readonly ref: Ref }
  | { readonly do: "job" | "events" | "checkpoints" | "cancel" | "pause" | "resume"; readonly ref: Ref }
  | {
      readonly do: "loadAdapter";
      readonly name: number;
      readonly path: Ref;
      readonly replace: boolean;
      readonly pin: boolean;
    }
  | { readonly do: "unloadAdapter"; readonly name: Ref }
  | { readonly do: "upload"; readonly content: number }
  | { readonly do: "order"; readonly file: Ref; readonly suffix: number }
  /** Trains the nth job; a new one if there are fewer. */
  | { readonly do: "train"; readonly job: number; readonly seed: number; readonly fails: boolean };

/** Step of the operator, of which tenants see only the effects. */
export type OperatorStep =
  | { readonly do: "write"; readonly folder: number; readonly seed: number }
  | { readonly do: "name"; readonly name: number; readonly folder: number; readonly tenants: readonly number[] | null }
  /** Names a folder for one of the others only. */
  | { readonly do: "grant"; readonly which: number; readonly name: number; readonly folder: number }
  | { readonly do: "nameModel"; readonly of: number; readonly at: number }
  | { readonly do: "drop"; readonly name: number };

/** Names that tenants and the operator give, and paths of folders. */
export const names: readonly string[] = ["acme/v1", "acme/x", "umbrella/x", "umbrella/v1", "shared/x", "poet", "p/1"];
export const folders: readonly string[] = ["acme/v1", "umbrella/v1", "shared/v1", "vault/v1"];

/** Further names and paths that a request may try. */
export const odd: readonly string[] = [
  ...["base", "missing", ".fine-tuning", "tenant:acme:acme/x", "tenant:all:poet", "ft:base:acme::1", "acme/../x", ""],
];

const ref: fc.Arbitrary<Ref> = fc.record({
  of: fc.constantFrom("fixed" as const, "own" as const, "own" as const, "other" as const),
  at: fc.nat(30),
});
const routes = ["/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/tokenize", "/detokenize"];
const prompts = ["a b c d e f", "a b c d e g", "a b", "secret words of one tenant", ""];

/** Draws a step of a tenant. */
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ do: fc.constant("generate" as const), route: fc.constantFrom(...routes), model: ref },
      ...{ prompt: fc.constantFrom(...prompts), hold: fc.boolean() },
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("models" as const, "models", "files", "jobs", "stats", "metrics", "load", "release"),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ref,
      do: fc.constantFrom("model" as const, "deleteModel", "file", "content", "deleteFile"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      ref,
      do: fc.constantFrom("job" as const, "events", "checkpoints", "cancel", "pause", "resume"),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ do: fc.constant("loadAdapter" as const), name: fc.nat(30), path: ref },
      ...{ replace: fc.boolean(), pin: fc.boolean() },
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("unloadAdapter" as const), name: ref }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("upload" as const), content: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("order" as const), file: ref, suffix: fc.nat(4) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ do: fc.constant("train" as const), job: fc.nat(2), seed: fc.nat(2) },
      fails: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    }),
  },
);

/** Draws a step of the operator. */
const operatorStep: fc.Arbitrary<OperatorStep> = fc.oneof(
  fc.record({ do: fc.constant("write" as const), folder: fc.nat(3), seed: fc.integer({ min: 100, max: 104 }) }),
  fc.record({
    ...{ do: fc.constant("name" as const), name: fc.nat(6), folder: fc.nat(3) },
    tenants: fc.option(fc.subarray([0, 1, 2, 3, 4, 5, 6, 7, 8], { maxLength: 3 })),
  }),
  fc.record({ do: fc.constant("nameModel" as const), of: fc.nat(8), at: fc.nat(3) }),
  fc.record({ do: fc.constant("drop" as const), name: fc.nat(6) }),
);

/** Turn of a sequence. A turn of the others has a step for each of the two worlds. */
type Turn =
  | { readonly by: "observer"; readonly step: Step }
  | { readonly by: "operator"; readonly step: OperatorStep }
  | { readonly by: "others"; readonly which: number; readonly step: Step; readonly otherwise: Step | null };

/** Sequence of turns in two worlds. Keys are given by their index in the list of keys. */
export interface Sequence {
  readonly task: "generate" | "embed";
  readonly observer: number;
  readonly others: readonly number[];
  readonly turns: readonly Turn[];
}

/** Draws a grant of the operator, a load of a folder by one of the others, and a list of models. */
const grantedLoad: fc.Arbitrary<Turn[]> = fc
  .record({
    ...{ to: fc.nat(2), which: fc.nat(2), granted: fc.nat(6), name: fc.nat(30), folder: fc.nat(3) },
    path: fc.option(fc.nat(3)),
  })
  .map(({ to, which, granted, name, folder, path }): Turn[] => {
    const source: Ref = { of: "fixed", at: path ?? folder };
    const load: Step = { do: "loadAdapter", name, path: source, replace: true, pin: false };
    return [
      { by: "operator", step: { do: "grant", which: path === null ? which : to, name: granted, folder } },
      { by: "others", which, step: load, otherwise: null },
      { by: "observer", step: { do: "models" } },
    ];
  });

/** Draws a sequence. The worlds differ only in the steps of the others. */
export const sequence: fc.Arbitrary<Sequence> = fc.record({
  task: fc.constantFrom("generate" as const, "generate", "generate", "embed"),
  observer: fc.nat(8),
  others: fc.array(fc.nat(8), { minLength: 2, maxLength: 3 }),
  turns: fc
    .array(
      fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({ by: fc.constant("observer" as const), step }).map((turn): Turn[] => [turn]),
        },
        {
          weight: 4,
          arbitrary: fc
            .record({
              ...{ by: fc.constant("others" as const), which: fc.nat(2), step },
              otherwise: fc.option(step, { freq: 1 }),
            })
            .map((turn): Turn[] => [turn]),
        },
        {
          weight: 1,
          arbitrary: fc
            .record({ by: fc.constant("operator" as const), step: operatorStep })
            .map((turn): Turn[] => [turn]),
        },
        { weight: 1, arbitrary: grantedLoad },
      ),
      { minLength: 6, maxLength: 20 },
    )
    .map((turns) => turns.flat()),
});
