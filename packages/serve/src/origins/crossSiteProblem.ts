import type { AllowedHosts } from "./allowedHosts.ts";

/** Reason why a request is refused, with a stable code. */
export interface OriginProblem {
  readonly code: "host_not_allowed" | "cross_origin_request";
  readonly message: string;
}

/** Methods that browsers also send for links and images, and that change nothing. */
const safeMethods: readonly string[] = ["GET", "HEAD", "OPTIONS"];

/**
 * Returns the reason to refuse a request that a page of another site may have caused; null if there is none. Checks
 * `Host`, since DNS can point another site's name at this server. Also checks `Origin` and, for methods that change
 * something, `Sec-Fetch-Site`. Clients other than browsers do not send `Origin` and `Sec-Fetch-Site`.
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
