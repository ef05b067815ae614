import { check, contrast, login, named, narrow, open, row, shot, tell } from "./kit.mjs";

const closed = (page) => page.waitForSelector("#vacation:not([open])", { state: "attached" });

// Answers for a time away are set, kept, and ended.
export async function vacation() {
	const page = await open(360, 780, "light");
	await login(page);
	await row(page, "First").waitFor();
	await page.click("#menu");
	check((await page.textContent("#vacation-open")) === "Away?", "answers are sent at first");
	await page.click("#vacation-open");
	await page.waitForSelector("#vacation[open]");
	await narrow(page, "vacation");
	await named(page, "vacation");
	await contrast(page, "vacation");
	await shot(page, "vacation");
	await page.check("#vacation-on");
	await page.fill("#vacation-from", "2026-12-24");
	await page.fill("#vacation-to", "2026-12-20");
	await page.fill("#vacation-text", "I am away.");
	await page.click("#vacation-form [type=submit]");
	await page.waitForFunction(() => document.querySelector("#vacation-error").textContent === "Not saved: the last day is before the first.");
	await page.fill("#vacation-to", "2027-01-06");
	await page.click("#vacation-form [type=submit]");
	await closed(page);
	await page.reload();
	page.loads = 0;
	await login(page);
	await row(page, "First").waitFor();
	await page.click("#menu");
	await page.waitForFunction(() => document.querySelector("#vacation-open").textContent === "Away: answers are sent");
	await page.click("#vacation-open");
	await page.waitForSelector("#vacation[open]");
	check((await page.inputValue("#vacation-from")) === "2026-12-24" && (await page.inputValue("#vacation-to")) === "2027-01-06" && (await page.inputValue("#vacation-text")) === "I am away.", "what was set is not kept");
	await page.fill("#vacation-from", "");
	await page.fill("#vacation-to", "");
	await page.fill("#vacation-subject", "Gone");
	await page.click("#vacation-form [type=submit]");
	await closed(page);
	await page.click("#menu");
	await tell("deliver?subject=Are+you+there");
	await row(page, "Are you there").waitFor();
	await page.click("#menu");
	await page.click("#vacation-open");
	await page.waitForSelector("#vacation[open]");
	await page.uncheck("#vacation-on");
	await page.click("#vacation-form [type=submit]");
	await closed(page);
	check((await page.textContent("#vacation-open")) === "Away?", "answers are sent still");
	await page.context().close();
}
