// The mailboxes as a tree, with what is unread in them.
import { $, el } from "./dom.js";
import { icon } from "./icons.js";

const order = ["inbox", "drafts", "sent", "archive", "junk", "trash"];

export class Mailboxes {
	all = [];
	current = null;
	state = null;
	#closed = new Set(); // ids of those whose children are not shown

	constructor({ choose }) {
		this.choose = choose;
	}

	role(role) { return this.all.find((b) => b.role === role); }

	byId(id) { return this.all.find((b) => b.id === id); }

	// named finds a mailbox by its name, its path or its role.
	named(name) {
		const low = name.toLowerCase();
		const is = (f) => this.all.find((b) => f(b).toLowerCase() === low);
		return is((b) => this.path(b)) ?? is((b) => b.name) ?? is((b) => b.role ?? "");
	}

	path(b) {
		const parent = b.parentId && this.byId(b.parentId);
		return parent ? `${this.path(parent)}/${b.name}` : b.name;
	}

	// replace takes all mailboxes, change those that a change told of.
	replace(get) {
		this.all = get.list;
		this.state = get.state;
		this.#settle();
	}

	change(changes, ...gets) {
		const gone = new Set(changes.destroyed);
		this.all = this.all.filter((b) => !gone.has(b.id));
		for (const get of gets) {
			if (get instanceof Error) continue;
			for (const b of get.list) {
				const known = this.byId(b.id);
				if (known) Object.assign(known, b);
				else this.all.push(b);
			}
		}
		this.state = changes.newState;
		this.#settle();
	}

	#settle() {
		const rank = (b) => { const i = order.indexOf(b.role); return i < 0 ? order.length : i; };
		this.all.sort((a, b) => rank(a) - rank(b) || a.sortOrder - b.sortOrder || a.name.localeCompare(b.name));
		if (!this.byId(this.current?.id)) this.current = this.role("inbox") ?? this.all[0];
		this.draw();
	}

	draw(searching = this.searching) {
		this.searching = searching;
		const focused = document.activeElement?.dataset?.boxId;
		$("tree").replaceChildren(...this.#level(null));
		if (focused) [...$("tree").querySelectorAll("[data-box-id]")].find((b) => b.dataset.boxId === focused)?.focus();
		const unread = this.role("inbox")?.unreadEmails ?? 0;
		document.title = unread ? `(${unread}) Mail` : "Mail";
	}

	#level(parent) {
		return this.all.filter((b) => (b.parentId ?? null) === parent).map((b) => {
			const children = this.#level(b.id), open = !this.#closed.has(b.id);
			return el("li", {},
				el("div", { class: "box" },
					children.length ? el("button", { type: "button", class: "fold quiet", "aria-expanded": String(open), "aria-label": `Mailboxes in ${b.name}`,
						"data-box-id": `fold ${b.id}`, click: () => this.#toggle(b.id) }, icon("open")) : "",
					el("button", { type: "button", class: "quiet", "data-box": b.name, "data-box-id": b.id, "aria-current": !this.searching && b.id === this.current.id ? "page" : null, click: () => this.choose(b) },
						icon(b.role), el("span", { class: "name" }, b.name), count(b))),
				children.length && open ? el("ul", {}, ...children) : "");
		});
	}

	#toggle(id) {
		if (!this.#closed.delete(id)) this.#closed.add(id);
		this.draw();
	}
}

// count is how much is unread, in Drafts how much there is.
function count(b) {
	const drafts = b.role === "drafts", n = drafts ? b.totalEmails : b.unreadEmails;
	if (!n || b.role === "sent" || b.role === "trash") return "";
	return el("span", { class: drafts || b.role === "junk" ? "dim" : "count", "aria-label": drafts ? `${n} drafts` : `${n} unread` }, String(n));
}
