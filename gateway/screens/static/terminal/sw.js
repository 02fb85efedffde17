/**
 * Keeps the page itself, so that it opens while there is no gateway. Data is no matter of it: IndexedDB has that.
 *
 * The gateway fills in which files there are. Each build has a cache of its own; the one before goes once this one is whole.
 */

const BUILD = "{{build}}";
const FILES = "{{files}}";
const PAGE = "/terminal/";
const PAGES = [PAGE, "/terminal/board"];
const CACHE = `terminal-${BUILD}`;
const ANSWER_MAX_MS = 3_000; // then the page that is kept is shown

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll([PAGE, ...FILES]))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate" && PAGES.includes(url.pathname)) event.respondWith(page(request));
  else if (url.pathname.startsWith("/static/")) event.respondWith(file(request));
});

/** The gateway's, if it is there; a page of another build brings its own worker. */
async function page(request) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), ANSWER_MAX_MS);
  try {
    const answer = await fetch(request.url, { signal: limit.signal, cache: "no-cache" });
    if (answer.ok) return answer;
  } catch {
    // no gateway: what is kept
  } finally {
    clearTimeout(timer);
  }
  return (await caches.match(PAGE)) ?? Response.error();
}

async function file(request) {
  return (await caches.match(request)) ?? fetch(request);
}
