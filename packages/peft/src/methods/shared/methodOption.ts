/** The values that an option accepts. Limits are inclusive, except `above`. */
type OptionValue =
  | { readonly type: "integer"; readonly least?: number; readonly most?: number }
  | { readonly type: "number"; readonly least?: number; readonly above?: number; readonly most?: number }
  /** A flag without a value, which sets the field to true. */
  | { readonly type: "boolean" }
  /** With `orBoolean`, the words true and false set the field to a boolean. */
  | { readonly type: "text"; readonly orBoolean?: true }
  | { readonly type: "oneOf"; readonly values: readonly (string | number | boolean)[] }
  /** Names separated by commas. */
  | { readonly type: "names" }
  /** "all-linear", names separated by commas, or a regular expression over whole paths. */
  | { readonly type: "targets" };

/** A field of a method's configuration with a command-line flag. */
export type MethodOption = OptionValue & {
  /** Name of the configuration field: "loraAlpha". */
  readonly field: string;
  /** The flag without its dashes: "alpha". Several methods may share a flag of the same type. */
  readonly flag: string;
  /** A short description for `--help`, without the values and the default. */
  readonly help: string;
  /** The value of the field if the flag is missing. Default: the recipe's. */
  readonly default?: unknown;
};
