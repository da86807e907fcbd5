import { pageScript } from "./pageScript.ts";
import { pageStyle } from "./pageStyle.ts";

const side = (id: string, label: string): string => `
<section class="side" aria-label="${label}">
<select id="${id}-model" aria-label="Model of the ${label}"></select>
<div class="turns" id="${id}-turns" role="log" aria-live="polite"></div>
<footer id="${id}-note"></footer>
</section>`;

const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lowrank</title>
<link rel="icon" href="data:,">
<style>${pageStyle}</style>
</head>
<body>
<header>
<h1>Lowrank: two adapters, one batch</h1>
<label>API key <input id="key" type="password" autocomplete="off"></label>
</header>
<p id="state" role="alert"></p>
<p id="kind" role="note"></p>
<div id="sides">${side("left", "left side")}${side("right", "right side")}</div>
<form id="ask">
<textarea id="prompt" aria-label="Prompt of both sides" placeholder="Ask both; Enter sends"></textarea>
<button class="main">Send</button>
<button type="button" id="stop" disabled>Stop</button>
<button type="button" id="clear">Clear</button>
<label>temperature <input id="temperature" type="number" value="0.7" min="0" max="2" step="0.1"></label>
<label>tokens <input id="tokens" type="number" value="128" min="1" step="1"></label>
</form>
<h2 class="bar">The batch</h2>
<div id="numbers"></div>
<div id="batch" aria-label="Requests in the batch"></div>
<script>${pageScript}</script>
</body>
</html>
`;

/**
 * Returns the HTTP response with the server's web page. Its content security policy forbids requests to other servers.
 */
export async function pageResponse(): Promise<Response> {
  const [script, style] = await Promise.all([pageScript, pageStyle].map(hashOf));
  const policy = [
    "default-src 'none'",
    `script-src '${script}'`,
    `style-src '${style}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
  };
  return new Response(html, { headers });
}

/** Returns the hash by which a content security policy allows an inline script or style: "sha256-" and base64. */
async function hashOf(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return `sha256-${btoa(String.fromCharCode(...hash))}`;
}
