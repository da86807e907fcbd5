/** The values that an option takes. Limits are inclusive, but for `above`. */
type OptionValue =
  | { readonly type: "integer"; readonly least?: number; readonly most?: number }
  | { readonly type: "number"; readonly least?: number; readonly above?: number; readonly most?: number }
  /** A flag without a value, which makes the field true. */
  | { readonly type: "boolean" }
  /** With `orBoolean`, the words true and false stand for themselves. */
  | { readonly type: "text"; readonly orBoolean?: true }
  | { readonly type: "oneOf"; readonly values: readonly (string | number | boolean)[] }
  /** Names separated by commas. */
  | { readonly type: "names" }
  /** "all-linear", names separated by commas, or an expression over whole paths. */
  | { readonly type: "targets" };

/** A field of a method's configuration that can be set on the command line. */
export type MethodOption = OptionValue & {
  /** The configuration's field: "loraAlpha". */
  readonly field: string;
  /** The flag without its dashes: "alpha". Methods may share one, if its type is the same. */
  readonly flag: string;
  /** A few words for `--help`, without the values and the default. */
  readonly help: string;
  /** The value of the field where the flag is not given. Default: the recipe's. */
  readonly default?: unknown;
};
