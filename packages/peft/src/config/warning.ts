/**
 * The codes of warnings. Custom methods may use other codes.
 *
 * - `unmatched-target`: no module has a name listed in `targetModules`
 * - `unused-pattern`: a key of `rankPattern` or a similar option, an exclusion or a layer number matches nothing
 * - `ambiguous-pattern`: two keys of `rankPattern` or a similar option match one layer with different values; the first
 *   key applies, but saving sorts the keys, so the other key applies after loading
 * - `missing-module`: no module has a name listed in `modulesToSave`
 * - `tied-weight`: an adapted layer shares its weight with another layer, which is not adapted
 * - `nothing-tied`: `ensureWeightTying` is set, but no adapted layers share a weight
 * - `changed-base`: the adapter's initialisation permanently overwrites base weights
 * - `needs-data`: the adapter's initialisation requires data that was not given
 * - `start-not-repeatable`: each load computes the initialisation again, and other programs compute different values
 * - `adjusted-size`: a configured size does not fit a layer, so another size is used for it
 * - `no-identity`: a new adapter changes the model's outputs before it is trained
 * - `unmergeable`: an adapter cannot be merged into one of its layers
 * - `unused-field`: a configuration has fields that are not used
 * - `outdated-file`: the program that wrote the file was older and computed the adapter differently
 * - `unread-file`: a file in the adapter's folder is ignored
 * - `key-mismatch`: an adapter file lacks some of the adapter's tensors, or has additional ones
 * - `differs-in-peft`: PEFT computes the adapter differently, or cannot load its file
 * - `not-invoked`: a prompt lacks the tokens after which an aLoRA adapter acts
 * - `unmerged`: merged adapters were unmerged, since another adapter was activated
 */
export type WarningCode =
  | "unmatched-target"
  | "unused-pattern"
  | "ambiguous-pattern"
  | "missing-module"
  | "tied-weight"
  | "nothing-tied"
  | "changed-base"
  | "needs-data"
  | "start-not-repeatable"
  | "adjusted-size"
  | "no-identity"
  | "unmergeable"
  | "unused-field"
  | "outdated-file"
  | "unread-file"
  | "key-mismatch"
  | "differs-in-peft"
  | "not-invoked"
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
