/** Names and addresses at which a server may be reached. */
export interface AllowedHosts {
  /** True if clients may use this name or address (without a port) to reach the server. */
  reachedAt(hostname: string): boolean;
  /** True if the name was listed, and is more than the `*` that allows all. */
  lists(hostname: string): boolean;
}

const entryPattern = /^(\*|\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$/;

/**
 * Reads a list of host names. `.example.com` is that domain with its subdomains, `*` is every name.
 * `localhost`, its subdomains and all IP addresses are always allowed: a page of another site
 * reaches the server at an address only under another origin, and no DNS record can change that.
 * Throws for an entry that is not a host name.
 */
export function allowedHosts(entries: readonly string[]): AllowedHosts {
  const names = entries.map((entry) => {
    const name = entry.toLowerCase().replace(/\.$/, "");
    if (entryPattern.test(name)) return name;
    throw new Error(
      `allowedHosts: "${entry}" is not a host name; give names without scheme and port, ` +
        'such as "llm.example.com", ".example.com" for all its subdomains, or "*" for every name',
    );
  });
  const lists = (hostname: string) =>
    names.some((name) => {
      return name.startsWith(".") ? hostname === name.slice(1) || hostname.endsWith(name) : hostname === name;
    });
  const isLocal = (hostname: string) =>
    hostname === "localhost" || hostname.endsWith(".localhost") || isAddress(hostname);
  return { reachedAt: (hostname) => isLocal(hostname) || names.includes("*") || lists(hostname), lists };
}

/** True for an IP address as URLs write it: four decimal numbers, or hexadecimal in brackets. */
function isAddress(hostname: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(hostname) || /^\[[0-9a-f:.]+\]$/.test(hostname);
}
