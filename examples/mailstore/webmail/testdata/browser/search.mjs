import { check, login, open, row } from "./kit.mjs";

const found = async (page, words, want) => {
	await page.fill("#search", words);
	await page.keyboard.press("Enter");
	const get = () => page.locator("#messages .subject").allTextContents();
	await page.waitForFunction((t) => document.querySelector("#list-title").textContent === t && !/^Loading/.test(document.querySelector("#state").textContent), `Found: ${words}`);
	for (let i = 0; i < 40 && (await get()).sort().join() !== want.join(); i++) await page.waitForTimeout(50);
	check((await get()).sort().join() === want.join(), `${words} finds ${await get()}, want ${want}`);
};

const refused = async (page, words, why) => {
	await page.fill("#search", words);
	await page.keyboard.press("Enter");
	await page.waitForFunction((t) => document.querySelector("#state").textContent === t, why);
	check((await page.getAttribute("#search", "aria-invalid")) === "true", `${words} is not said to be wrong`);
};

// What is typed becomes a filter, the filter finds what it should, and what cannot be is said.
export async function search() {
	const page = await open(1280, 800, "light");
	await login(page);
	await row(page, "Invoice").waitFor();
	const filters = await page.evaluate(async () => {
		const { parse } = await import("/search.js");
		const boxes = { role: (r) => ({ id: r }), named: (n) => (n === "My Box" ? { id: "box" } : undefined) };
		const read = (text) => { try { return parse(text, boxes); } catch (e) { return e.message; } };
		const local = (y, m, d) => new Date(y, m - 1, d).toISOString().replace(".000", "");
		const bare = (...c) => ({ operator: "AND", conditions: [...c, { inMailboxOtherThan: ["junk", "trash"] }] });
		return Object.entries({
			"cake": bare({ text: "cake" }),
			"two words": bare({ text: "two" }, { text: "words" }),
			"\"two words\"": bare({ text: "\"two words\"" }),
			"\"open": bare({ text: "\"open\"" }),
			"from:ann to:\"Ben Two\" cc:x bcc:y subject:z body:w": bare({ from: "ann" }, { to: "\"Ben Two\"" }, { cc: "x" }, { bcc: "y" }, { subject: "z" }, { body: "w" }),
			"FROM:ann": bare({ from: "ann" }),
			"-from:ann": bare({ operator: "NOT", conditions: [{ from: "ann" }] }),
			"-cake": bare({ operator: "NOT", conditions: [{ text: "cake" }] }),
			"has:attachment is:unread -is:flagged is:read is:answered": bare({ hasAttachment: true }, { notKeyword: "$seen" }, { operator: "NOT", conditions: [{ hasKeyword: "$flagged" }] }, { hasKeyword: "$seen" }, { hasKeyword: "$answered" }),
			"before:2026-03-04 after:2025": bare({ before: local(2026, 3, 4) }, { after: local(2025, 1, 1) }),
			"after:2026-2": bare({ after: local(2026, 2, 1) }),
			"larger:1.5M smaller:20k larger:7": bare({ minSize: 1500000 }, { maxSize: 20000 }, { minSize: 7 }),
			"in:\"My Box\" x": { operator: "AND", conditions: [{ inMailbox: "box" }, { text: "x" }] },
			"-in:\"My Box\"": bare({ operator: "NOT", conditions: [{ inMailbox: "box" }] }),
			"https://example.com/ 12:30 foo:bar": bare({ text: "https://example.com/" }, { text: "12:30" }, { text: "foo:bar" }),
			"before:yesterday": "before: wants a date such as 2026-01-31, not yesterday",
			"after:2026-02-30": "after: wants a date such as 2026-01-31, not 2026-02-30",
			"larger:big": "larger: wants a size such as 20k or 1.5M, not big",
			"has:cake": "has:cake is not known; has:attachment is",
			"is:cake": "is:cake is not known; is:unread, is:read, is:flagged and is:answered are",
			"in:nowhere": "there is no mailbox nowhere",
		}).map(([text, want]) => [text, JSON.stringify(read(text)), JSON.stringify(want)]).filter(([, got, want]) => got !== want);
	});
	check(filters.length === 0, `filters: ${filters.map((f) => f.join("\n  ")).join("\n")}`);

	await page.keyboard.press("/");
	await found(page, "from:ann", ["Invoice", "Picnic"]);
	await found(page, "from:ann has:attachment", ["Invoice"]);
	await found(page, "-from:ann -has:attachment", ["Old cake", "Picture"]);
	await found(page, "before:2020", ["Old cake"]);
	await found(page, "after:2020 subject:pic", ["Picnic", "Picture"]);
	await found(page, "\"cake and tea\"", ["Picnic"]);
	await found(page, "in:trash", ["Thrown away"]);
	await found(page, "to:carol@example.net", ["Picture"]);
	await found(page, "is:flagged", []);
	await page.waitForFunction(() => document.querySelector("#state").textContent.startsWith("Nothing was found."));
	await refused(page, "before:soon", "Before: wants a date such as 2026-01-31, not soon.");
	await refused(page, "in:nowhere", "There is no mailbox nowhere.");

	// What was found is read and filed, and says where it was.
	await found(page, "subject:invoice", ["Invoice"]);
	check((await page.getAttribute("#search", "aria-invalid")) === null && (await page.textContent("#messages .where")) === "Inbox", "where it was found is not said");
	await page.keyboard.press("ArrowDown");
	await page.keyboard.press("Enter");
	await page.waitForSelector("#letters .text");
	await page.keyboard.press("e");
	await page.waitForFunction(() => document.querySelector("#messages .where")?.textContent === "Archive");
	await page.keyboard.press("?");
	await page.waitForSelector("#help[open]");
	check((await page.textContent("#help-search")).includes("has:attachment") && (await page.textContent("#help-keys")).includes("undo"), "the help has no operators, or no keys");
	await page.keyboard.press("Escape");
	await page.fill("#search", "");
	await page.keyboard.press("Enter");
	await page.waitForFunction(() => document.querySelector("#list-title").textContent === "Inbox");
	await page.context().close();
}
