/** The codes of the warnings there are. A method from outside may have codes of its own. */
export type WarningCode =
  /** A name of `targetModules` is that of no module. */
  | "unmatched-target"
  /** A key of a pattern, an exclusion or a layer's number meets no target. */
  | "unused-pattern"
  /** Two keys of a pattern say different things of a layer, and files change their order. */
  | "ambiguous-pattern"
  /** A name of `modulesToSave` is that of no module. */
  | "missing-module"
  /** An adapted layer shares its weight with another, which stays as it is. */
  | "tied-weight"
  /** The start of an adapter sets base weights anew. */
  | "changed-base"
  /** An adapter starts from data, and was made without. */
  | "needs-data"
  /** A start that is made again at each load comes out otherwise in other programs. */
  | "start-not-repeatable"
  /** A size does not go with a layer, and another is taken there. */
  | "adjusted-size"
  /** A fresh adapter changes what the model answers. */
  | "no-identity"
  /** A configuration file has fields that are not used. */
  | "unused-field"
  /** A file's adapter acts otherwise here than in the program that wrote it. */
  | "outdated-file"
  /** A file beside an adapter is not read. */
  | "unread-file"
  /** A file lacks tensors, or holds more than the adapter has. */
  | "key-mismatch"
  /** Merged weights were taken out, since another adapter is to act. */
  | "unmerged";

/** A warning: `code` is for programs, `message` for people. */
export interface Warning {
  readonly code: WarningCode | (string & {});
  /** Names the thing and the remedy. Its words may change. */
  readonly message: string;
}

/** Takes warnings. */
export type OnWarning = (warning: Warning) => void;

/** Writes a warning's message to the console. */
export function printWarning({ message }: Warning): void {
  console.warn(message);
}
