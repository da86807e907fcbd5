import { createHash } from "node:crypto";
import type { ApiKey } from "../../http/index.ts";

const key = (id: string, more: Partial<ApiKey> = {}): ApiKey => {
  return { id, sha256: createHash("sha256").update(`key-${id}`).digest("hex"), ...more };
};

/** Key of the operator. */
export const operator: ApiKey = key("operations", { operator: true });

/** Keys with disjoint, overlapping and unlimited scopes, and with ids that are hard to encode. */
export const tenantKeys: readonly ApiKey[] = [
  key("acme", { adapters: ["acme/*", "shared/*"], admin: true }),
  key("umbrella", { adapters: ["umbrella/*"], admin: true }),
  key("all", { admin: true }),
  key("every", { admin: true }),
  key("reader"),
  key("narrow", { adapters: ["shared/*"], base: false }),
  key("acme:x", { adapters: ["acme/*"], admin: true }),
  key("_", { adapters: ["ft:*", "tenant:*", "poet"], admin: true }),
  key("acme/v1", { adapters: ["*/v1", "poet"], admin: true }),
];

/** Returns true if a key's scope covers a name, by a rule that shares no code with the server's. */
export function covers({ adapters = ["*"] }: ApiKey, name: string): boolean {
  return adapters.some((glob) => {
    const [start, end] = glob.split("*");
    return end === undefined
      ? name === glob
      : name.startsWith(start) && name.endsWith(end) && name.length >= glob.length - 1;
  });
}
