/**
 * Maximum number of bytes that Node hashes synchronously. For so few bytes this is faster than using another thread.
 */
const mostAtOnce = 1 << 18;

/** Returns the SHA-256 of bytes or text in hexadecimal. Throws without WebCrypto. */
export async function sha256(content: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const node = bytes.length <= mostAtOnce ? globalThis.process?.getBuiltinModule?.("node:crypto") : undefined;
  if (node) return node.createHash("sha256").update(bytes).digest("hex");
  const { subtle } = globalThis.crypto;
  if (!subtle) {
    throw new Error("there is no WebCrypto here to hash adapters with; open the page from https: or localhost");
  }
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
