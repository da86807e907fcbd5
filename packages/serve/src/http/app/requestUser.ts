import type { ServingRequest } from "../../api/api.ts";
import type { HttpCaller } from "./apiKeys.ts";

/** Returns the fields of an engine request that identify its caller, with the caller's limits. */
export function requestUser({
  tenant,
  operator,
  budgets: { adapterMemory },
}: HttpCaller): Pick<ServingRequest, "tenant" | "operator" | "adapterMemory"> {
  return { tenant, operator, adapterMemory };
}
