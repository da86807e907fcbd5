/** Returns the SHA-256 of bytes or text, in hexadecimal. Throws where there is no WebCrypto. */
export async function sha256(content: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const { subtle } = globalThis.crypto;
  if (!subtle) {
    throw new Error("there is no WebCrypto here to hash adapters with; open the page from https: or localhost");
  }
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
