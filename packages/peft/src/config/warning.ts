/**
 * The codes of warnings. A method from outside may have codes of its own.
 *
 * - `unmatched-target`: a name of `targetModules` is that of no module
 * - `unused-pattern`: a key of a pattern, an exclusion or a layer's number meets no target
 * - `ambiguous-pattern`: two keys of a pattern say different things of a layer, and files change
 *   their order
 * - `missing-module`: a name of `modulesToSave` is that of no module
 * - `tied-weight`: an adapted layer shares its weight with another, which stays as it is
 * - `changed-base`: the start of an adapter sets base weights anew
 * - `needs-data`: an adapter starts from data, and was made without
 * - `start-not-repeatable`: a start that is made again at each load comes out otherwise in other
 *   programs
 * - `adjusted-size`: a size does not go with a layer, and another is taken there
 * - `no-identity`: a fresh adapter changes the model's answers
 * - `unused-field`: a configuration file has fields that are not used
 * - `outdated-file`: a file's adapter acts otherwise here than in the program that wrote it
 * - `unread-file`: a file beside an adapter is not read
 * - `key-mismatch`: a file lacks tensors, or holds more than the adapter has
 * - `unmerged`: merged weights were taken out, since another adapter is to act
 */
export type WarningCode =
  | "unmatched-target"
  | "unused-pattern"
  | "ambiguous-pattern"
  | "missing-module"
  | "tied-weight"
  | "changed-base"
  | "needs-data"
  | "start-not-repeatable"
  | "adjusted-size"
  | "no-identity"
  | "unused-field"
  | "outdated-file"
  | "unread-file"
  | "key-mismatch"
  | "unmerged";

/** A warning to the user: `code` is for programs, `message` for people. */
export interface Warning {
  readonly code: WarningCode | (string & {});
  /** Names the thing and says what to do. No program should go by its words. */
  readonly message: string;
}

/** Takes warnings. */
export type OnWarning = (warning: Warning) => void;

/** Writes a warning's message to the console. */
export function printWarning({ message }: Warning): void {
  console.warn(message);
}
