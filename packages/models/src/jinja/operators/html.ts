import { str } from "../text/repr.ts";
import { Markup, type Value } from "../values/types.ts";

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" };

/** Returns a value as HTML-escaped text. Markup is returned unchanged. */
export function escapeHtml(value: Value): Markup {
  if (value instanceof Markup) return value;
  return new Markup(str(value).replace(/[&<>'"]/g, (one) => escapes[one]));
}
