// The text of a message. HTML comes from the server, cleaned, in a frame of an origin of its own.
import { el, links } from "./dom.js";
import { fold } from "./quote.js";

const plain = (email) => email.textBody.filter((p) => p.type === "text/plain");
const isHTML = (email) => email.htmlBody.some((p) => p.type === "text/html");

export const body = (jmap, email) => (isHTML(email) ? html(jmap, email) : text(email));

// text is plain text, what is quoted folded.
function text(email) {
	const values = plain(email).map((p) => email.bodyValues[p.partId]);
	const pieces = fold(values.map((v) => v?.value ?? "").join("\n"));
	return el("div", { class: "text" },
		...pieces.map((p) => (p.quoted ? el("details", { class: "quote" }, el("summary", {}, "Quoted text"), el("div", {}, ...links(p.text))) : el("div", {}, ...links(p.text)))),
		values.some((v) => v?.isTruncated) ? el("p", { class: "dim" }, "The rest is too long to be shown. The source has all of it.") : "");
}

function html(jmap, email) {
	const out = el("div", { class: "html" });
	show(jmap, email, out, false);
	return out;
}

async function show(jmap, email, out, images) {
	try {
		const made = await make(jmap, email, { images });
		const bar = el("div", { class: "row bar" });
		if (made.remote > 0 && !images) {
			bar.append(el("span", {}, made.remote === 1 ? "A picture from elsewhere is not shown: fetching it tells its server that you read this." :
				`${made.remote} pictures from elsewhere are not shown: fetching them tells their servers that you read this.`),
				el("button", { type: "button", "data-action": "images", click: () => show(jmap, email, out, true) }, "Show them"));
		}
		if (plain(email).length) bar.append(el("button", { type: "button", class: "quiet", "data-action": "text", click: () => out.replaceWith(text(email)) }, "As plain text"));
		const frame = el("iframe", { sandbox: "allow-popups allow-popups-to-escape-sandbox", referrerpolicy: "no-referrer", title: "Text of the message", src: made.url });
		frame.style.height = `${Math.max(5, Math.min(60, made.lines * 1.5 + 3))}rem`; // what is in it cannot tell how high it is
		out.replaceChildren(...(bar.children.length ? [bar] : []), frame);
	} catch (e) {
		out.replaceChildren(el("p", { role: "alert" }, `This cannot be shown: ${e.message}.`));
	}
}

async function make(jmap, email, want) {
	return (await jmap.fetch("/webmail/body", { method: "POST", headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ accountId: jmap.account, emailId: email.id, images: false, text: false, ...want }) })).json();
}

// words are the text of a message to be quoted, made of its HTML where it has no other.
export async function words(jmap, email) {
	const parts = plain(email);
	if (parts.length || !isHTML(email)) return parts.map((p) => email.bodyValues[p.partId]?.value ?? "").join("\n").trimEnd();
	return (await make(jmap, email, { text: true })).text;
}
