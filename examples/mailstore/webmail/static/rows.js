// The rows of the list: drawn where something changed, chosen and moved over with the keyboard.
import { $, el, shown, when, who } from "./dom.js";
import { icon } from "./icons.js";
import { distinct } from "./mail.js";
import { view } from "./view.js";

export class Rows {
	chosen = new Set(); // keys
	current = null; // the key of what is read
	#nodes = new Map(); // by key: {li, signature}
	#last = null; // key of the row that was chosen last, from which a range goes

	constructor(list, { open, selected }) {
		Object.assign(this, { list, open, selected });
		$("all").onchange = () => this.all($("all").checked);
	}

	clear() {
		this.chosen.clear();
		this.#nodes.clear();
		this.#last = this.current = null;
		$("messages").replaceChildren();
		this.selected();
	}

	// draw leaves rows alone that are the same as before, so that neither the focus nor the place is lost.
	draw() {
		const emails = this.list.emails, keys = new Set(emails.map((e) => this.list.key(e)));
		const focused = document.activeElement?.closest?.("#messages li");
		const at = focused && [...$("messages").children].indexOf(focused);
		for (const [key, { li }] of this.#nodes) {
			if (keys.has(key)) continue;
			this.#nodes.delete(key);
			this.chosen.delete(key);
			li.remove();
		}
		let before = $("messages").firstChild;
		emails.forEach((e, i) => {
			const key = this.list.key(e), seen = this.#what(e), signature = JSON.stringify(seen);
			let node = this.#nodes.get(key);
			if (!node) this.#nodes.set(key, node = { li: el("li", { "data-key": key, click: (ev) => this.#click(ev, key) }) });
			if (node.signature !== signature) {
				const had = node.li.contains(document.activeElement) && document.activeElement.localName;
				node.li.replaceChildren(...this.#row(seen));
				node.signature = signature;
				if (had) node.li.querySelector(had).focus({ preventScroll: true });
			}
			node.li.setAttribute("aria-posinset", i + 1);
			node.li.setAttribute("aria-setsize", this.list.total);
			if (node.li === before) before = before.nextSibling;
			else $("messages").insertBefore(node.li, before);
		});
		if (focused && !focused.isConnected && view() !== "reader") this.#focus(Math.min(at, emails.length - 1));
		this.mark();
	}

	// what a row shows, from which its signature is made.
	#what(e) {
		const { boxes, mail, collapsed } = this.list;
		const members = this.list.members(e), role = boxes.current.role;
		const others = collapsed ? distinct(mail.thread(e).filter((x) => members.includes(x) || !hidden(x, boxes))) : members;
		const outgoing = e.keywords.$draft || role === "sent" && collapsed;
		const names = outgoing ? `To ${who(e.to)}` : others.length > 1 ? people(others) : who(e.from);
		return { id: e.id, names: names || "(nobody)", count: others.length, subject: shown(e.subject) || "(no subject)", preview: e.preview, at: e.receivedAt,
			draft: others.some((x) => x.keywords.$draft), unread: members.some((x) => !x.keywords.$seen && !x.keywords.$draft), flagged: members.some((x) => x.keywords.$flagged), clip: e.hasAttachment,
			answered: members.some((x) => x.keywords.$answered), box: collapsed ? "" : Object.keys(e.mailboxIds).map((id) => boxes.byId(id)?.name ?? "").join(", ") };
	}

	#row(w) {
		return [el("label", { class: "pick" }, el("input", { type: "checkbox", class: "choose", tabindex: "-1", "aria-label": `Select: ${w.subject}` })),
			el("button", { type: "button", class: w.unread ? "open unread" : "open", "data-id": w.id, tabindex: "-1" },
				el("span", { class: "from" }, w.unread ? el("span", { class: "unseen" }, "Unread. ") : "", w.names),
				w.count > 1 ? el("span", { class: "many", "aria-label": `${w.count} messages` }, String(w.count)) : "",
				el("span", { class: "date" }, w.flagged ? el("span", { class: "flag", role: "img", "aria-label": "flagged" }, "★") : "", w.answered ? el("span", { class: "dim", role: "img", "aria-label": "answered" }, "↩") : "",
					w.clip ? el("span", { role: "img", "aria-label": "with attachments" }, icon("clip")) : "", el("time", { datetime: w.at }, when(w.at))),
				el("span", { class: "subject" }, w.draft ? el("span", { class: "draft" }, "Draft ") : "", w.subject),
				el("span", { class: "preview" }, w.preview),
				w.box ? el("span", { class: "where" }, w.box) : "")];
	}

	// mark shows what is chosen and what is read, and lets one row be reached with Tab.
	mark() {
		const active = document.activeElement?.closest?.("#messages li")?.dataset.key ?? this.current;
		const stop = this.#nodes.has(active) ? active : $("messages").firstChild?.dataset.key;
		for (const [key, { li }] of this.#nodes) {
			const [label, open] = li.children, picked = this.chosen.has(key);
			label.firstChild.checked = picked;
			li.classList.toggle("chosen", picked);
			label.firstChild.tabIndex = open.tabIndex = key === stop ? 0 : -1;
			if (key === this.current) open.setAttribute("aria-current", "true");
			else open.removeAttribute("aria-current");
		}
		$("all").checked = this.chosen.size > 0 && this.chosen.size === this.#nodes.size;
		$("all").indeterminate = this.chosen.size > 0 && this.chosen.size < this.#nodes.size;
		this.selected();
	}

	#click(ev, key) {
		if (ev.target.matches("label")) return; // its checkbox is clicked next
		const pick = ev.target.matches("input");
		if (ev.shiftKey) this.range(key);
		else if (pick || ev.ctrlKey || ev.metaKey) this.toggle(key);
		else this.open(this.#email(key));
	}

	#email(key) { return this.list.emails.find((e) => this.list.key(e) === key); }

	toggle(key = this.at()) {
		if (!key) return;
		if (!this.chosen.delete(key)) this.chosen.add(key);
		this.#last = key;
		this.mark();
	}

	// extend chooses the row that has the focus and the one after or before it, where the focus goes.
	extend(by) {
		if (this.at()) this.chosen.add(this.at());
		this.move(by);
		this.range(this.at());
	}

	// range chooses all rows from the one that was chosen last to this one.
	range(key) {
		const keys = this.list.emails.map((e) => this.list.key(e));
		const [a, b] = [keys.indexOf(this.#last ?? this.current ?? key), keys.indexOf(key)].sort((x, y) => x - y);
		for (const k of keys.slice(Math.max(0, a), b + 1)) this.chosen.add(k);
		this.#last = key;
		getSelection()?.removeAllRanges();
		this.mark();
	}

	all(on) {
		this.chosen = new Set(on ? this.#nodes.keys() : []);
		this.mark();
	}

	// at is the key of the row that has the focus, else of the one that is read.
	at() { return document.activeElement?.closest?.("#messages li")?.dataset.key ?? this.current; }

	// targets are the emails that an action is for: of the rows that are chosen, else of the one row.
	targets() {
		const keys = this.chosen.size ? this.chosen : new Set([this.at()]);
		return this.list.emails.filter((e) => keys.has(this.list.key(e))).flatMap((e) => this.list.members(e));
	}

	select(key) {
		this.current = key;
		this.mark();
	}

	focus(key) {
		const node = this.#nodes.get(key);
		node?.li.querySelector(".open").focus();
		this.mark();
	}

	#focus(i) {
		$("messages").children[i]?.querySelector(".open").focus({ preventScroll: true });
	}

	// move moves the focus by some rows, and what is read where something is.
	move(by) {
		const emails = this.list.emails, at = emails.findIndex((e) => this.list.key(e) === this.at());
		const next = emails[Math.max(0, Math.min(emails.length - 1, at < 0 ? 0 : at + by))];
		if (!next) return;
		if (view() === "reader") this.open(next);
		else this.focus(this.list.key(next));
		if (emails.indexOf(next) > emails.length - 5) this.list.more();
	}
}

const hidden = (e, boxes) => Object.keys(e.mailboxIds).every((id) => ["trash", "junk"].includes(boxes.byId(id)?.role));

// people are who wrote in a thread, by the first of their names, in order.
function people(emails) {
	const names = [...new Set(emails.filter((e) => e.from?.length).map((e) => who(e.from.slice(0, 1)).split(/[\s,@]+/)[0]))];
	return names.length > 4 ? `${names[0]} … ${names.slice(-2).join(", ")}` : names.join(", ");
}
