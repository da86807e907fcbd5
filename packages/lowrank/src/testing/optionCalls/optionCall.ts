// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
export type Untyped = any;

/** Calls of public functions with options, by the functions' names. */
export type OptionCalls = Readonly<Record<string, (options: Untyped) => unknown>>;

/**
 * Returns calls of the functions or constructors (`new Linear`) of `from` that `names` lists, separated by commas. The
 * options come after `args`, together with the `required` ones.
 */
export function callsWith(
  from: Untyped,
  names: string,
  args: () => readonly unknown[],
  required: object = {},
): OptionCalls {
  const call = (name: string) => (options: object) => {
    const given = [...args(), { ...required, ...options }];
    return name.startsWith("new ") ? new from[name.slice(4)](...given) : from[name](...given);
  };
  return Object.fromEntries(names.split(", ").map((name) => [name, call(name)]));
}
