// Drives a JMAP client against the server whose address and token are the arguments, and prints what came, an object a
// line. It reads a line from its input before it waits for the pushed change.
import { JamClient } from "jmap-jam";

const [url, token] = process.argv.slice(2);
const say = (kind, value) => console.log(JSON.stringify({ kind, value }));
const bearer = { Authorization: `Bearer ${token}` };

const jam = new JamClient({ sessionUrl: `${url}/.well-known/jmap`, bearerToken: token });
const session = await jam.session;
const accountId = await jam.getPrimaryAccount();
say("session", [session.username, accountId, session.capabilities["urn:ietf:params:jmap:core"].maxObjectsInGet > 0]);

const [mailboxes, meta] = await jam.api.Mailbox.get({ accountId });
const inbox = mailboxes.list.find((m) => m.role === "inbox").id;
say("mailboxes", [mailboxes.list.length > 1, meta.sessionState === session.state]);

const [found] = await jam.requestMany((t) => {
	const ids = t.Email.query({ accountId, filter: { inMailbox: inbox }, sort: [{ property: "subject", isAscending: true }] });
	const emails = t.Email.get({ accountId, ids: ids.$ref("/ids"), properties: ["subject", "from", "receivedAt", "bodyStructure", "threadId", "textBody", "bodyValues"], fetchTextBodyValues: true });
	const threads = t.Thread.get({ accountId, ids: emails.$ref("/list/*/threadId") });
	const snippets = t.SearchSnippet.get({ accountId, emailIds: ids.$ref("/ids"), filter: { text: "dinner" } });
	return { ids, emails, threads, snippets };
});
say("found", found.emails.list.map((e) => [e.subject, e.from[0].email, e.bodyStructure.type, e.bodyValues[e.textBody[0].partId].value]));
say("threads", found.threads.list.length);
say("snippets", found.snippets.list.filter((s) => s.subject?.includes("<mark>")).length);

const blob = await jam.uploadBlob(accountId, new Blob(["an attachment"], { type: "text/plain" }));
const down = await jam.downloadBlob({ accountId, blobId: blob.blobId, mimeType: "text/plain", fileName: "a b.txt" });
say("blob", [blob.size, blob.type, await down.text()]);

const [set] = await jam.api.Email.set({
	accountId,
	create: { draft: { mailboxIds: { [inbox]: true }, keywords: { $draft: true }, from: [{ name: "Alice", email: "alice@example.com" }], to: [{ name: null, email: "bob@example.com" }],
		subject: "Ünïcode", bodyValues: { t: { value: "hello" } }, textBody: [{ partId: "t", type: "text/plain" }],
		attachments: [{ blobId: blob.blobId, type: "text/plain", name: "a.txt", disposition: "attachment" }] } },
	update: { [found.ids.ids[0]]: { "keywords/$seen": true }, nope: { "keywords/$seen": true } },
});
say("set", [Object.keys(set.created), Object.keys(set.updated).length, set.notUpdated.nope.type]);
const [made] = await jam.api.Email.get({ accountId, ids: [set.created.draft.id], properties: ["subject", "attachments", "hasAttachment", "keywords"] });
say("made", made.list.map((e) => [e.subject, e.attachments.map((a) => a.name), e.hasAttachment, Object.keys(e.keywords)]));

const [sent] = await jam.requestMany((t) => {
	const who = t.Identity.get({ accountId });
	return { who };
});
const [submitted] = await jam.api.EmailSubmission.set({ accountId, create: { s: { identityId: sent.who.list[0].id, emailId: set.created.draft.id } },
	onSuccessUpdateEmail: { "#s": { "keywords/$draft": null } } }, { using: ["urn:ietf:params:jmap:mail"] });
say("submitted", [Object.keys(submitted.created ?? {}), submitted.notCreated ?? {}]);

const [changes] = await jam.api.Email.changes({ accountId, sinceState: found.emails.state });
say("changes", [changes.created.length, changes.updated.length, changes.destroyed.length, changes.hasMoreChanges]);

try {
	await jam.api.Email.get({ accountId: "nobody", ids: [] });
} catch (e) {
	say("error", [e.type]);
}
try {
	await jam.request(["Core/echo", {}], { using: ["urn:example:nope"] });
} catch (e) {
	say("problem", [JamClient.isProblemDetails(e), e.type, e.status]);
}

// As in a browser, an event source has no Authorization: a ticket opens it once.
const { ticket } = await (await fetch(session.capabilities["https://github.com/mailbricks/mailbricks/jmap/ticket"].url, { method: "POST", headers: bearer })).json();
globalThis.EventSource = class {
	constructor(address) {
		this.events = fetch(`${address}&ticket=${ticket}`).then(async (r) => {
			let text = "";
			for await (const chunk of r.body.pipeThrough(new TextDecoderStream())) {
				if (text === "") say("listening", r.headers.get("Content-Type"));
				text += chunk;
				if (text.includes('"StateChange"')) return text;
			}
		});
	}
};
const source = await jam.connectEventSource({ types: ["Email"], ping: 60, closeafter: "state" });
say("pushed", /event: state\n[^]*"Email":/.test(await source.events));
