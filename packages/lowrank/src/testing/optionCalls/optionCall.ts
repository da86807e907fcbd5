// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
export type Untyped = any;

/** Calls of public functions with some options, by the names of the functions. */
export type OptionCalls = Readonly<Record<string, (options: Untyped) => unknown>>;
