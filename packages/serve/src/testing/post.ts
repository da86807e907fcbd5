/** Sends JSON to a path of an app, as a client would. */
export function post(
  app: { request(path: string, init?: RequestInit): Response | Promise<Response> },
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const init = {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  };
  return Promise.resolve(app.request(path, init));
}

/** Returns the events of a streamed answer. The last one is "[DONE]". */
// biome-ignore lint/suspicious/noExplicitAny: bodies of answers are compared whole.
export async function events(response: Response): Promise<any[]> {
  const text = await response.text();
  const lines = text.split("\n\n").filter((line) => line !== "");
  return lines.map((line) => {
    const data = line.replace(/^data: /, "");
    return data === "[DONE]" ? data : JSON.parse(data);
  });
}
