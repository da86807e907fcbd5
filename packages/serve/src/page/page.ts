import { pageScript } from "./pageScript.ts";

/** CSS of the server's web page. */
const pageStyle = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #2563eb; }
@media (prefers-color-scheme: dark) { :root { --accent: #7aa2ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; }
h1, h2 { font-size: 1.2rem; margin: 0; }
h2 { font-size: 1rem; }
header, form, .bar { display: flex; gap: .75rem; flex-wrap: wrap; align-items: center; }
header { justify-content: space-between; margin-bottom: 1rem; }
label { display: inline-flex; gap: .4rem; align-items: center; }
input, select, textarea, button { font: inherit; color: inherit; background: var(--soft); border: 1px solid var(--line);
  border-radius: .4rem; padding: .35rem .6rem; }
input[type="number"] { width: 5.5rem; }
textarea { flex: 1 1 20rem; min-height: 3.2rem; resize: vertical; }
button.main { background: var(--accent); color: Canvas; border-color: transparent; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
#sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; margin: 1rem 0; }
.side { border: 1px solid var(--line); border-radius: .6rem; padding: .75rem; min-width: 0; }
.side select { width: 100%; }
.turns { height: 18rem; overflow-y: auto; margin-top: .75rem; }
.turn { white-space: pre-wrap; overflow-wrap: anywhere; padding: .4rem .6rem; border-radius: .4rem; margin: .4rem 0; }
.turn.user { background: var(--soft); }
.turn.error { color: #c2410c; }
.side footer, #numbers { font-size: .85rem; opacity: .75; min-height: 1.3rem; }
#batch { display: flex; flex-wrap: wrap; gap: 3px; min-height: 1.8rem; margin-top: .5rem; }
.row { font-size: .75rem; padding: .1rem .5rem; border-radius: .3rem; color: #fff; max-width: 12rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.row.waiting, .row.paused { opacity: .45; }
#ask[hidden] { display: none; }
#kind { font-size: .85rem; opacity: .75; margin: 0; }
`;

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
