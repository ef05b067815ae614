import { check, login, open, row } from "./kit.mjs";

const closed = (page) => page.waitForSelector("#compose:not([open])", { state: "attached" });
const rows = (page) => page.locator("#messages li");
// only waits until there is one draft alone, for a moment after it was saved there are two.
const only = (page, text) => page.waitForFunction((text) => document.querySelectorAll("#messages li").length === 1 && document.querySelector("#messages .preview").textContent === text, text);
const box = (page, name) => page.click(`[data-box=${name}]`);

// What is written is kept without being asked to, once, gone on with, sent or discarded, and what was discarded comes
// back.
export async function drafts() {
	const page = await open(1280, 800, "light");
	await login(page);
	await row(page, "Picnic").waitFor();
	await page.keyboard.press("c");
	await page.waitForSelector("#compose[open]");
	await page.keyboard.press("Escape");
	await closed(page);
	await box(page, "Drafts");
	await page.waitForFunction(() => document.querySelector("#state").textContent === "Nothing is here.");
	check((await rows(page).count()) === 0, "an empty message was kept");

	await page.keyboard.press("c");
	await page.fill("#to", "ben@example.org, not an addr");
	await page.fill("#subject", "About <b>cake</b>");
	await page.setInputFiles("#attach", { name: "list.txt", mimeType: "text/plain", buffer: Buffer.from("flour") });
	await page.fill("#text", "First");
	await row(page, "About <b>cake</b>").waitFor();
	await page.waitForFunction(() => document.querySelector("#compose-status").textContent.startsWith("Saved at"));
	await page.fill("#text", "First and second");
	await only(page, "First and second");
	check((await page.locator("#compose").evaluate((d) => d.open)), "saving closed what is written");

	// Another window, as after a crash of this one.
	const other = await open(1280, 800, "dark");
	await login(other);
	await row(other, "Picnic").waitFor();
	check((await other.locator("[data-box=Drafts] .dim").textContent()) === "1", "the drafts are not counted");
	await box(other, "Drafts");
	await row(other, "About <b>cake</b>").click();
	await other.waitForSelector("#compose[open]");
	check((await other.inputValue("#to")) === "ben@example.org" && (await other.inputValue("#text")) === "First and second" && (await other.textContent("#files")).includes("list.txt (5 bytes)"), "the draft is not what was written");
	await other.fill("#text", "First, second");
	await only(other, "First, second");
	await other.fill("#text", "First, second and third"); // the file is that of a draft which is there no more
	await other.keyboard.press("Escape");
	await closed(other);
	await only(other, "First, second and third");
	await other.context().close();

	// The first window's draft is gone by now: what is written there is kept all the same.
	await page.fill("#text", "Mine");
	await page.keyboard.press("Escape");
	await closed(page);
	await page.waitForFunction(() => [...document.querySelectorAll("#messages .preview")].some((p) => p.textContent === "Mine"));
	await page.locator("#messages .open", { hasText: "third" }).click();
	await page.waitForSelector("#compose[open]");
	await page.click("#discard");
	await closed(page);
	await page.waitForFunction(() => document.querySelectorAll("#messages li").length === 1);
	await page.keyboard.press("z");
	await page.waitForSelector("#compose[open]");
	check((await page.inputValue("#text")) === "First, second and third" && (await page.textContent("#files")).includes("list.txt"), "what was discarded does not come back");
	await page.waitForFunction(() => document.querySelectorAll("#messages li").length === 2);
	await page.click("#discard");
	await closed(page);
	await page.waitForFunction(() => document.querySelectorAll("#messages li").length === 1);

	// Sent, it is in Sent and no draft any more.
	await row(page, "About <b>cake</b>").click();
	await page.waitForSelector("#compose[open]");
	await page.fill("#to", "");
	await page.click("#send");
	await page.waitForFunction(() => document.querySelector("#compose-error").textContent === "Not sent: to whom?");
	await page.fill("#to", "alice@example.com");
	await page.keyboard.press("Control+Enter");
	await closed(page);
	await page.waitForFunction(() => document.querySelectorAll("#messages li").length === 0);
	await box(page, "Sent");
	await row(page, "About <b>cake</b>").waitFor();
	check((await rows(page).count()) === 1, "it was sent more than once");
	await box(page, "Inbox");
	await row(page, "About <b>cake</b>").click();
	await page.waitForSelector("#letters .text");
	check((await page.textContent("#letters .text")).includes("Mine") && (await page.textContent("#letters .files")).includes("list.txt"), "what came is not what was written");
	await page.context().close();
}
