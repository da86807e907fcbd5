import type { ServeSettings } from "./serveSettings.ts";

/** Formats a number of adapters; null is an unknown number. */
export function adaptersText(count: number | null): string {
  if (count === null) return "no adapters yet";
  return `${count} adapter${count === 1 ? "" : "s"}`;
}

/**
 * Returns the host names that requests may use; undefined (no check) if the server has keys and the settings list no
 * names.
 */
export function hostsOf(
  settings: Pick<ServeSettings, "allowed-hosts" | "api-keys" | "host">,
): readonly string[] | undefined {
  const { "allowed-hosts": listed, "api-keys": keys, host } = settings;
  const isName = /[a-z]/i.test(host) && !host.includes(":");
  if (listed === undefined && keys) return undefined;
  return [...(listed ?? []), ...(isName ? [host] : [])];
}

/** Returns true for a loopback address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}
