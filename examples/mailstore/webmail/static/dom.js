// Elements from data. Text is only ever text: nothing here reads markup.

export const $ = (id) => document.getElementById(id);

// el makes an element. Attributes that are functions are listeners, those that are null or false are left out.
export function el(tag, attributes = {}, ...children) {
	const e = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		if (typeof value === "function") e.addEventListener(name, value);
		else if (value === true) e.setAttribute(name, "");
		else if (value !== null && value !== undefined && value !== false) e.setAttribute(name, value);
	}
	e.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
	return e;
}

// links returns text with its web addresses as links that say where they lead.
export function links(text) {
	const parts = [];
	let at = 0;
	for (const m of text.matchAll(/https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g)) {
		parts.push(text.slice(at, m.index), el("a", { href: m[0], target: "_blank", rel: "noopener noreferrer" }, m[0]));
		at = m.index + m[0].length;
	}
	parts.push(text.slice(at));
	return parts;
}

// shown is text from a letter without the characters that turn the direction round: with them exe.pdf is fdp.exe.
export const shown = (text) => (text ?? "").replace(/[\u202a-\u202e\u2066-\u2069]/g, "");

// who are people by their names. A name that has another address in it is none.
export const who = (list) => (list ?? []).map((a) => (!a.name || a.name.includes("@") ? a.email : shown(a.name))).join(", ");
export const full = (list) => (list ?? []).map((a) => (a.name ? `${shown(a.name)} <${a.email}>` : a.email)).join(", ");

export function when(date) {
	const d = new Date(date), now = new Date();
	if (d.toDateString() === now.toDateString()) return d.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
	return d.toLocaleDateString([], d.getFullYear() === now.getFullYear() ? { day: "numeric", month: "short" } : { day: "numeric", month: "short", year: "numeric" });
}

export function size(n) {
	if (n < 1000) return `${n} bytes`;
	return n < 1e6 ? `${Math.round(n / 1000)} kB` : `${(n / 1e6).toFixed(1)} MB`;
}
