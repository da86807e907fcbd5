// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
export type Untyped = any;

/** Calls of public functions with options, by the functions' names. */
export type OptionCalls = Readonly<Record<string, (options: Untyped) => unknown>>;
