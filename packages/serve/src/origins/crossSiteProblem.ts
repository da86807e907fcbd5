import { OptionError } from "@lowrank/core";

/** Reason why a request is refused, with a stable code. */
export interface OriginProblem {
  readonly code: "host_not_allowed" | "cross_origin_request";
  readonly message: string;
}

/** Methods that browsers also send for links and images, and that change nothing. */
const safeMethods: readonly string[] = ["GET", "HEAD", "OPTIONS"];

/**
 * Returns the reason to refuse a request that a page of another site may have sent; null if there is no reason. Checks
 * `Host`, since another site's name can resolve to this server (DNS rebinding). Also checks `Origin` and, for methods
 * that change something, `Sec-Fetch-Site`. Only browsers send the last two headers.
 */
export function crossSiteProblem(request: Request, allowed: AllowedHosts): OriginProblem | null {
  const { headers } = request;
  const given = headers.get("host") ?? new URL(request.url).host;
  const host = parseHost(given, "http:");
  if (host === null || !allowed.reachedAt(host.hostname)) {
    const fix = host === null ? "" : ` with --allowed-hosts ${host.hostname} (allowedHosts of createApp), or`;
    return {
      code: "host_not_allowed",
      message:
        `The Host "${given}" is not a name of this server, which has no API keys. If it is, start the ` +
        `server${fix} with --api-key-file; or use an IP address or localhost.`,
    };
  }
  const origin = headers.get("origin");
  if (origin !== null && !isOwn(origin, given, allowed)) {
    return {
      code: "cross_origin_request",
      message:
        `The request comes from a page of "${origin}", and the server is at "${given}". A server without API keys ` +
        "refuses other origins: start it with --api-key-file, or list the page's host in --allowed-hosts.",
    };
  }
  const site = headers.get("sec-fetch-site");
  const isForeign = origin === null && (site === "cross-site" || site === "same-site");
  if (isForeign && !safeMethods.includes(request.method)) {
    return {
      code: "cross_origin_request",
      message:
        `The request comes from a page of another origin (Sec-Fetch-Site: ${site}). ` +
        "A server without API keys refuses these; start it with --api-key-file.",
    };
  }
  return null;
}

/** Returns true for the origin of the server's own pages, and for origins of listed hosts. */
function isOwn(origin: string, host: string, allowed: AllowedHosts): boolean {
  const url = /^https?:\/\/[^/?#@\\]+$/.test(origin) ? URL.parse(origin) : null;
  if (url === null) return false;
  // The scheme determines the default port that `Host` may omit.
  return url.host === parseHost(host, url.protocol)?.host || allowed.lists(url.hostname.replace(/\.$/, ""));
}

function parseHost(host: string, protocol: string): { readonly host: string; readonly hostname: string } | null {
  const url = /^[^\s/?#@\\]+$/.test(host) ? URL.parse(`${protocol}//${host}`) : null;
  return url && { host: url.host, hostname: url.hostname.replace(/\.$/, "") };
}

/** Names and addresses at which a server may be reached. */
interface AllowedHosts {
  /** Returns true if clients may reach the server at this name or address (without a port). */
  reachedAt(hostname: string): boolean;
  /** Returns true if the name matches a listed entry other than `*`. */
  lists(hostname: string): boolean;
}

const entryPattern = /^(\*|\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$/;

/**
 * Parses a list of host names. `.example.com` allows the domain and its subdomains; `*` allows every name. `localhost`,
 * its subdomains and all IP addresses are always allowed, since DNS rebinding cannot use them: an attacker's DNS server
 * controls only names of the attacker's own domain. Throws for an entry that is not a host name.
 */
export function allowedHosts(entries: readonly string[]): AllowedHosts {
  const names = entries.map((entry) => {
    const name = entry.toLowerCase().replace(/\.$/, "");
    if (entryPattern.test(name)) return name;
    const examples = 'such as "llm.example.com", ".example.com" for all its subdomains, or "*" for every name';
    throw new OptionError("", "allowedHosts", entry, (named) => {
      return `${named("allowedHosts")}: "${entry}" is not a host name; give names without scheme and port, ${examples}`;
    });
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
