/**
 * The codes of warnings. Custom methods may use other codes.
 *
 * - `unmatched-target`: no module has a name listed in `targetModules`
 * - `unused-pattern`: a key of a pattern, an exclusion or a layer number matches no target
 * - `ambiguous-pattern`: two keys of a pattern give different values for a layer, and files change their order
 * - `missing-module`: no module has a name listed in `modulesToSave`
 * - `tied-weight`: an adapted layer shares its weight with another layer, which is not adapted
 * - `changed-base`: an initialisation overwrites base weights
 * - `needs-data`: the adapter's initialisation requires data that was not given
 * - `start-not-repeatable`: an initialisation that is repeated at each load gives other results in other programs
 * - `adjusted-size`: a size does not fit a layer and was changed for it
 * - `no-identity`: a new adapter changes the model's outputs
 * - `unused-field`: a configuration file has fields that are not used
 * - `outdated-file`: an adapter acts differently here than in the program that wrote the file
 * - `unread-file`: a file in the adapter's folder is ignored
 * - `key-mismatch`: a file lacks tensors, or has more than the adapter
 * - `unmerged`: merged weights were unmerged to activate another adapter
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

/** A warning to the user: `code` for programs, `message` for people. */
export interface Warning {
  readonly code: WarningCode | (string & {});
  /** Describes the problem and what to do. Programs should use `code` instead. */
  readonly message: string;
}

/** A function that receives warnings. */
export type OnWarning = (warning: Warning) => void;

/** Prints a warning's message to the console. */
export function printWarning({ message }: Warning): void {
  console.warn(message);
}
