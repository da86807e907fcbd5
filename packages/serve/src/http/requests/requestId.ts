import { HttpError } from "./httpError.ts";

/** Format that a client's request id must have. */
const form = /^[\w.:/+=@-]{1,128}$/;

/** Returns the id of a request: the client's `x-request-id` if it is valid, or a new one. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && form.test(header) ? header : crypto.randomUUID().replaceAll("-", "");
}

/** Throws if a client's `x-request-id` is malformed. */
export function checkRequestId(header: string | undefined): void {
  if (header === undefined || form.test(header)) return;
  const expected = "send 1 to 128 letters, digits and characters of _ . : / + = @ -, or leave it out";
  throw new HttpError(
    400,
    `The header x-request-id has ${header.length} characters, or some that are not allowed; ${expected}.`,
    {
      param: "x-request-id",
      code: "invalid_request_id",
    },
  );
}
