/** Names and addresses at which a server may be reached. */
export interface AllowedHosts {
  /** Returns true if clients may reach the server at this name or address (without a port). */
  reachedAt(hostname: string): boolean;
  /** Returns true if the name matches a listed entry other than `*`. */
  lists(hostname: string): boolean;
}

const entryPattern = /^(\*|\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$/;

/**
 * Parses a list of host names. `.example.com` is the domain with its subdomains, and `*` is every name. `localhost`,
 * its subdomains and all IP addresses are always allowed: a page of another site that uses an address has another
 * origin, and DNS cannot change that. Throws for an entry that is not a host name.
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

/** Returns true for an IP address in URL form: four decimal numbers, or hexadecimal in brackets. */
function isAddress(hostname: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(hostname) || /^\[[0-9a-f:.]+\]$/.test(hostname);
}
