/** The values that a command-line flag accepts. Limits are inclusive, except `above`. */
type OptionValue =
  | { readonly type: "integer"; readonly least?: number; readonly most?: number }
  | { readonly type: "number"; readonly least?: number; readonly above?: number; readonly most?: number }
  /** A flag without a value, which sets the field to true. */
  | { readonly type: "boolean" }
  /** A text. With `orBoolean`, the words "true" and "false" set the field to a boolean instead. */
  | { readonly type: "text"; readonly orBoolean?: true }
  | { readonly type: "oneOf"; readonly values: readonly (string | number | boolean)[] }
  /** Names separated by commas. */
  | { readonly type: "names" }
  /** "all-linear", names separated by commas, or a regular expression over whole paths. */
  | { readonly type: "targets" };

/** A configuration field that a command-line flag can set. */
export type MethodOption = OptionValue & {
  /** Name of the configuration field: "loraAlpha". */
  readonly field: string;
  /** The flag without its dashes: "alpha". Several methods may have the same flag if its type is the same. */
  readonly flag: string;
  /** A short description for `--help`. Accepted values and the default are added to it. */
  readonly help: string;
  /** The field's value if the flag is not given. Default: the recipe's value. */
  readonly default?: unknown;
};
