// The page's way to its server.

export async function get(path) { return answer(await fetch(path)); }

export async function post(path, body) {
  return answer(await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }));
}

async function answer(r) {
  if (r.ok) return r.json();
  let text = "";
  try { text = (await r.json()).error; } catch { /* not one of ours */ }
  throw new Error(text || "the server answered " + r.status);
}

// events calls on[name] for each pushed event, and state("live" | "lost") as the connection comes and goes. The browser
// connects again by itself; what was missed is sent anew.
export function events(path, on, state) {
  const es = new EventSource(path);
  es.onopen = () => state("live");
  es.onerror = () => state("lost");
  for (const [name, f] of Object.entries(on)) es.addEventListener(name, (e) => f(JSON.parse(e.data)));
  return es;
}
